// URLs of manifests: client/url.h knows servers only, here there is a path, a query and user info.
// Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "kubelet/client/url.h"

namespace kubelet::source {

struct Url {
  std::string scheme;     // http or https
  std::string host;       // without brackets, lower case
  std::string port;       // always set
  std::string target;     // path and query, at least "/"
  std::string user_info;  // "user:password", percent-decoded; empty when absent
  bool https() const { return scheme == "https"; }
  client::ServerUrl Server() const;
  // The Host header: port left out when it is the scheme's, brackets around an IPv6 address.
  std::string HostHeader() const;
  // Without user info, for messages and redirects.
  std::string ToString() const;
};

// InvalidArgument: another scheme, no host, control characters or blanks. A fragment is dropped.
absl::StatusOr<Url> ParseUrl(const std::string& text);
// The Location of a redirect, relative to where it came from.
absl::StatusOr<Url> ResolveUrl(const Url& base, const std::string& location);

}  // namespace kubelet::source
