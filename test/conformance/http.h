// One HTTP request, and the streams of exec and port-forward over WebSocket, as a client of the
// kubelet's ports has them (or of an API server that passes them on). Core loop only.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/client/credentials.h"

namespace kubelet::conformance {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct StreamResult {
  std::string out, err;
  int exit_code = 0;
  std::string error;  // of a stream that failed otherwise
};

// A server and how one shows who one is.
class HttpClient {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
  };
  // `base`: `https://127.0.0.1:10250`, or with a path before all others. `credentials` null: none.
  // The server's certificate is looked at only when `ca_pem` is given.
  HttpClient(Deps deps, std::string base, client::Credentials* credentials,
             std::string ca_pem = "");

  // Unavailable: no answer. `path` with its query, encoded.
  base::Task<absl::StatusOr<HttpAnswer>> Get(std::string path, std::string method = "GET",
                                             base::Nanos timeout = std::chrono::seconds(20));
  // Runs a command by v5.channel.k8s.io; `input` is sent and closed when `with_input`.
  base::Task<absl::StatusOr<StreamResult>> Exec(std::string path, std::string input,
                                                bool with_input,
                                                base::Nanos timeout = std::chrono::seconds(30));

 private:
  Deps deps_;
  std::string base_;
  client::Credentials* credentials_;
  std::string ca_pem_;
};

// `a b` as `a%20b`.
std::string Escape(const std::string& text);

}  // namespace kubelet::conformance
