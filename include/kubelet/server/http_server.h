// A small HTTP/1.1 server on the core loop, for the health, read-only and local ports: GET and HEAD, POST where told.
//
// Limits: header 64 KiB, body 4 KiB, a connection that says nothing is closed after `idle`, at most `max_connections`
// at a time. Beyond that the one that has waited longest for its client makes room for the new one: first of those
// from which a request is to come, then of those that do not take their answer.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/base/async.h"
#include "kubelet/base/text_pieces.h"
#include "kubelet/server/http_metrics.h"

namespace kubelet::server {

struct Request {
  std::string method, path;
  std::map<std::string, std::string> query;  // decoded; the last of a repeated name
  std::vector<std::pair<std::string, std::string>> parameters;  // the same, all of them in order
  std::string accept;  // the header; empty: none
};

struct Response {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Instead of `body`, when it is there: made while it is sent, on the thread that sends.
  base::TextPieces pieces = {};
};

// Called on the core loop; answers at once from snapshots.
using Handler = std::function<Response(const Request&)>;
// For what takes a while: false, and the Handler is asked; true, and `respond` is called once, later, on the core loop.
using LateHandler = std::function<bool(const Request&, std::function<void(Response)> respond)>;

class HttpServer {
 public:
  struct Options {
    std::string address;     // IP to listen on, with `port`; 0.0.0.0 and :: take both families
    uint16_t port = 0;       // 0: any free one, see port()
    std::string unix_path;   // instead of address and port; made with mode 0600, replaces a stale socket
    base::Nanos idle = std::chrono::seconds(90);
    int max_connections = 256;
    std::vector<std::string> posts;        // paths that POST may ask for as well, with a form as its body
    std::shared_ptr<HttpMetrics> metrics;  // counts every request until its answer is sent or Stop; null: none
  };
  HttpServer(boost::asio::io_context& io, base::Clock& clock, Options options, Handler handler,
             LateHandler late = {});
  ~HttpServer();

  // Listens. Unavailable when the address is taken or not there: try again later.
  absl::Status Start();
  void Stop();
  uint16_t port() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Splits a request target into path and decoded query.
Request ParseTarget(const std::string& method, const std::string& target);

// One GET over a unix socket, for the command line; blocking, with a time limit. Unavailable: nobody listens.
absl::Status UnixGet(const std::string& socket_path, const std::string& target, int* code, std::string* body);

}  // namespace kubelet::server
