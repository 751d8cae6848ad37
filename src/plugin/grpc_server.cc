#include "plugin/grpc_server.h"

#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <set>
#include <utility>

#include "kubelet/base/grpc_wire.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "plugin/grpc_wire.h"
#include "plugin/link.h"

namespace kubelet::plugin {

using base::Task;
using Protocol = boost::asio::local::stream_protocol;

namespace {

class ServerLink;
constexpr size_t kMaxConnections = 64;

}  // namespace

struct GrpcServer::State : std::enable_shared_from_this<GrpcServer::State> {
  State(base::Executor e, std::string p, Methods m)
      : executor(std::move(e)),
        path(std::move(p)),
        methods(std::move(m)),
        acceptor(executor),
        scope(std::make_unique<base::TaskScope>(executor)) {}
  void Accept();
  base::Executor executor;
  std::string path;
  Methods methods;
  Protocol::acceptor acceptor;
  std::set<std::shared_ptr<ServerLink>> links;
  std::unique_ptr<base::TaskScope> scope;
};

namespace {

class ServerLink : public Link {
 public:
  // Runs the handler of a path and gives its answer back to this link.
  using Serve = std::function<void(std::shared_ptr<ServerLink>, int32_t, std::string, std::string)>;
  ServerLink(Socket socket, Serve serve, std::function<void(std::shared_ptr<ServerLink>)> on_lost)
      : Link(std::move(socket), Side::kServer),
        serve_(std::move(serve)),
        on_lost_(std::move(on_lost)) {}

  void Reply(int32_t stream, const absl::StatusOr<std::string>& answer) {
    if (calls_.erase(stream) == 0) return;  // the caller has gone
    Headers head{{":status", "200"}, {"content-type", "application/grpc"}};
    Headers end{{"grpc-status", std::to_string(static_cast<int>(answer.status().code()))}};
    if (!answer.ok()) {
      end.emplace_back("grpc-message", base::GrpcPercentEncoded(base::Message(answer.status())));
      head.insert(head.end(), end.begin(), end.end());
      Answer(stream, head, "", {});
      return;
    }
    Answer(stream, head, base::GrpcFramed(*answer), std::move(end));
  }

 protected:
  void OnHeader(int32_t stream, const std::string& name, const std::string& value) override {
    if (name == ":path") calls_[stream].path = value;
  }
  void OnData(int32_t stream, std::string_view bytes) override {
    auto it = calls_.find(stream);
    if (it == calls_.end()) return;
    it->second.size += bytes.size();
    if (it->second.size > kMaxMessage + 5) {
      Reply(stream, absl::ResourceExhaustedError("the request is too long"));
      return;
    }
    it->second.body.Add(bytes);
  }
  void OnEnd(int32_t stream) override {
    auto it = calls_.find(stream);
    if (it == calls_.end()) return;
    std::string message;
    auto whole = it->second.body.Next(message);
    if (whole.ok() && !*whole) whole = absl::InternalError("the request has no message");
    if (!whole.ok()) {
      Reply(stream, whole.status());
      return;
    }
    serve_(std::static_pointer_cast<ServerLink>(shared_from_this()), stream, it->second.path,
           std::move(message));
  }
  void OnStreamClosed(int32_t stream, uint32_t) override { calls_.erase(stream); }
  void OnLost(const absl::Status&) override {
    calls_.clear();
    if (on_lost_) on_lost_(std::static_pointer_cast<ServerLink>(shared_from_this()));
  }

 private:
  struct Call {
    std::string path;
    Deframer body;
    size_t size = 0;
  };
  Serve serve_;
  std::function<void(std::shared_ptr<ServerLink>)> on_lost_;
  std::map<int32_t, Call> calls_;
};

absl::Status Unknown(const std::string& path, const GrpcServer::Methods& methods) {
  size_t slash = path.rfind('/');
  std::string service = path.substr(0, slash == std::string::npos ? 0 : slash + 1);
  auto known = methods.lower_bound(service);
  bool served = !service.empty() && known != methods.end() && known->first.rfind(service, 0) == 0;
  if (slash == std::string::npos || slash == 0)
    return absl::UnimplementedError("malformed method name: \"" + path + "\"");
  service = service.substr(1, service.size() - 2);
  if (!served) return absl::UnimplementedError("unknown service " + service);
  return absl::UnimplementedError("unknown method " + path.substr(slash + 1) + " for service " +
                                  service);
}

Task<void> Run(GrpcServer::Handler handler, std::string request, std::shared_ptr<ServerLink> link,
               int32_t stream) {
  auto answer = co_await handler(std::move(request));
  link->Reply(stream, answer);
}

}  // namespace

void GrpcServer::State::Accept() {
  acceptor.async_accept([self = shared_from_this()](boost::system::error_code ec,
                                                    Protocol::socket socket) {
    if (!self->acceptor.is_open()) return;
    if (!ec && self->links.size() < kMaxConnections) {
      std::weak_ptr<GrpcServer::State> weak = self;
      auto serve = [weak](std::shared_ptr<ServerLink> link, int32_t stream, std::string path,
                          std::string request) {
        auto state = weak.lock();
        if (!state) return;
        auto method = state->methods.find(path);
        if (method == state->methods.end()) {
          link->Reply(stream, Unknown(path, state->methods));
          return;
        }
        state->scope->Spawn("call " + path, Run(method->second, std::move(request), link, stream));
      };
      auto lost = [weak](const std::shared_ptr<ServerLink>& link) {
        if (auto state = weak.lock()) state->links.erase(link);
      };
      auto link =
          std::make_shared<ServerLink>(std::move(socket), std::move(serve), std::move(lost));
      self->links.insert(link);
      link->Start();
    }
    self->Accept();
  });
}

GrpcServer::GrpcServer(base::Executor executor, std::string path, Methods methods)
    : state_(std::make_shared<State>(std::move(executor), std::move(path), std::move(methods))) {}

GrpcServer::~GrpcServer() {
  Stop();
  state_->scope.reset();
}

absl::Status GrpcServer::Start() {
  const std::string& path = state_->path;
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return absl::InvalidArgumentError("the socket path " + path + " is too long: it has " +
                                      std::to_string(path.size()) + " bytes, 107 are allowed");
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    return base::ErrnoStatus(errno, "remove " + path);
  boost::system::error_code ec;
  auto& acceptor = state_->acceptor;
  acceptor.open(Protocol(), ec);
  if (!ec) acceptor.bind(Protocol::endpoint(path), ec);
  if (!ec) acceptor.listen(boost::asio::socket_base::max_listen_connections, ec);
  if (ec) {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    return base::ErrnoStatus(ec.value(), "listen on " + path);
  }
  state_->Accept();
  return absl::OkStatus();
}

void GrpcServer::Stop() {
  if (!state_->acceptor.is_open()) return;
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  unlink(state_->path.c_str());
  for (const auto& link : std::exchange(state_->links, {}))
    link->Close(absl::CancelledError("the server ends"));
}

size_t GrpcServer::connections() const { return state_->links.size(); }

}  // namespace kubelet::plugin
