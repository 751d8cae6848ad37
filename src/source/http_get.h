// One HTTP GET: name resolution, proxy, TLS, redirects, one deadline over all of it. HTTP/1.1, a
// connection per request (the request comes every 20 seconds). Core loop only; nothing blocks it.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "source/url.h"

namespace kubelet::source {

struct GetRequest {
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;  // sent in this order
  ProxySettings proxy;
  base::Nanos timeout;
  size_t body_limit;
  std::shared_ptr<boost::asio::ssl::context> tls;  // needed for https
};

struct GetResponse {
  int code = 0;
  std::string reason;
  std::string location;
  std::string body;
};

// Follows up to ten redirects; on a change of host, Authorization, Cookie and WWW-Authenticate
// headers stay behind. DeadlineExceeded after `timeout`; Unavailable when a connection fails (the
// message names the step and the host); ResourceExhausted when the body is longer than the limit;
// InvalidArgument for a bad proxy or redirect; FailedPrecondition when redirected to https without
// `tls`.
base::Task<absl::StatusOr<GetResponse>> HttpGet(base::Executor executor, base::Clock& clock,
                                                GetRequest request);

// A verifying client context: the system's roots, or those of `ca_file`. Reads files (blocking).
// Unavailable when they cannot be read.
absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> MakeTlsContext(
    const std::string& ca_file);

}  // namespace kubelet::source
