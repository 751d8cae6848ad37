// One attempt to get a certificate: key, request, approval, store.
#include <unistd.h>

#include "client/certificate_rotator_state.h"
#include "client/csr_request.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;

constexpr char kPoolKind[] = "credentials";
constexpr base::Nanos kFileTimeout = 10s;
// Of a certificate that is as useless as the one before, another is not asked for at once.
constexpr base::Nanos kFutile = 5min;

// The key of an unfinished request, or a new one that is kept for the next start.
absl::StatusOr<KeyPtr> KeptKey(const std::string& file) {
  if (auto text = ReadSmallFile(file); text.ok()) {
    if (auto key = ParseKey(*text); key.ok()) return key;
  }
  ASSIGN_OR_RETURN(KeyPtr key, GenerateKey());
  ASSIGN_OR_RETURN(std::string pem, KeyPem(key.get()));
  RETURN_IF_ERROR(WriteAtomically(file, pem, 0600));
  return key;
}

// `key_file` empty: a key and a name for this request alone. Blocking.
absl::StatusOr<CsrRequest> Prepare(const std::string& key_file, const std::string& signer,
                                   const CsrTemplate& want) {
  CsrRequest request;
  request.signer = signer;
  request.want = want;
  auto key = key_file.empty() ? GenerateKey() : KeptKey(key_file);
  if (!key.ok()) return key.status();
  ASSIGN_OR_RETURN(request.key_pem, KeyPem(key->get()));
  ASSIGN_OR_RETURN(request.csr_pem, MakeCsr(key->get(), want));
  if (!key_file.empty()) {
    ASSIGN_OR_RETURN(request.name, DigestedName(key->get(), want, UsagesOf(signer)));
  }
  return request;
}

}  // namespace

bool CertificateRotator::State::Valid(base::WallTime now) const {
  return held && now <= held->info.not_after && !RejectedForLong();
}

void CertificateRotator::State::Fail(const std::string& what) {
  ++failures;
  last_error = what;
  base::Nanos delay = ComputeDelay(failures, deps.random());
  retry_at = deps.clock.Mono() + delay;
  if (deps.errors != nullptr) deps.errors->Add();
  LOG_ERROR("Cannot get a certificate", "for", options.what, "err", what, "attempt", failures,
            "retryIn", base::GoDuration(delay));
}

base::Task<absl::Status> CertificateRotator::State::Obtain(std::shared_ptr<State> self,
                                                           CsrTemplate want, bool fresh_start) {
  std::string key_file;
  if (fresh_start) key_file = self->options.key_file;
  std::function<absl::StatusOr<CsrRequest>()> prepare =
      [key_file, signer = self->options.signer, want] { return Prepare(key_file, signer, want); };
  auto request =
      co_await self->deps.pool.Run<CsrRequest>(kPoolKind, kFileTimeout, std::move(prepare));
  if (!request.ok()) co_return request.status();
  if (self->ended) co_return absl::CancelledError("stopped");
  auto opening = self->hooks.open(self->held, !fresh_start, self->failures);
  auto lease = co_await std::move(opening);
  if (!lease.ok()) co_return lease.status();
  std::string key_pem = request->key_pem;
  std::function<void(const std::string&)> created = [self](const std::string& name) {
    self->csr_name = name;
    LOG_INFO("Waiting for a certificate to be approved and issued", "for", self->options.what,
             "csr", name);
    self->wake.Notify();
  };
  auto asking_api =
      RequestCertificate(*lease->api, self->deps.clock, *std::move(request), std::move(created));
  auto issued = co_await std::move(asking_api);
  if (!issued.ok()) {
    // Under the name of this key there is nothing more to be had.
    if (absl::IsFailedPrecondition(issued.status()) && !key_file.empty())
      ::unlink(key_file.c_str());
    co_return issued.status();
  }
  PemPair pair{*std::move(issued), std::move(key_pem)};
  std::function<absl::Status()> store = [hook = self->hooks.store, pair, key_file,
                                         now = self->deps.clock.Now()] {
    absl::Status status = hook(pair, now);
    // Also a certificate that is of no use: the next request needs another name.
    if (!key_file.empty() && (status.ok() || absl::IsInvalidArgument(status)))
      ::unlink(key_file.c_str());
    return status;
  };
  co_return co_await self->deps.pool.RunStatus(kPoolKind, kFileTimeout, std::move(store));
}

base::Task<void> CertificateRotator::State::Attempt(std::shared_ptr<State> self, CsrTemplate want,
                                                    bool fresh_start) {
  auto before = self->held;
  auto obtaining = Obtain(self, want, fresh_start);
  absl::Status status = co_await std::move(obtaining);
  if (status.ok()) {
    self->look_again = true;
    co_await Look(self);
    auto now = self->deps.clock.Now();
    if (before && self->deps.rotated != nullptr)
      self->deps.rotated->Observe(
          std::chrono::duration<double>(now - before->info.not_before).count());
    self->failures = 0;
    self->last_error.clear();
    self->retry_at.reset();
    if (!self->Valid(now) || !Satisfies(self->held->info, want)) {
      self->last_error =
          "the certificate that was issued is not what was asked for, or has "
          "expired by this machine's clock";
      self->retry_at = self->deps.clock.Mono() + kFutile;
    }
  } else {
    self->Fail(base::Message(status));
  }
  self->attempting = false;
  self->csr_name.clear();
  self->wake.Notify();
}

}  // namespace kubelet::client
