#include "kubelet/client/serving_certificate.h"

#include <unistd.h>

#include <limits>
#include <set>

#include "client/certificate_rotator.h"
#include "client/certificate_store.h"
#include "client/csr_request.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

PairLook LookAtFiles(const std::string& cert_file, const std::string& key_file) {
  PairLook look;
  look.files = {cert_file, key_file};
  HeldPair pair;
  pair.origin = cert_file;
  auto cert = ReadSmallFile(cert_file);
  auto key = ReadSmallFile(key_file);
  if (!cert.ok() || !key.ok()) {
    look.pair = cert.ok() ? key.status() : cert.status();
    return look;
  }
  auto info = CheckPair(*cert, *key);
  if (!info.ok()) {
    look.pair = base::Annotate(info.status(), cert_file + ", " + key_file);
    return look;
  }
  pair.pem = {*std::move(cert), *std::move(key)};
  pair.info = *std::move(info);
  look.pair = std::move(pair);
  return look;
}

// The key first: a crash leaves a key without a certificate, which is nobody's.
absl::Status MakeOwn(const std::string& cert_file, const std::string& key_file,
                     const std::string& hostname, base::WallTime now) {
  ASSIGN_OR_RETURN(PemPair pair, MakeSelfSigned(hostname, now));
  RETURN_IF_ERROR(WriteAtomically(key_file, pair.key_pem, 0600));
  RETURN_IF_ERROR(WriteAtomically(cert_file, pair.cert_pem, 0644));
  LOG_INFO("Made a self-signed serving certificate", "file", cert_file, "host", hostname);
  return absl::OkStatus();
}

PairLook LookSelfSigned(const ServingOptions& options, base::WallTime now) {
  std::string cert_file = options.cert_dir + "/kubelet.crt";
  std::string key_file = options.cert_dir + "/kubelet.key";
  if (StampOf(cert_file).error == ENOENT) {
    absl::Status made = MakeOwn(cert_file, key_file, options.hostname, now);
    if (!made.ok()) {
      PairLook look;
      look.files = {cert_file, key_file};
      look.pair = base::Annotate(made, "self-signed serving certificate");
      return look;
    }
  }
  return LookAtFiles(cert_file, key_file);
}

CertificateStore ServerStore(const ServingOptions& options) {
  return CertificateStore("kubelet-server", options.cert_dir, options.tls_cert_file,
                          options.tls_key_file);
}

PairLook LookAtStore(const ServingOptions& options) {
  PairLook look;
  CertificateStore store = ServerStore(options);
  look.files = store.Files();
  auto stored = store.Load();
  if (!stored.ok()) {
    look.pair = stored.status();
    return look;
  }
  HeldPair pair;
  pair.pem = std::move(stored->pem);
  pair.info = std::move(stored->info);
  pair.origin = stored->path;
  pair.warning = std::move(stored->warning);
  look.pair = std::move(pair);
  return look;
}

PairLook LookForServing(const ServingOptions& options, base::WallTime now) {
  if (options.bootstrap) return LookAtStore(options);
  if (!options.tls_cert_file.empty() || !options.tls_key_file.empty())
    return LookAtFiles(options.tls_cert_file, options.tls_key_file);
  return LookSelfSigned(options, now);
}

base::Task<absl::StatusOr<ApiLease>> Lend(Api* api) {
  if (api == nullptr) co_return absl::FailedPreconditionError("there is no API server to ask");
  ApiLease lease;
  lease.api = api;
  co_return lease;
}

std::vector<double> AgeBuckets() {
  return {60, 3600, 14400, 86400, 604800, 2592000, 7776000, 15552000, 31104000, 124416000};
}

CertificateRotator::Deps RotatorDeps(const ServingCertificate::Deps& deps, bool bootstrap) {
  CertificateRotator::Deps out{deps.executor, deps.clock, deps.pool, deps.random};
  if (deps.metrics == nullptr || !bootstrap) return out;
  out.errors = &deps.metrics
                    ->AddCounter("kubelet_server_expiration_renew_errors",
                                 "Counter of certificate renewal errors.")
                    .Only();
  out.ttl = &deps.metrics
                 ->AddGauge("kubelet_certificate_manager_server_ttl_seconds",
                            "Seconds until the serving certificate expires, negative when it has; "
                            "+Inf: there is none.")
                 .Only();
  out.ttl->Set(std::numeric_limits<double>::infinity());
  out.rotated = &deps.metrics
                     ->AddHistogram("kubelet_certificate_manager_server_rotation_seconds",
                                    "Seconds the certificate before had lived when it was rotated.",
                                    AgeBuckets())
                     .Only();
  return out;
}

}  // namespace

ServingNames ComputeServingNames(
    const google::protobuf::RepeatedPtrField<k8s::io::api::core::v1::NodeAddress>& addresses) {
  std::set<std::string> dns, ips;
  for (const auto& one : addresses) {
    const std::string &type = one.type(), &text = one.address();
    if (text.empty()) continue;
    std::string ip = CanonicalIp(text);
    bool is_host = type == "Hostname";
    if ((is_host || type == "ExternalIP" || type == "InternalIP") && !ip.empty()) {
      ips.insert(ip);
    } else if (is_host || type == "ExternalDNS" || type == "InternalDNS") {
      dns.insert(text);
    }
  }
  return {{dns.begin(), dns.end()}, {ips.begin(), ips.end()}};
}

struct ServingCertificate::Parts {
  Parts(ServingOptions o, const Deps& deps)
      : options(std::move(o)),
        rotator(RotatorDeps(deps, options.bootstrap), RotatorOptions(), MakeHooks(deps)) {}

  CertificateRotator::Options RotatorOptions() const {
    CertificateRotator::Options out;
    out.what = "serving certificate";
    out.signer = kServingSigner;
    return out;
  }
  CertificateRotator::Hooks MakeHooks(const Deps& deps) {
    CertificateRotator::Hooks hooks;
    hooks.look = [options = options](base::WallTime now) { return LookForServing(options, now); };
    hooks.store = [options = options](const PemPair& pair, base::WallTime now) {
      return ServerStore(options).Update(pair, now).status();
    };
    hooks.want = [this, asks = options.bootstrap && deps.api != nullptr] {
      return asks ? Want() : std::nullopt;
    };
    hooks.open = [api = deps.api](std::shared_ptr<const HeldPair>, bool, int) { return Lend(api); };
    hooks.changed = deps.changed;
    return hooks;
  }
  std::optional<CsrTemplate> Want() const {
    bool enough = !names.ip_addresses.empty() || (options.dns_only && !names.dns_names.empty());
    if (!enough) return std::nullopt;
    CsrTemplate want;
    want.common_name = "system:node:" + options.node_name;
    want.organizations.push_back("system:nodes");
    want.dns_names = names.dns_names;
    want.ip_addresses = names.ip_addresses;
    return want;
  }

  ServingOptions options;
  ServingNames names;
  CertificateRotator rotator;
};

ServingCertificate::ServingCertificate(ServingOptions options, Deps deps)
    : parts_(std::make_unique<Parts>(std::move(options), deps)) {}
ServingCertificate::~ServingCertificate() = default;
void ServingCertificate::Start() { parts_->rotator.Start(); }
base::Task<void> ServingCertificate::Stop() { return parts_->rotator.Stop(); }

void ServingCertificate::SetAddresses(
    const google::protobuf::RepeatedPtrField<k8s::io::api::core::v1::NodeAddress>& addresses) {
  ServingNames names = ComputeServingNames(addresses);
  bool same = names.dns_names == parts_->names.dns_names &&
              names.ip_addresses == parts_->names.ip_addresses;
  if (same) return;
  parts_->names = std::move(names);
  parts_->rotator.Wake();
}

absl::StatusOr<Presented> ServingCertificate::Current() const {
  auto pair = parts_->rotator.pair();
  if (!pair) return absl::UnavailableError(health().message);
  Presented out;
  out.cert_pem = pair->pem.cert_pem;
  out.key_pem = pair->pem.key_pem;
  out.generation = generation();
  return out;
}

uint64_t ServingCertificate::generation() const { return parts_->rotator.generation(); }
CertificateHealth ServingCertificate::health() const { return parts_->rotator.health(); }

}  // namespace kubelet::client
