#include "server/tunnel.h"

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "server/stream_guard.h"

namespace kubelet::server {
namespace {

// How long the client may take to close after the runtime has.
constexpr base::Nanos kClosing = std::chrono::seconds(5);

// Both ends of a tunnel. Whichever ends first ends the other.
struct Ends {
  Ends(ContextPtr c, ExchangePtr exchange, const Backend& b, StreamGuard::Kind kind, bool verdict)
      : context(std::move(c)),
        client(exchange->stream()),
        backend(b.stream),
        guard(kind, verdict, HeaderOf(b.head, "X-Stream-Protocol-Version")),
        client_done(context->place.executor, context->place.clock),
        // Only the runtime's side: the client is still to be told.
        idle(context->place.clock, context->options.stream_idle,
             [this] { CutOff("the stream was idle for too long"); }),
        open(context, [this] { CutOff("the kubelet is being restarted"); }) {}
  Ends(const Ends&) = delete;

  void CutOff(const std::string& reason) {
    why = reason;
    backend->Close(false);
  }

  ContextPtr context;
  std::shared_ptr<ByteStream> client, backend;
  StreamGuard guard;
  std::string why = "the connection to the container runtime was lost";
  base::WakeEvent client_done;
  bool client_gone = false;
  IdleLimit idle;
  OpenStream open;
};
using EndsPtr = std::shared_ptr<Ends>;

base::Task<void> FromClient(EndsPtr ends, std::string data) {
  for (;;) {
    if (!data.empty()) {
      bool activity = false;
      data = ends->guard.FromClient(std::move(data), activity);
      if (activity) ends->idle.Touch();
      // When the runtime is gone the client is still listened to, until it closes.
      co_await ends->backend->Write(std::move(data));
      co_await Yield(ends->context->place.executor);
    }
    auto read = co_await ends->client->Read();
    if (!read.ok() || read->empty()) break;
    data = *std::move(read);
  }
  ends->client_gone = true;
  ends->backend->Close(false);
  ends->client_done.Notify();
}

base::Task<void> FromRuntime(EndsPtr ends, std::string data) {
  bool orderly = true;
  for (;;) {
    if (!data.empty()) {
      bool activity = false;
      data = ends->guard.FromRuntime(std::move(data), activity);
      if (activity) ends->idle.Touch();
      auto sent = co_await ends->client->Write(std::move(data));
      if (!sent.ok()) break;
      co_await Yield(ends->context->place.executor);
    }
    auto read = co_await ends->backend->Read();
    orderly = read.ok();
    if (!read.ok() || read->empty()) break;
    data = *std::move(read);
  }
  std::string last;
  if (!ends->client_gone) last = ends->guard.LastWords("error streaming: " + ends->why);
  if (!last.empty()) {
    LOG_V(2, "A stream ended without an outcome", "why", ends->why);
    co_await ends->client->Write(std::move(last));
    orderly = true;
  }
  // Else a stream that broke off must not look like one that has ended.
  if (orderly && !ends->client_gone) {
    co_await ends->client->Finish();
    ends->open.Told();
    co_await ends->client_done.Wait(ends->context->place.clock.Mono() + kClosing);
  }
  ends->client->Close(!orderly);
  ends->backend->Close(false);
}

}  // namespace

base::Task<void> AnswerFailure(ExchangePtr exchange, absl::Status failed) {
  LOG_ERROR("Error while proxying request", "err", failed);
  co_await exchange->Respond(500, kPlainText, base::Message(failed) + "\n");
}

base::Task<void> AnswerError(ContextPtr context, ExchangePtr exchange, Backend backend) {
  int code = backend.code;
  std::string type = HeaderOf(backend.head, "Content-Type");
  std::string body = co_await ReadError(context, std::move(backend));
  co_await exchange->Respond(code, std::move(type), std::move(body));
}

base::Task<void> Tunnel(ContextPtr context, ExchangePtr exchange, Route route, std::string url) {
  auto backend = co_await OpenBackend(context, exchange->request(), std::move(url));
  if (!backend.ok()) {
    co_await AnswerFailure(exchange, backend.status());
    co_return;
  }
  if (backend->code != 101) {
    co_await AnswerError(context, exchange, *std::move(backend));
    co_return;
  }
  auto kind = StreamGuard::Kind::kOther;
  if (exchange->request().HeaderHas("Upgrade", "SPDY/3.1")) kind = StreamGuard::Kind::kSpdy;
  if (exchange->request().HeaderHas("Upgrade", "websocket")) kind = StreamGuard::Kind::kWebSocket;
  exchange->MarkTunnel();
  bool verdict = route.endpoint != Endpoint::kPortForward;
  auto ends = std::make_shared<Ends>(context, exchange, *backend, kind, verdict);
  auto answered = co_await ends->client->Write(backend->head);
  if (!answered.ok()) {
    ends->backend->Close(false);
    co_return;
  }
  context->scope.Spawn("stream", FromClient(ends, exchange->TakeBuffered()));
  co_await FromRuntime(ends, backend->rest);
}

}  // namespace kubelet::server
