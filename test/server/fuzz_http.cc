// Any bytes as requests on a connection: read without harm in whatever pieces they come, and each
// request leads somewhere.
#include <boost/asio/io_context.hpp>
#include <cstdlib>

#include "kubelet/auth/authorizer.h"
#include "kubelet/base/metric_text.h"
#include "kubelet/server/http_metrics.h"
#include "server/exchange.h"
#include "server/router.h"

namespace kubelet::server {
namespace {

// Gives out what it was made with; takes whatever is written.
class Script : public ByteStream {
 public:
  Script(std::string bytes, size_t step) : bytes_(std::move(bytes)), step_(step) {}
  base::Task<absl::StatusOr<std::string>> Read() override {
    std::string piece = bytes_.substr(0, step_);
    bytes_.erase(0, piece.size());
    co_return piece;
  }
  base::Task<absl::Status> Write(std::string) override { co_return absl::OkStatus(); }
  base::Task<void> Finish() override { co_return; }
  void Close(bool) override {}

 private:
  std::string bytes_;
  size_t step_;
};

base::Task<void> Serve(std::shared_ptr<Exchange> exchange, std::string* seen) {
  for (int i = 0; i < 100; ++i) {
    std::function<void()> nothing = [] {};
    bool more = co_await exchange->ReadRequest(std::move(nothing));
    if (!more) co_return;
    const auto& request = exchange->request();
    *seen +=
        request.method + " " + request.path + "?" + request.raw_query + " " + request.body + "\n";
    Route route = RouteOf(request.method, request.path, {});
    if (route.rest.find("..") != std::string::npos && route.endpoint == Endpoint::kNodeLogs) {
      for (size_t at = 0; at < route.rest.size();) {
        size_t end = std::min(route.rest.find('/', at), route.rest.size());
        if (route.rest.substr(at, end - at) == "..") abort();
        at = end + 1;
      }
    }
    auth::AttributesOf(request.method, request.path);
    MetricPath(request.path);
    base::FormFor(request.Header("Accept"));
    if (!exchange->keep_alive()) co_return;
  }
}

std::string Run(const std::string& bytes, size_t step) {
  boost::asio::io_context io;
  std::string seen;
  base::TaskScope scope(io.get_executor());
  auto exchange = std::make_shared<Exchange>(std::make_shared<Script>(bytes, step), "test");
  scope.Spawn("serve", Serve(exchange, &seen));
  io.poll();
  return seen;
}

}  // namespace
}  // namespace kubelet::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (kubelet::server::Run(bytes, size + 1) != kubelet::server::Run(bytes, size % 9 + 1)) abort();
  return 0;
}
