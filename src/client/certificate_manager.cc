#include <limits>

#include "client/certificate_rotator.h"
#include "client/client_pair.h"
#include "client/csr_request.h"
#include "kubelet/client/certificates.h"

namespace kubelet::client {
namespace {

// The pair we hold, for the one client that asks for the next.
class HeldCredentials : public Credentials {
 public:
  explicit HeldCredentials(const PemPair& pair) {
    presented_.cert_pem = pair.cert_pem;
    presented_.key_pem = pair.key_pem;
    presented_.generation = 1;
  }
  base::Task<absl::StatusOr<Presented>> Get() override { co_return presented_; }
  uint64_t generation() const override { return presented_.generation; }
  void Rejected(uint64_t) override {}

 private:
  Presented presented_;
};

// In the order of their making: the client goes before its credentials.
struct Borrowed {
  std::unique_ptr<Credentials> credentials;
  std::unique_ptr<Api> api;
};

base::Task<absl::StatusOr<ApiLease>> Open(CertificateOptions options, CertificateManager::Deps deps,
                                          std::shared_ptr<const HeldPair> held, bool valid,
                                          int failures) {
  std::function<absl::StatusOr<Asker>()> work = [options, has_pair = held != nullptr, valid,
                                                 failures] {
    return ChooseAsker(options, has_pair, valid, failures);
  };
  auto asker =
      co_await deps.pool.Run<Asker>("credentials", std::chrono::seconds(10), std::move(work));
  if (!asker.ok()) co_return asker.status();
  auto borrowed = std::make_shared<Borrowed>();
  CredentialDeps credential_deps{deps.executor, deps.clock, deps.pool};
  if (asker->held) {
    borrowed->credentials = std::make_unique<HeldCredentials>(held->pem);
  } else {
    borrowed->credentials = MakeCredentials(asker->config, credential_deps);
  }
  borrowed->api = deps.make_api(asker->config, *borrowed->credentials);
  ApiLease lease;
  lease.api = borrowed->api.get();
  lease.keep = std::move(borrowed);
  co_return lease;
}

CertificateRotator::Deps RotatorDeps(const CertificateManager::Deps& deps) {
  CertificateRotator::Deps out{deps.executor, deps.clock, deps.pool, deps.random};
  if (deps.metrics == nullptr) return out;
  out.errors = &deps.metrics
                    ->AddCounter("kubelet_certificate_manager_client_expiration_renew_errors",
                                 "Counter of certificate renewal errors.")
                    .Only();
  out.ttl = &deps.metrics
                 ->AddGauge("kubelet_certificate_manager_client_ttl_seconds",
                            "Seconds until the client certificate expires, negative when it has; "
                            "+Inf: there is none.")
                 .Only();
  out.ttl->Set(std::numeric_limits<double>::infinity());
  return out;
}

CertificateRotator::Hooks MakeHooks(const CertificateOptions& options,
                                    const CertificateManager::Deps& deps) {
  CertificateRotator::Hooks hooks;
  hooks.look = [options](base::WallTime now) { return LookForClientPair(options, now); };
  hooks.store = [options](const PemPair& pair, base::WallTime now) {
    return StoreClientPair(options, pair, now);
  };
  hooks.want = [name = options.node_name]() -> std::optional<CsrTemplate> {
    CsrTemplate want;
    want.common_name = "system:node:" + name;
    want.organizations.push_back("system:nodes");
    return want;
  };
  hooks.open = [options, deps](std::shared_ptr<const HeldPair> held, bool valid, int failures) {
    return Open(options, deps, std::move(held), valid, failures);
  };
  hooks.changed = deps.on_health;
  return hooks;
}

CertificateRotator::Options RotatorOptions(const CertificateOptions& options) {
  CertificateRotator::Options out;
  out.what = "client certificate";
  out.signer = kClientSigner;
  out.rotate = options.rotate;
  out.key_file = options.cert_dir + "/kubelet-client.key.tmp";
  return out;
}

}  // namespace

struct CertificateManager::Parts {
  Parts(const CertificateOptions& options, const Deps& deps)
      : rotator(RotatorDeps(deps), RotatorOptions(options), MakeHooks(options, deps)) {}
  CertificateRotator rotator;
};

CertificateManager::CertificateManager(CertificateOptions options, Deps deps)
    : parts_(std::make_shared<Parts>(options, deps)) {}

CertificateManager::~CertificateManager() = default;

void CertificateManager::Start() { parts_->rotator.Start(); }

base::Task<void> CertificateManager::Stop() { return parts_->rotator.Stop(); }

base::Task<absl::StatusOr<Presented>> CertificateManager::Get() {
  auto parts = parts_;
  auto getting = parts->rotator.Get();
  auto pair = co_await std::move(getting);
  if (!pair) co_return absl::UnavailableError(parts->rotator.health().message);
  Presented presented;
  presented.cert_pem = pair->pem.cert_pem;
  presented.key_pem = pair->pem.key_pem;
  presented.generation = parts->rotator.generation();
  co_return presented;
}

uint64_t CertificateManager::generation() const { return parts_->rotator.generation(); }

void CertificateManager::Rejected(uint64_t generation) { parts_->rotator.Rejected(generation); }

CertificateHealth CertificateManager::health() const { return parts_->rotator.health(); }

}  // namespace kubelet::client
