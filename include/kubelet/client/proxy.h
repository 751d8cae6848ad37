// Whether and how the way to a server leads through a proxy: the API server, or the URL of
// manifests. Pure; thread safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/client/url.h"

namespace kubelet::client {

struct Proxy {
  enum class Kind { kConnect, kSocks5 };
  Kind kind = Kind::kConnect;
  bool tls = false;  // spoken to by TLS; kConnect only
  std::string host, port;
  std::string user_info;  // `user:password`, decoded; empty: none
};

struct ProxyEnvironment {
  std::string http, https, no_proxy;
  static ProxyEnvironment FromProcess();  // upper-case names first, then lower-case
};

// nullopt: straight to the server. `proxy_url` (of the kubeconfig) always counts, as in client-go;
// the environment follows golang.org/x/net/http/httpproxy: never for localhost and loopback
// addresses, nor for what NO_PROXY names (hosts with their subdomains, `.domain`, `*.domain`,
// addresses, CIDRs, each with an optional port; `*`). InvalidArgument: no proxy of a kind we speak
// (http, https, socks5, socks5h; without a scheme: http). The message does not hold the URL, since
// that may hold a password.
absl::StatusOr<std::optional<Proxy>> ChooseProxy(const ServerUrl& server,
                                                 const std::string& proxy_url,
                                                 const ProxyEnvironment& environment);

}  // namespace kubelet::client
