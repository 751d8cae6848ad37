// SPDY inside of WebSocket messages (staging apiserver/pkg/util/proxy/streamtunnel.go).
#include "kubelet/base/status.h"
#include "server/stream_guard.h"
#include "server/tunnel.h"

namespace kubelet::server {
namespace {

constexpr char kPrefix[] = "SPDY/3.1+", kSuffix[] = ".k8s.io";
constexpr uint16_t kNormalClosure = 1000;
// How long the client may take to close after the runtime has.
constexpr base::Nanos kClosing = std::chrono::seconds(5);

std::vector<std::string> TunnelProtocols(const HttpRequest& request) {
  std::vector<std::string> out;
  for (const auto& protocol : WsProtocols(request)) {
    if (protocol.rfind(kPrefix, 0) == 0 && protocol.ends_with(kSuffix))
      out.push_back(protocol.substr(sizeof kPrefix - 1));
  }
  return out;
}

HttpRequest SpdyRequest(const HttpRequest& request) {
  HttpRequest out;
  out.method = "POST";
  out.remote = request.remote;
  for (const auto& [name, value] : request.headers) {
    bool of_websocket =
        SameIgnoringCase(name, "Upgrade") || SameIgnoringCase(name, "X-Stream-Protocol-Version") ||
        (name.size() > 14 && SameIgnoringCase(name.substr(0, 14), "Sec-WebSocket-"));
    if (!of_websocket) out.headers.emplace_back(name, value);
  }
  out.headers.emplace_back("Upgrade", "SPDY/3.1");
  for (const auto& protocol : TunnelProtocols(request))
    out.headers.emplace_back("X-Stream-Protocol-Version", protocol);
  return out;
}

struct Wrapped {
  Wrapped(ContextPtr c, std::shared_ptr<ByteStream> w, std::shared_ptr<ByteStream> r)
      : context(std::move(c)),
        ws(std::move(w)),
        runtime(std::move(r)),
        turn(context->place.executor, context->place.clock, 1),
        client_done(context->place.executor, context->place.clock),
        idle(context->place.clock, context->options.stream_idle,
             [this] { runtime->Close(false); }) {}
  ContextPtr context;
  std::shared_ptr<ByteStream> ws, runtime;
  base::Semaphore turn;
  base::WakeEvent client_done;
  IdleLimit idle;
  SpdyCutter client_frames, runtime_frames;
};
using WrappedPtr = std::shared_ptr<Wrapped>;

base::Task<absl::Status> ToClient(WrappedPtr w, WsOp op, std::string payload) {
  auto turn = co_await w->turn.Acquire();
  co_return co_await w->ws->Write(WsFrame(op, payload));
}

base::Task<bool> TakeMessage(WrappedPtr w, WsMessage message) {
  if (message.op == WsOp::kPong) co_return true;
  if (message.op == WsOp::kPing) {
    auto sent = co_await ToClient(w, WsOp::kPong, std::move(message.payload));
    co_return sent.ok();
  }
  if (message.op != WsOp::kBinary) co_return false;
  bool activity = false;
  auto see = [&activity](const SpdyFrame& frame) { activity |= frame.Activity(); };
  std::string data = w->client_frames.Take(std::move(message.payload), see);
  if (activity) w->idle.Touch();
  // When the runtime is gone the client is still listened to, until it closes.
  co_await w->runtime->Write(std::move(data));
  co_return true;
}

base::Task<void> FromClient(WrappedPtr w, std::string data) {
  WsReader reader;
  bool more = true;
  while (more) {
    reader.Feed(data);
    for (;;) {
      auto message = reader.Next();
      if (!message.ok()) more = false;
      if (!more || !*message) break;
      more = co_await TakeMessage(w, **std::move(message));
    }
    if (!more) break;
    co_await Yield(w->context->place.executor);
    auto read = co_await w->ws->Read();
    if (!read.ok() || read->empty()) break;
    data = *std::move(read);
  }
  w->runtime->Close(false);
  w->client_done.Notify();
}

base::Task<void> FromRuntime(WrappedPtr w, std::string data) {
  for (;;) {
    if (!data.empty()) {
      bool activity = false;
      auto see = [&activity](const SpdyFrame& frame) { activity |= frame.Activity(); };
      data = w->runtime_frames.Take(std::move(data), see);
      if (activity) w->idle.Touch();
      if (!data.empty()) {
        auto sent = co_await ToClient(w, WsOp::kBinary, std::move(data));
        if (!sent.ok()) break;
      }
      co_await Yield(w->context->place.executor);
    }
    auto read = co_await w->runtime->Read();
    if (!read.ok() || read->empty()) break;
    data = *std::move(read);
  }
  co_await ToClient(w, WsOp::kClose, WsClosePayload(kNormalClosure));
  co_await w->ws->Finish();
  co_await w->client_done.Wait(w->context->place.clock.Mono() + kClosing);
  w->ws->Close(false);
  w->runtime->Close(false);
}

}  // namespace

bool AsksForTunnel(const HttpRequest& request) {
  return IsWebSocket(request) && !TunnelProtocols(request).empty();
}

base::Task<void> TunnelInWebSocket(ContextPtr context, ExchangePtr exchange, std::string url) {
  auto backend = co_await OpenBackend(context, SpdyRequest(exchange->request()), std::move(url));
  if (!backend.ok()) {
    co_await AnswerFailure(exchange, backend.status());
    co_return;
  }
  if (backend->code != 101) {
    co_await AnswerError(context, exchange, *std::move(backend));
    co_return;
  }
  auto accepted =
      WsAccept(exchange->request(), kPrefix + HeaderOf(backend->head, "X-Stream-Protocol-Version"));
  if (!accepted.ok()) {
    backend->stream->Close(false);
    co_await exchange->Respond(400, kPlainText, base::Message(accepted.status()) + "\n");
    co_return;
  }
  exchange->MarkTunnel();
  auto w = std::make_shared<Wrapped>(context, exchange->stream(), backend->stream);
  auto sent = co_await w->ws->Write(*accepted);
  if (!sent.ok()) {
    backend->stream->Close(false);
    co_return;
  }
  context->scope.Spawn("stream", FromClient(w, exchange->TakeBuffered()));
  co_await FromRuntime(w, backend->rest);
}

}  // namespace kubelet::server
