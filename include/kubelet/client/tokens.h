// Service account tokens for pods, by the TokenRequest API (serviceaccounts/token). Core loop only.
// Facts: pkg/kubelet/token/token_manager.go.
//
// A token is asked for anew when it is older than 24 h or has less than a fifth of its life left,
// up to 10 s earlier. When that fails the old one is served until it expires, and the next try is a
// while later (1 s doubling to a minute); without an old one each Get asks.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

struct TokenRequest {
  std::string ns, service_account;
  std::vector<std::string> audiences;  // empty: the API server's own
  int64_t expiration_seconds = 3600;   // spec default of a projection; 600 is the least
  std::string pod_name, pod_uid;       // the token dies with this pod; empty: bound to nothing
  // Not empty: the uid the service account must have.
  std::string service_account_uid;
  auto operator<=>(const TokenRequest&) const = default;
};

struct ServiceAccountToken {
  std::string token;  // never logged
  base::WallTime expires;
};
using TokenPtr = std::shared_ptr<const ServiceAccountToken>;

class TokenManager {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    Api& api;
    std::function<double()> random = {};  // [0, 1) for the jitter; empty: one of its own
  };
  explicit TokenManager(Deps deps);
  ~TokenManager();

  // From the cache, or from the server. Questions for one token at one time are one request. Errors
  // are those of the server; Unavailable and the like only when there is no token that still lives.
  base::Task<absl::StatusOr<TokenPtr>> Get(TokenRequest request);
  // When Get will ask the server again: the volume looks then. nullopt: there is no such token.
  std::optional<base::WallTime> NextRefresh(const TokenRequest& request) const;
  // Forgets the tokens of a pod.
  void RemovePod(const std::string& uid);
  size_t size() const { return entries_.size(); }

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;
  void Collect();
  base::Task<absl::Status> Refresh(TokenRequest request, EntryPtr entry);

  Deps deps_;
  std::map<TokenRequest, EntryPtr> entries_;
  base::MonoTime next_collect_{};
};

}  // namespace kubelet::client
