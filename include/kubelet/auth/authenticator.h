// Who asks: a client certificate, a bearer token, or nobody in particular.
//
// Order and meaning as upstream (cmd/kubelet/app/auth.go): the certificate first, then the token; a
// credential that was shown and is no good is a refusal, only a request that shows none at all may
// be anonymous. Core loop only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/client/api.h"

namespace kubelet::auth {

struct User {
  std::string name, uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;
};

// What a request shows of itself.
struct Claim {
  // Of the TLS connection: nullopt none was shown (or nobody is named in it); an error: it is not
  // trusted.
  std::optional<absl::StatusOr<User>> certificate;
  std::string authorization;        // the header
  std::string websocket_protocols;  // Sec-WebSocket-Protocol: browsers carry their token there
};

// A WebSocket subprotocol of this prefix is a token in base64url
// (staging apiserver/pkg/authentication/request/websocket/protocol.go).
inline constexpr char kTokenProtocol[] = "base64url.bearer.authorization.k8s.io.";

// The bearer token of a claim, empty: none. Pure.
std::string TokenOf(const Claim& claim);

class Authenticator {
 public:
  struct Options {
    bool tokens = true;                               // authentication.webhook.enabled
    bool anonymous = false;                           // authentication.anonymous.enabled
    base::Nanos token_ttl = std::chrono::minutes(2);  // authentication.webhook.cacheTTL
    size_t cached_tokens = 1024;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    client::Api* api = nullptr;  // null: standalone, no token is known
  };
  Authenticator(Deps deps, Options options);
  ~Authenticator();

  // Unauthenticated: who it is cannot be told; the message is for the log, not for the client. A
  // token that is asked about by many at once is asked about once.
  base::Task<absl::StatusOr<User>> Authenticate(Claim claim);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::auth
