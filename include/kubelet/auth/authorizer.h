// May this user do that on this node? Core loop only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/auth/authenticator.h"

namespace kubelet::auth {

// What is asked of resource `nodes` (apiVersion v1, this node's name).
struct Attributes {
  std::string verb;  // get, create, update, patch, delete; empty for other methods
  std::vector<std::string> subresources;  // any of them is enough; asked in this order
};
// From an HTTP request; `path` is decoded. Pure (pkg/kubelet/server/auth.go with
// KubeletFineGrainedAuthz).
Attributes AttributesOf(const std::string& method, const std::string& path);

// What the client is told.
struct Verdict {
  int code = 200;  // 200, 403 or 500
  std::string message;
};

class Authorizer {
 public:
  struct Options {
    bool webhook = true;  // authorization.mode; false: AlwaysAllow
    std::string node_name;
    base::Nanos allowed_ttl = std::chrono::minutes(5);  // authorization.webhook.cacheAuthorizedTTL
    base::Nanos denied_ttl =
        std::chrono::seconds(30);  // authorization.webhook.cacheUnauthorizedTTL
    size_t cached = 1024;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    client::Api* api = nullptr;  // null: nobody may do anything in webhook mode
  };
  Authorizer(Deps deps, Options options);
  ~Authorizer();

  base::Task<Verdict> Authorize(User user, Attributes attributes);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::auth
