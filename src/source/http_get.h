// One HTTP GET over client/dial.h: redirects, one deadline over all of it. HTTP/1.1, a connection
// per request (the request comes every 20 seconds). Core loop only; nothing blocks it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"
#include "kubelet/client/proxy.h"
#include "kubelet/client/tls.h"
#include "source/url.h"

namespace kubelet::source {

struct GetRequest {
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;  // sent in this order
  client::ProxyEnvironment proxy;
  base::Nanos timeout;
  size_t body_limit;
  client::TlsContext tls;  // needed for https, of the server or of a proxy
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
// InvalidArgument for a bad proxy or redirect; FailedPrecondition when `tls` is needed and not
// there: redirected to https, or through a proxy by https.
base::Task<absl::StatusOr<GetResponse>> HttpGet(base::Executor executor, base::Clock& clock,
                                                base::BlockingPool& pool, GetRequest request);

}  // namespace kubelet::source
