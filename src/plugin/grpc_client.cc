#include "plugin/grpc_client.h"

#include <nghttp2/nghttp2.h>
#include <sys/un.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <charconv>
#include <map>
#include <utility>

#include "kubelet/base/grpc_wire.h"
#include "kubelet/base/promise.h"
#include "kubelet/base/status.h"
#include "plugin/grpc_wire.h"
#include "plugin/link.h"

namespace kubelet::plugin {

using base::Nanos;
using base::Task;
using Protocol = boost::asio::local::stream_protocol;

class ClientLink : public Link {
 public:
  explicit ClientLink(Socket socket) : Link(std::move(socket), Side::kClient) {}

  struct Call {
    std::function<void(std::string)> on_message;
    base::Promise<absl::Status> done;
    Deframer body;
    int http_status = 0, grpc_status = -1;
    std::string grpc_message;
  };

  int32_t Open(const std::string& method, const std::string& request, Call call) {
    Headers headers{{":method", "POST"},      {":scheme", "http"},
                    {":path", method},        {":authority", "localhost"},
                    {"te", "trailers"},       {"content-type", "application/grpc"},
                    {"user-agent", "kubelet"}};
    int32_t id = OpenStream(headers, base::GrpcFramed(request));
    if (id >= 0) calls_.emplace(id, std::move(call));
    return id;
  }
  void Abort(int32_t stream, const absl::Status& why) {
    auto it = calls_.find(stream);
    if (it == calls_.end()) return;
    auto done = it->second.done;
    calls_.erase(it);
    done.Set(why);
    Reset(stream);
  }

 protected:
  void OnHeader(int32_t stream, const std::string& name, const std::string& value) override {
    auto it = calls_.find(stream);
    if (it == calls_.end()) return;
    Call& call = it->second;
    if (name == ":status") {
      std::from_chars(value.data(), value.data() + value.size(), call.http_status);
    } else if (name == "grpc-status") {
      call.grpc_status = 2;
      std::from_chars(value.data(), value.data() + value.size(), call.grpc_status);
    } else if (name == "grpc-message") {
      call.grpc_message = base::GrpcPercentDecoded(value);
    }
  }
  void OnData(int32_t stream, std::string_view bytes) override {
    auto it = calls_.find(stream);
    if (it == calls_.end()) return;
    it->second.body.Add(bytes);
    for (;;) {
      std::string message;
      auto whole = it->second.body.Next(message);
      if (!whole.ok()) {
        Abort(stream, whole.status());
        return;
      }
      if (!*whole) return;
      auto tell = it->second.on_message;
      tell(std::move(message));
      it = calls_.find(stream);
      if (it == calls_.end()) return;
    }
  }
  void OnEnd(int32_t) override {}
  void OnStreamClosed(int32_t stream, uint32_t error) override {
    auto it = calls_.find(stream);
    if (it == calls_.end()) return;
    Call call = std::move(it->second);
    calls_.erase(it);
    bool refused = error != NGHTTP2_NO_ERROR && call.grpc_status < 0;
    call.done.Set(refused ? absl::UnavailableError(std::string("the stream was reset: ") +
                                                   nghttp2_http2_strerror(error))
                          : StatusOfAnswer(call.http_status, call.grpc_status, call.grpc_message));
  }
  void OnLost(const absl::Status& why) override {
    auto calls = std::exchange(calls_, {});
    for (auto& [id, call] : calls) call.done.Set(why);
  }

 private:
  std::map<int32_t, Call> calls_;
};

namespace {

constexpr Nanos kFirstRetry = std::chrono::milliseconds(50), kLastRetry = std::chrono::seconds(1);

Task<absl::Status> Run(base::Executor executor, base::Clock& clock,
                       std::shared_ptr<ClientLink> link, std::string method, std::string request,
                       std::function<void(std::string)> on_message, std::optional<Nanos> timeout) {
  base::Promise<absl::Status> done(executor);
  ClientLink::Call call{std::move(on_message), done, {}, 0, -1, ""};
  int32_t id = link->Open(method, request, std::move(call));
  if (id < 0) co_return absl::UnavailableError("the connection has ended");
  std::weak_ptr<ClientLink> weak = link;
  auto abort = [weak, id](const absl::Status& why) {
    if (auto l = weak.lock()) l->Abort(id, why);
  };
  done.OnCancel([abort] { abort(absl::CancelledError("the call was cancelled")); });
  std::optional<base::Clock::TimerId> timer;
  if (timeout) {
    timer = clock.After(
        *timeout, [abort] { abort(absl::DeadlineExceededError("context deadline exceeded")); });
  }
  absl::Status status = co_await done.Get();
  if (timer) clock.Cancel(*timer);
  co_await ThrowIfCancelled();
  co_return status;
}

// A connect to a local socket is done at once or never.
absl::StatusOr<Protocol::socket> Dial(const base::Executor& executor, const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return absl::InvalidArgumentError("the socket path " + path + " is too long");
  boost::system::error_code ec;
  Protocol::socket socket(executor);
  socket.open(Protocol(), ec);
  if (!ec) socket.non_blocking(true, ec);
  if (!ec) socket.connect(Protocol::endpoint(path), ec);
  if (ec) return absl::UnavailableError("connect to " + path + ": " + ec.message());
  return socket;
}

}  // namespace

GrpcClient::GrpcClient(base::Executor executor, base::Clock& clock,
                       std::shared_ptr<ClientLink> link)
    : executor_(std::move(executor)), clock_(clock), link_(std::move(link)) {}

GrpcClient::~GrpcClient() { Close(); }

void GrpcClient::Close() { link_->Close(absl::CancelledError("the connection was closed")); }

Task<absl::StatusOr<std::unique_ptr<GrpcClient>>> GrpcClient::Connect(base::Executor executor,
                                                                      base::Clock& clock,
                                                                      std::string path,
                                                                      Nanos timeout) {
  auto end = clock.Mono() + timeout;
  Nanos pause = kFirstRetry;
  for (;;) {
    auto socket = Dial(executor, path);
    if (socket.ok()) {
      auto link = std::make_shared<ClientLink>(*std::move(socket));
      link->Start();
      co_return std::unique_ptr<GrpcClient>(new GrpcClient(executor, clock, std::move(link)));
    }
    if (absl::IsInvalidArgument(socket.status()) || clock.Mono() + pause > end)
      co_return socket.status();
    co_await base::SleepFor(clock, pause);
    pause = std::min(2 * pause, kLastRetry);
  }
}

Task<absl::StatusOr<std::string>> GrpcClient::Call(std::string method, std::string request,
                                                   Nanos timeout) {
  auto answer = std::make_shared<std::optional<std::string>>();
  std::function<void(std::string)> take = [answer](std::string message) {
    *answer = std::move(message);
  };
  std::optional<Nanos> limit = timeout;
  absl::Status status = co_await Run(executor_, clock_, link_, std::move(method),
                                     std::move(request), std::move(take), limit);
  if (!status.ok()) co_return status;
  if (!*answer) co_return absl::InternalError("the answer has no message");
  co_return *std::move(*answer);
}

Task<absl::Status> GrpcClient::Stream(std::string method, std::string request,
                                      std::function<void(std::string)> on_message) {
  std::optional<Nanos> forever;
  co_return co_await Run(executor_, clock_, link_, std::move(method), std::move(request),
                         std::move(on_message), forever);
}

}  // namespace kubelet::plugin
