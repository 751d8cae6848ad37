#include "kubelet/client/tokens.h"

#include <algorithm>

#include "client/random.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "kubelet/api/time.h"
#include "kubelet/base/log.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
namespace authentication = ::k8s::io::api::authentication::v1;

constexpr base::Nanos kMaxAge = 24h;
constexpr base::Nanos kMaxJitter = 10s;
constexpr base::Nanos kFirstRetry = 1s;
constexpr base::Nanos kMaxRetry = 60s;
constexpr base::Nanos kCollectEvery = 60s;
// A pod waits for it, and the old token serves: not the default of a call.
constexpr base::Nanos kCallTimeout = 10s;

std::shared_ptr<authentication::TokenRequest> Body(const TokenRequest& request) {
  auto body = std::make_shared<authentication::TokenRequest>();
  if (!request.service_account_uid.empty()) {
    body->mutable_metadata()->set_uid(request.service_account_uid);
  }
  auto& spec = *body->mutable_spec();
  for (const auto& audience : request.audiences) spec.add_audiences(audience);
  spec.set_expiration_seconds(request.expiration_seconds);
  if (!request.pod_uid.empty()) {
    auto& bound = *spec.mutable_bound_object_ref();
    bound.set_kind("Pod");
    bound.set_api_version("v1");
    bound.set_name(request.pod_name);
    bound.set_uid(request.pod_uid);
  }
  return body;
}

}  // namespace

struct TokenManager::Entry {
  explicit Entry(const Deps& deps) : lock(deps.executor, deps.clock, 1) {}
  base::Semaphore lock;  // one asks, the others take what it gets
  TokenPtr token;
  base::WallTime refresh_at{};
  base::Nanos retry{0};  // of the last failure; zero: there was none
};

TokenManager::TokenManager(Deps deps) : deps_(std::move(deps)) {
  if (!deps_.random) deps_.random = OwnRandom();
}
TokenManager::~TokenManager() = default;

base::Task<absl::StatusOr<TokenPtr>> TokenManager::Get(TokenRequest request) {
  Collect();
  EntryPtr& slot = entries_[request];
  if (!slot) slot = std::make_shared<Entry>(deps_);
  EntryPtr entry = slot;
  auto permit = co_await entry->lock.Acquire();
  if (entry->token && deps_.clock.Now() < entry->refresh_at) co_return entry->token;
  absl::Status status = co_await Refresh(request, entry);
  if (status.ok()) co_return entry->token;
  auto it = entries_.find(request);
  bool ours = it != entries_.end() && it->second == entry;
  if (!entry->token) {
    // Nobody else's request may be lost with the entry.
    if (ours && entry->lock.waiting() == 0) entries_.erase(it);
    co_return absl::Status(status.code(),
                           "failed to fetch token: " + std::string(status.message()));
  }
  std::string who = request.ns + "/" + request.service_account;
  if (deps_.clock.Now() > entry->token->expires) {
    co_return absl::Status(status.code(), "token of " + who + " expired and refresh failed: " +
                                              std::string(status.message()));
  }
  LOG_ERROR("Couldn't update token", "serviceAccount", who, "pod", request.pod_name, "err", status);
  co_return entry->token;
}

base::Task<absl::Status> TokenManager::Refresh(TokenRequest request, EntryPtr entry) {
  Call call;
  call.verb = Call::Verb::kCreate;
  call.path.resource = kServiceAccounts;
  call.path.namespace_ = request.ns;
  call.path.name = request.service_account;
  call.path.subresource = "token";
  call.body = Body(request);
  call.timeout = kCallTimeout;
  authentication::TokenRequest answer;
  absl::Status status = co_await deps_.api.Do(std::move(call), &answer);
  auto expires = api::ToWallTime(answer.status().expiration_timestamp());
  if (status.ok() && (answer.status().token().empty() || !expires)) {
    status = absl::UnavailableError("the API server gave no token");
  }
  base::WallTime now = deps_.clock.Now();
  if (!status.ok()) {
    entry->retry = std::clamp(entry->retry * 2, kFirstRetry, kMaxRetry);
    if (entry->token) entry->refresh_at = now + entry->retry;
    co_return status;
  }
  auto token = std::make_shared<ServiceAccountToken>();
  token->token = std::move(*answer.mutable_status()->mutable_token());
  token->expires = *expires;
  int64_t seconds = request.expiration_seconds;
  // The server may have given another life than was asked for.
  if (answer.spec().has_expiration_seconds()) seconds = answer.spec().expiration_seconds();
  auto life = std::chrono::seconds(seconds);
  auto jitter = base::Nanos(static_cast<int64_t>(deps_.random() * kMaxJitter.count()));
  entry->refresh_at = std::min(*expires - life + kMaxAge, *expires - life / 5) - jitter;
  entry->token = std::move(token);
  entry->retry = base::Nanos(0);
  co_return absl::OkStatus();
}

std::optional<base::WallTime> TokenManager::NextRefresh(const TokenRequest& request) const {
  auto it = entries_.find(request);
  if (it == entries_.end() || !it->second->token) return std::nullopt;
  return it->second->refresh_at;
}

void TokenManager::RemovePod(const std::string& uid) {
  std::erase_if(entries_, [&uid](const auto& item) { return item.first.pod_uid == uid; });
}

// Expired tokens nobody asked for again.
void TokenManager::Collect() {
  if (deps_.clock.Mono() < next_collect_) return;
  next_collect_ = deps_.clock.Mono() + kCollectEvery;
  base::WallTime now = deps_.clock.Now();
  std::erase_if(entries_, [now](const auto& item) {
    return item.second->token && now > item.second->token->expires;
  });
}

}  // namespace kubelet::client
