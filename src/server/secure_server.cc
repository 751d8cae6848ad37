#include "kubelet/server/secure_server.h"

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <thread>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "server/endpoints.h"
#include "server/tcp_listener.h"
#include "server/tls.h"

namespace kubelet::server {
namespace {

namespace asio = boost::asio;
// How long the client may take to read the end of an answer.
constexpr base::Nanos kLinger = std::chrono::seconds(2);

// A time limit that is moved as a connection goes through its life.
class Limit {
 public:
  explicit Limit(base::Clock& clock, std::shared_ptr<ByteStream> stream)
      : clock_(clock), stream_(std::move(stream)) {}
  ~Limit() { Off(); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
  void Set(base::Nanos time) {
    Off();
    timer_ = clock_.After(time, [stream = stream_] { stream->Close(false); });
  }
  void Off() { clock_.Cancel(timer_); }

 private:
  base::Clock& clock_;
  std::shared_ptr<ByteStream> stream_;
  base::Clock::TimerId timer_{};
};

}  // namespace

struct SecureServer::State : std::enable_shared_from_this<SecureServer::State> {
  State(Deps deps, Options options, Place place)
      : context(std::make_shared<Context>(std::move(deps), std::move(options), std::move(place))),
        acceptor(context->place.executor) {}
  ContextPtr context;
  Acceptor acceptor;
  std::atomic<uint16_t> port{0};
  std::atomic<bool> stopped{false}, told{false};
  // Server loop only.
  TlsMaterial material;
  std::shared_ptr<const TlsContext> tls;  // made of `material` when it is needed
  bool refused = false;                   // it cannot be made of these
  int connections = 0;
  std::list<std::weak_ptr<ByteStream>> strangers;  // not let in yet, oldest first
  std::list<base::WakeEvent> early;                // came before there was a certificate

  void Accept();
  std::shared_ptr<const TlsContext> Tls();
  base::Task<void> WaitForCertificate();
  base::Task<void> Serve(Socket socket, std::string remote);
};

std::shared_ptr<const TlsContext> SecureServer::State::Tls() {
  if (tls || refused || material.cert_pem.empty()) return tls;
  auto made = TlsContext::Make(material, context->options.tls);
  if (made.ok()) {
    tls = *std::move(made);
  } else {
    LOG_ERROR("Cannot serve HTTPS with this certificate and these options; handshakes are refused",
              "err", made.status());
    refused = true;
  }
  return tls;
}

void SecureServer::State::Accept() {
  acceptor.async_accept([self = shared_from_this()](boost::system::error_code ec, Socket socket) {
    if (self->stopped || ec == asio::error::operation_aborted) return;
    if (ec) {
      // Out of descriptors: try again when some may be free, instead of spinning.
      self->context->place.clock.After(std::chrono::milliseconds(100), [self] {
        if (!self->stopped) self->Accept();
      });
      return;
    }
    if (self->connections < self->context->options.max_connections) {
      boost::system::error_code ignored;
      std::string remote = RemoteAddress(socket);
      socket.set_option(asio::ip::tcp::no_delay(true), ignored);
      WatchPeer(socket);
      self->context->scope.Spawn("https connection", self->Serve(std::move(socket), remote));
    }
    self->Accept();
  });
}

namespace {

// A place in the list of those that have not been let in.
class Stranger {
 public:
  Stranger(std::list<std::weak_ptr<ByteStream>>& list, const std::shared_ptr<ByteStream>& stream,
           size_t most)
      : list_(&list) {
    place_ = list.insert(list.end(), stream);
    if (list.size() <= most) return;
    if (auto oldest = list.front().lock()) oldest->Close(true);
  }
  ~Stranger() { Known(); }
  void Known() {
    if (list_ != nullptr) list_->erase(place_);
    list_ = nullptr;
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

 private:
  std::list<std::weak_ptr<ByteStream>>* list_;
  std::list<std::weak_ptr<ByteStream>>::iterator place_;
};

struct Counted {
  explicit Counted(int& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  int& count_;
};

// Who asks and whether they may. The code is 200 or that of the answer.
base::Task<auth::Verdict> Admit(SecureServer::Deps* deps, auth::Claim claim,
                                auth::Attributes attributes) {
  auth::Verdict verdict;
  auto user = co_await deps->authenticator.Authenticate(std::move(claim));
  if (!user.ok()) {
    LOG_V(2, "Unable to authenticate the request", "err", user.status());
    verdict.code = 401;
    verdict.message = "Unauthorized";
    co_return verdict;
  }
  verdict = co_await deps->authorizer.Authorize(*std::move(user), std::move(attributes));
  co_return verdict;
}

base::Task<Response> Document(SecureServer::Deps* deps, Request request) {
  co_return deps->documents(request);
}

base::Task<void> ServeDocument(ContextPtr context, ExchangePtr exchange, bool late) {
  const auto& asked = exchange->request();
  Request request;
  request.method = asked.method;
  request.path = asked.path;
  request.accept = asked.Header("Accept");
  request.parameters = asked.query;
  for (const auto& [name, value] : asked.query) request.query[name] = value;
  // As Go's ParseForm: what the body says goes before the query.
  if (asked.method == "POST" &&
      asked.HeaderHas("Content-Type", "application/x-www-form-urlencoded"))
    for (const auto& [name, value] : ParseQuery(asked.body)) request.query[name] = value;
  std::function<base::Task<Response>()> make = [deps = &context->deps, request, late] {
    if (late && deps->late) return deps->late(request);
    return Document(deps, request);
  };
  auto response = co_await context->core.Call<Response>("document", std::move(make));
  if (!response.pieces) {
    co_await exchange->Respond(response.code, std::move(response.content_type),
                               std::move(response.body), std::move(response.headers));
    co_return;
  }
  auto sent = co_await exchange->Begin(response.code, std::move(response.content_type),
                                       std::move(response.headers));
  if (asked.method == "HEAD") co_return;
  std::string piece;
  while (sent.ok() && response.pieces(piece)) sent = co_await exchange->Send(std::move(piece));
  if (sent.ok()) co_await exchange->End();
}

base::Task<void> Dispatch(ContextPtr context, ExchangePtr exchange) {
  const auto& request = exchange->request();
  Route route = RouteOf(request.method, request.path, context->options.handlers);
  switch (route.endpoint) {
    case Endpoint::kDocument:
      co_await ServeDocument(context, exchange, false);
      break;
    case Endpoint::kLateDocument:
      co_await ServeDocument(context, exchange, true);
      break;
    case Endpoint::kLogs:
      co_await ServeLogs(context, exchange, std::move(route));
      break;
    case Endpoint::kExec:
    case Endpoint::kAttach:
    case Endpoint::kPortForward:
      co_await ServeStream(context, exchange, std::move(route));
      break;
    case Endpoint::kRun:
      co_await ServeRun(context, exchange, std::move(route));
      break;
    case Endpoint::kCheckpoint:
      co_await ServeCheckpoint(context, exchange, std::move(route));
      break;
    case Endpoint::kNodeLogs:
      co_await ServeNodeLogs(context, exchange, std::move(route));
      break;
    case Endpoint::kVerbosity:
      co_await ServeVerbosity(context, exchange, std::move(route));
      break;
    case Endpoint::kProfile:
      co_await ServeProfile(context, exchange, std::move(route));
      break;
    case Endpoint::kNotFound:
      co_await exchange->Respond(404, kPlainText, "404 page not found\n");
      break;
    case Endpoint::kWrongMethod:
      co_await exchange->Respond(405, kPlainText, "405: Method Not Allowed");
      break;
    case Endpoint::kDisabled:
      co_await exchange->Respond(405, kPlainText, std::move(route.rest));
      break;
  }
}

}  // namespace

base::Task<void> Yield(base::Executor executor) {
  co_await asio::post(executor, asio::as_tuple(asio::use_awaitable));
}

// A node that has just started reads or makes its certificate within a moment; who is that early waits for it, instead of
// being cut off.
base::Task<void> SecureServer::State::WaitForCertificate() {
  struct Place {
    explicit Place(State& state)
        : list(state.early),
          at(list.emplace(list.end(), state.context->place.executor, state.context->place.clock)) {}
    ~Place() { list.erase(at); }
    std::list<base::WakeEvent>& list;
    std::list<base::WakeEvent>::iterator at;
  };
  Place place(*this);
  co_await place.at->Wait(context->place.clock.Mono() + context->options.certificate_time);
}

base::Task<void> SecureServer::State::Serve(Socket socket, std::string remote) {
  auto self = shared_from_this();
  auto& options = context->options;
  Counted counted(connections);
  if (material.cert_pem.empty()) co_await WaitForCertificate();
  auto trust = Tls();
  if (!trust) co_return;
  auto stream = std::make_shared<TlsStream>(std::move(socket), trust);
  Stranger stranger(strangers, stream, static_cast<size_t>(options.max_strangers));
  Limit limit(context->place.clock, stream);
  limit.Set(options.handshake_time);
  auto shaken = co_await stream->Handshake();
  if (!shaken.ok()) {
    LOG_V(3, "TLS handshake error", "remote", remote, "err", shaken);
    co_return;
  }
  auto exchange = std::make_shared<Exchange>(stream, remote);
  std::optional<absl::StatusOr<auth::User>> peer;
  std::shared_ptr<const TlsContext> judge;
  do {
    limit.Set(options.idle_time);
    std::function<void()> begun = [&limit, &options] { limit.Set(options.header_time); };
    bool more = co_await exchange->ReadRequest(std::move(begun));
    if (!more) break;
    limit.Off();
    const auto& request = exchange->request();
    HttpMetrics::Request counted_request(context->metrics, request.method, request.path);
    // Judged by the client CAs of today, not by those of the handshake.
    auto newest = Tls();
    if (!newest)
      newest = judge ? judge : trust;  // handshakes are refused, those that stand are not
    if (judge != newest) {
      judge = newest;
      peer = judge->Peer(stream->ssl());
    }
    auth::Claim claim;
    claim.certificate = peer;
    claim.authorization = request.Header("Authorization");
    claim.websocket_protocols = request.Header("Sec-WebSocket-Protocol");
    auto attributes = auth::AttributesOf(request.method, request.path);
    std::function<base::Task<auth::Verdict>()> admit = [deps = &context->deps, claim, attributes] {
      return Admit(deps, claim, attributes);
    };
    auto verdict = co_await context->core.Call<auth::Verdict>("admit", std::move(admit));
    if (verdict.code != 200) {
      co_await exchange->Respond(verdict.code, kPlainText, std::move(verdict.message));
      continue;
    }
    stranger.Known();
    co_await Dispatch(context, exchange);
  } while (exchange->keep_alive() && !stopped);
  if (exchange->tunnel()) co_return;  // it has come to its end by itself
  limit.Set(kLinger);
  co_await stream->Finish();
  // What the client still sends is read and dropped: closing with it unread would reset the answer.
  while (!exchange->hung_up()) {
    auto data = co_await stream->Read();
    if (!data.ok() || data->empty()) break;
  }
  stream->Close(false);
}

SecureServer::SecureServer(Deps deps, Options options, Place place)
    : state_(std::make_shared<State>(std::move(deps), std::move(options), std::move(place))) {}
SecureServer::~SecureServer() { Stop(); }

absl::Status SecureServer::Start() {
  auto& s = *state_;
  const auto& options = s.context->options;
  ASSIGN_OR_RETURN(uint16_t port, ListenTcp(s.acceptor, options.address, options.port,
                                            asio::socket_base::max_listen_connections));
  s.port = port;
  s.stopped = false;
  asio::post(s.context->place.executor, [state = state_] { state->Accept(); });
  return absl::OkStatus();
}

void SecureServer::Stop(base::Nanos patience) {
  if (state_->stopped.exchange(true)) return;
  asio::post(state_->context->place.executor, [state = state_] {
    boost::system::error_code ignored;
    state->acceptor.close(ignored);
    auto stops = state->context->stops;
    for (const auto& stop : stops) stop();
    state->told = true;
  });
  constexpr base::Nanos kLook = std::chrono::milliseconds(5);
  for (; patience > base::Nanos(0) && !(state_->told && state_->context->untold == 0);
       patience -= kLook)
    std::this_thread::sleep_for(kLook);
}

uint16_t SecureServer::port() const { return state_->port; }

void SecureServer::SetTls(TlsMaterial material) {
  asio::post(state_->context->place.executor,
             [state = state_, material = std::move(material)]() mutable {
               state->material = std::move(material);
               state->tls = nullptr;
               state->refused = false;
               if (state->material.cert_pem.empty()) return;
               for (auto& event : state->early) event.Notify();
             });
}

void SecureServer::SetLive(LiveOptions live) {
  asio::post(state_->context->place.executor, [state = state_, live = std::move(live)]() mutable {
    auto& options = state->context->options;
    options.handlers = live.handlers;
    options.stream_idle = live.stream_idle;
    options.tls = std::move(live.tls);
    state->tls = nullptr;
    state->refused = false;
  });
}

void SecureServer::PodChanged(const std::string& uid) {
  if (state_->context->followers == 0) return;
  asio::post(state_->context->place.executor,
             [state = state_, uid] { state->context->logs.PodChanged(uid); });
}

struct ServerLoop::State {
  asio::io_context io{1};
  base::RealClock clock{io};
  base::BlockingPool files{io.get_executor(), clock, {}};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::thread thread;
};

ServerLoop::ServerLoop() : state_(std::make_unique<State>()) {
  state_->thread = std::thread([io = &state_->io] { io->run(); });
}

ServerLoop::~ServerLoop() {
  state_->io.stop();
  state_->thread.join();
}

SecureServer::Place ServerLoop::place() {
  return SecureServer::Place{state_->io.get_executor(), state_->clock, state_->files};
}

}  // namespace kubelet::server
