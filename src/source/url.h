// URLs of manifests, and whether a request goes through a proxy. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/source/source.h"

namespace kubelet::source {

struct Url {
  std::string scheme;     // http or https
  std::string host;       // without brackets, lower case
  std::string port;       // always set
  std::string target;     // path and query, at least "/"
  std::string user_info;  // "user:password", percent-decoded; empty when absent
  bool https() const { return scheme == "https"; }
  // The Host header: port left out when it is the scheme's, brackets around an IPv6 address.
  std::string HostHeader() const;
  // Without user info, for messages and redirects.
  std::string ToString() const;
};

// InvalidArgument: another scheme, no host, control characters or blanks. A fragment is dropped.
absl::StatusOr<Url> ParseUrl(const std::string& text);
// The Location of a redirect, relative to where it came from.
absl::StatusOr<Url> ResolveUrl(const Url& base, const std::string& location);

// The proxy for a request, by golang.org/x/net/http/httpproxy's rules; nullopt: none.
// InvalidArgument: the variable is no proxy URL of a kind we speak (http only; the scheme may be
// left out).
absl::StatusOr<std::optional<Url>> ProxyFor(const Url& url, const ProxySettings& settings);

// "Basic <base64>" of user info.
std::string BasicAuthorization(const std::string& user_info);

}  // namespace kubelet::source
