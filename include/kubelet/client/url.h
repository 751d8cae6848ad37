// The server's URL out of a kubeconfig, and the pieces of URLs and requests that rooms share. Pure;
// thread safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::client {

struct ServerUrl {
  bool https = true;
  std::string host;    // without brackets, lower case
  std::string port;    // always set
  std::string prefix;  // path before every request's, without a slash at its end; may be empty
  // `host:port` for the Host header; the scheme's own port is left out.
  std::string Authority() const;
  // `https://host:port`, always with its port: what messages call the server.
  std::string ToString() const;
};

// A scheme may be left out: then `default_https` decides. InvalidArgument: another scheme, no host,
// a bad port, blanks or control characters, user info.
absl::StatusOr<ServerUrl> ParseServerUrl(const std::string& text, bool default_https);

// False: not a host with an optional port. Brackets are taken off.
bool SplitHostPort(const std::string& text, std::string& host, std::string& port);
bool ValidPort(const std::string& port);
std::string LowerCase(std::string text);
std::string PercentDecode(const std::string& text);
// `[v6]:port` or `host:port`.
std::string JoinHostPort(const std::string& host, const std::string& port);

// `a=b&c=d` in the order given, percent-encoded.
std::string EncodeQuery(const std::vector<std::pair<std::string, std::string>>& query);

// `Basic <base64>` of `user:password`.
std::string BasicAuthorization(const std::string& user_info);

}  // namespace kubelet::client
