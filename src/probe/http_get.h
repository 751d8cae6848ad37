// One HTTP GET of a probe or a hook: TCP, perhaps TLS, redirects within the host. No proxy, no
// keep-alive, HTTP/1.1. Facts: pkg/probe/http/http.go (1.36) and Go's net/http client.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/probe/names.h"
#include "probe/http_message.h"
#include "probe/url.h"

namespace kubelet::probe {

struct HttpDeps {
  base::Executor executor;
  base::Clock& clock;
  Names& names;
};

struct HttpAnswer {
  // Not OK: there was no answer. The message is what Go's client says: `Get "http://10.0.0.1:80/":
  // EOF`.
  absl::Status error;
  bool met_http = false;  // https was asked for, the server speaks http
  int status = 0;
  // At most 10 KiB; a longer one is cut.
  std::string body;
  // Not OK: the head came, its body broke off or took too long. A redirect that was followed does
  // not count.
  absl::Status body_error;
};

// Follows up to ten redirects to the same host name; one to another host is the answer itself.
// `timeout` zero: none.
base::Task<HttpAnswer> HttpGet(HttpDeps deps, Url url, Headers headers, std::string user_agent,
                               base::Nanos timeout);

}  // namespace kubelet::probe
