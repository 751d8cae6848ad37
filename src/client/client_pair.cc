#include "client/client_pair.h"

#include "client/presented.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/client/kubeconfig.h"

namespace kubelet::client {
namespace {

absl::StatusOr<ClientConfig> Load(const std::string& path) {
  if (path.empty()) return absl::NotFoundError("no kubeconfig is configured");
  KubeconfigOptions options;
  options.check_files = false;
  return LoadKubeconfig(path, options);
}

bool HasCertificate(const ClientConfig& config) {
  return !config.cert_pem.empty() || !config.cert_file.empty();
}

ClientConfig WithoutUser(ClientConfig config) {
  config.cert_file.clear();
  config.key_file.clear();
  config.cert_pem.clear();
  config.key_pem.clear();
  config.token.clear();
  config.token_file.clear();
  config.username.clear();
  config.password.clear();
  config.exec.reset();
  return config;
}

// The pair that the kubeconfig itself names.
absl::StatusOr<HeldPair> OwnPair(const ClientConfig& config, bool rotate) {
  ClientConfig certificate = WithoutUser(config);
  certificate.cert_file = config.cert_file;
  certificate.key_file = config.key_file;
  certificate.cert_pem = config.cert_pem;
  certificate.key_pem = config.key_pem;
  ASSIGN_OR_RETURN(PresentedNow now, ReadPresented(certificate));
  if (!now.certificate) return absl::NotFoundError("kubeconfig " + config.source + " names none");
  HeldPair pair;
  pair.pem.cert_pem = now.presented.cert_pem;
  pair.pem.key_pem = now.presented.key_pem;
  pair.info = *std::move(now.certificate);
  pair.origin = config.cert_file.empty() ? "in " + config.source : config.cert_file;
  // kubeadm hands a powerful certificate over inline, for the node's own to take its place.
  pair.force = rotate && config.cert_file.empty();
  return pair;
}

absl::StatusOr<HeldPair> Stored(const CertificateStore& store) {
  ASSIGN_OR_RETURN(StoredPair stored, store.Load());
  HeldPair pair;
  pair.pem = std::move(stored.pem);
  pair.info = std::move(stored.info);
  pair.origin = stored.path;
  pair.warning = std::move(stored.warning);
  return pair;
}

bool SameCertificate(const PemPair& one, const PemPair& other) {
  auto text = [](const PemPair& pair) -> std::string {
    auto certificates = ParseCertificates(pair.cert_pem);
    if (!certificates.ok()) return "";
    return CertificatesPem(*certificates).value_or("");
  };
  return text(one) == text(other);
}

// kubeadm looks for the store's file as soon as the API server is up, to have the kubeconfig name
// it in the place of the pair that is inline there; whether the server has issued another by then
// is a matter of luck. So the inline pair is the first one of the store, as upstream; it stays due
// for replacement until the kubeconfig holds it no more.
void KeepInlinePair(const CertificateStore& store, base::WallTime now,
                    absl::StatusOr<HeldPair>& stored, const absl::StatusOr<HeldPair>& own) {
  if (!own.ok() || !own->force) return;
  if (absl::IsNotFound(stored.status()) && now <= own->info.not_after) {
    if (auto kept = store.Update(own->pem, now); !kept.ok()) {
      LOG_ERROR("Cannot store the certificate that the kubeconfig brings", "err", kept.status());
      return;
    }
    stored = Stored(store);
  }
  if (stored.ok() && SameCertificate(stored->pem, own->pem)) stored->force = true;
}

bool ValidAt(const absl::StatusOr<HeldPair>& pair, base::WallTime now) {
  return pair.ok() && pair->info.not_before <= now && now <= pair->info.not_after;
}

void WriteFirstKubeconfig(const CertificateOptions& options, const std::string& pem_path) {
  auto bootstrap = Load(options.bootstrap_kubeconfig);
  absl::Status status = bootstrap.ok() ? WriteKubeconfig(options.kubeconfig, *bootstrap, pem_path)
                                       : bootstrap.status();
  if (!status.ok())
    LOG_ERROR("Cannot write the kubeconfig that bootstrap leaves", "path", options.kubeconfig,
              "err", status);
  if (status.ok()) LOG_INFO("Wrote the kubeconfig", "path", options.kubeconfig);
}

}  // namespace

CertificateStore ClientStore(const CertificateOptions& options) {
  return CertificateStore("kubelet-client", options.cert_dir);
}

PairLook LookForClientPair(const CertificateOptions& options, base::WallTime now) {
  CertificateStore store = ClientStore(options);
  PairLook look;
  look.files = store.Files();
  look.files.push_back(options.kubeconfig);
  if (!options.bootstrap_kubeconfig.empty()) look.files.push_back(options.bootstrap_kubeconfig);
  auto stored = Stored(store);
  auto config = Load(options.kubeconfig);
  absl::StatusOr<HeldPair> own = absl::NotFoundError("not looked for");
  if (!config.ok()) own = config.status();
  if (config.ok()) {
    // The store reads its own file, with what stands in for it.
    bool points_to_store = config->cert_file == store.CurrentPath();
    own = absl::NotFoundError("kubeconfig " + options.kubeconfig + " names no other");
    if (HasCertificate(*config) && !points_to_store) own = OwnPair(*config, options.rotate);
    for (const auto& file : {config->cert_file, config->key_file})
      if (!file.empty()) look.files.push_back(file);
  }
  KeepInlinePair(store, now, stored, own);
  auto& first = options.rotate ? stored : own;
  auto& second = options.rotate ? own : stored;
  bool take_first = ValidAt(first, now) || (first.ok() && !ValidAt(second, now));
  auto& taken = take_first || !second.ok() ? first : second;
  auto& other = &taken == &first ? second : first;
  if (!taken.ok()) {
    look.pair = absl::UnavailableError(base::Message(taken.status()) + "; " +
                                       base::Message(other.status()));
    return look;
  }
  bool interrupted = &taken == &stored && absl::IsNotFound(config.status()) &&
                     !options.bootstrap_kubeconfig.empty() && ValidAt(taken, now);
  if (interrupted) WriteFirstKubeconfig(options, store.CurrentPath());
  // What is merely not there is no problem while another is.
  if (!other.ok() && !absl::IsNotFound(other.status()))
    taken->warning += (taken->warning.empty() ? "" : "; ") + base::Message(other.status());
  look.pair = std::move(taken);
  return look;
}

absl::Status StoreClientPair(const CertificateOptions& options, const PemPair& pair,
                             base::WallTime now) {
  CertificateStore store = ClientStore(options);
  RETURN_IF_ERROR(store.Update(pair, now).status());
  if (options.bootstrap_kubeconfig.empty()) return absl::OkStatus();
  auto config = Load(options.kubeconfig);
  absl::StatusOr<HeldPair> own = absl::NotFoundError("not looked for");
  if (config.ok()) own = OwnPair(*config, false);
  // As upstream: one that is not valid yet is valid enough.
  if (!own.ok() || now > own->info.not_after) WriteFirstKubeconfig(options, store.CurrentPath());
  return absl::OkStatus();
}

absl::StatusOr<Asker> ChooseAsker(const CertificateOptions& options, bool has_pair, bool valid,
                                  int failures) {
  std::vector<Asker> askers;
  std::string problems;
  auto node = LoadNodeConfig(options);
  auto own = Load(options.kubeconfig);
  if (!valid && !options.bootstrap_kubeconfig.empty()) {
    auto bootstrap = Load(options.bootstrap_kubeconfig);
    if (!bootstrap.ok()) problems = base::Message(bootstrap.status());
    if (bootstrap.ok()) askers.push_back({*std::move(bootstrap), false});
  }
  if (!valid && own.ok() && !HasCertificate(*own) &&
      (own->exec || !own->token.empty() || !own->token_file.empty() || !own->username.empty()))
    askers.push_back({*own, false});
  if (has_pair && node.ok()) askers.push_back({*node, true});
  if (has_pair && !node.ok()) problems = base::Message(node.status());
  if (askers.empty()) {
    if (options.bootstrap_kubeconfig.empty()) problems = "there is no bootstrap kubeconfig";
    return absl::FailedPreconditionError("nothing to ask for a client certificate with: " +
                                         problems);
  }
  return askers[static_cast<size_t>(failures) % askers.size()];
}

absl::StatusOr<ClientConfig> LoadNodeConfig(const CertificateOptions& options) {
  auto own = Load(options.kubeconfig);
  if (own.ok() || options.bootstrap_kubeconfig.empty()) return own;
  auto bootstrap = Load(options.bootstrap_kubeconfig);
  if (!bootstrap.ok())
    return absl::UnavailableError(base::Message(own.status()) + "; " +
                                  base::Message(bootstrap.status()));
  ClientConfig config = WithoutUser(*std::move(bootstrap));
  config.source = options.kubeconfig;
  return config;
}

}  // namespace kubelet::client
