// WebSocket v5 of the client, SPDY of the runtime: channel N is the stream of a kind, 255 closes
// one (staging apiserver/pkg/util/proxy/streamtranslator.go).
#include <algorithm>
#include <array>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "server/stream_guard.h"
#include "server/tunnel.h"

namespace kubelet::server {
namespace {

constexpr char kV5[] = "v5.channel.k8s.io", kV4[] = "v4.channel.k8s.io";
constexpr uint8_t kStdin = 0, kStdout = 1, kStderr = 2, kError = 3, kResize = 4, kClose = 255;
constexpr size_t kStatusLimit = 64 * 1024;
constexpr uint16_t kNormalClosure = 1000;
// How long the client may take to close after it has its outcome.
constexpr base::Nanos kClosing = std::chrono::seconds(5);

struct Session {
  Session(ContextPtr c, std::shared_ptr<ByteStream> w, PodAccess::StreamOptions o)
      : context(std::move(c)),
        ws(std::move(w)),
        options(o),
        ws_turn(context->place.executor, context->place.clock, 1),
        runtime_turn(context->place.executor, context->place.clock, 1),
        client_done(context->place.executor, context->place.clock),
        idle(context->place.clock, context->options.stream_idle,
             [this] { CutOff("the stream was idle for too long"); }),
        open(context, [this] { CutOff("the kubelet is being restarted"); }) {}
  Session(const Session&) = delete;

  void CutOff(const std::string& reason) {
    why = reason;
    if (backend.stream) backend.stream->Close(false);
  }

  ContextPtr context;
  std::shared_ptr<ByteStream> ws;
  PodAccess::StreamOptions options;
  Backend backend;
  std::array<uint32_t, 5> stream_of{};  // channel -> stream of the runtime; 0: not open
  size_t opened = 0, replies = 0;
  bool talking = false;  // what the client says is passed on
  bool failed = false, ended = false;
  std::string status;  // of the error stream
  std::string why = "the connection to the container runtime was lost";
  std::string early;  // of the client, read with its request
  SpdyCutter frames;
  base::Semaphore ws_turn, runtime_turn;  // messages are written one after the other
  base::WakeEvent client_done;
  IdleLimit idle;
  OpenStream open;
};
using SessionPtr = std::shared_ptr<Session>;

base::Task<absl::Status> ToClient(SessionPtr s, WsOp op, std::string payload) {
  auto turn = co_await s->ws_turn.Acquire();
  co_return co_await s->ws->Write(WsFrame(op, payload));
}

base::Task<absl::Status> ToRuntime(SessionPtr s, std::string frame) {
  auto turn = co_await s->runtime_turn.Acquire();
  co_return co_await s->backend.stream->Write(std::move(frame));
}

std::string OpenStreams(Session& s) {
  SpdyDeflater deflater;
  std::string out;
  uint32_t id = 1;
  auto open = [&](uint8_t channel, const char* type) {
    Pairs headers = {{"streamtype", type}};
    out += SpdySynStream(id, deflater.Write(headers));
    s.stream_of[channel] = id;
    id += 2;
    ++s.opened;
  };
  open(kError, "error");
  if (s.options.stdin_open) open(kStdin, "stdin");
  if (s.options.stdout_open) open(kStdout, "stdout");
  if (s.options.stderr_open && !s.options.tty) open(kStderr, "stderr");
  if (s.options.tty) open(kResize, "resize");
  return out;
}

// One message of the client; false: the client is done.
base::Task<bool> TakeMessage(SessionPtr s, WsMessage message) {
  if (message.op == WsOp::kPing) {
    auto sent = co_await ToClient(s, WsOp::kPong, std::move(message.payload));
    co_return sent.ok();
  }
  if (message.op == WsOp::kPong) co_return true;
  if (message.op == WsOp::kClose) {
    co_await ToClient(s, WsOp::kClose, message.payload.substr(0, 2));
    co_return false;
  }
  s->idle.Touch();
  if (message.payload.empty()) co_return true;
  auto channel = static_cast<uint8_t>(message.payload[0]);
  std::string frame;
  if (channel == kClose && message.payload.size() == 2) {
    auto closed = static_cast<uint8_t>(message.payload[1]);
    if (closed == kStdin && s->stream_of[kStdin] != 0)
      frame = SpdyData(s->stream_of[kStdin], "", true);
    if (closed == kStdin) s->stream_of[kStdin] = 0;
  } else if (channel == kStdin || channel == kResize) {
    std::string_view data = std::string_view(message.payload).substr(1);
    if (s->stream_of[channel] != 0 && !data.empty())
      frame = SpdyData(s->stream_of[channel], data, false);
  }
  // When the runtime is gone the client is still listened to, until it closes.
  if (!frame.empty()) co_await ToRuntime(s, std::move(frame));
  co_return true;
}

base::Task<void> FromClient(SessionPtr s) {
  WsReader reader;
  std::string data = std::move(s->early);
  bool more = true;
  while (more) {
    reader.Feed(data);
    for (;;) {
      auto message = reader.Next();
      if (!message.ok()) {
        LOG_V(2, "A client breaks the WebSocket protocol", "err", message.status());
        more = false;
      }
      if (!more || !*message) break;
      more = co_await TakeMessage(s, **std::move(message));
    }
    if (!more) break;
    auto read = co_await s->ws->Read();
    if (!read.ok() || read->empty()) break;
    data = *std::move(read);
  }
  s->ended = true;
  s->backend.stream->Close(false);
  s->client_done.Notify();
}

// What a frame of the runtime means for the client: a message, or nothing. Replies to the runtime
// go to `answer`.
std::string Translate(Session& s, const SpdyFrame& frame, std::string& answer) {
  if (frame.Activity()) s.idle.Touch();
  if (frame.control) {
    if (frame.type == kSynReply) ++s.replies;
    // Those of even numbers are the runtime's own.
    if (frame.type == kPing && frame.stream % 2 == 0) answer += SpdyPing(frame.stream);
    if (frame.type == kRstStream) s.failed = true;
    return "";
  }
  // No runtime sends such frames; half a text must not look like a whole one.
  if (!frame.whole) {
    s.why = "the container runtime sent a frame that is too long";
    s.failed = true;
    return "";
  }
  bool fin = (frame.flags & kSpdyFin) != 0;
  if (frame.stream == s.stream_of[kError]) {
    if (s.status.size() + frame.body.size() <= kStatusLimit) s.status += frame.body;
    if (fin) s.ended = true;
    return "";
  }
  for (uint8_t channel : {kStdout, kStderr}) {
    if (s.stream_of[channel] != frame.stream || frame.body.empty()) continue;
    std::string payload(1, static_cast<char>(channel));
    payload += frame.body;
    return WsFrame(WsOp::kBinary, payload);
  }
  return "";
}

base::Task<void> FromRuntime(SessionPtr s) {
  std::string data = std::move(s->backend.rest);
  for (;;) {
    std::string answer, out;
    if (s->frames.broken()) s->failed = true;
    auto see = [&](const SpdyFrame& frame) { out += Translate(*s, frame, answer); };
    s->frames.Take(std::move(data), see);
    if (!answer.empty()) {
      auto sent = co_await ToRuntime(s, std::move(answer));
      if (!sent.ok()) break;
    }
    if (!out.empty()) {
      auto turn = co_await s->ws_turn.Acquire();
      auto sent = co_await s->ws->Write(std::move(out));
      if (!sent.ok()) break;
    }
    if (s->replies >= s->opened && !s->talking) {
      s->talking = true;
      s->context->scope.Spawn("stream", FromClient(s));
    }
    if (s->ended || s->failed) break;
    co_await Yield(s->context->place.executor);
    auto read = co_await s->backend.stream->Read();
    if (!read.ok() || read->empty()) break;
    data = *std::move(read);
  }
}

// The outcome, and the end.
base::Task<void> Conclude(SessionPtr s) {
  std::string outcome = s->status;
  if (outcome.empty()) outcome = FailureStatus("error streaming: " + s->why);
  std::string payload(1, static_cast<char>(kError));
  co_await ToClient(s, WsOp::kBinary, payload + outcome);
  co_await ToClient(s, WsOp::kClose, WsClosePayload(kNormalClosure));
  s->backend.stream->Close(false);
  co_await s->ws->Finish();
  s->open.Told();
  // The other task reads until the client has closed too.
  if (s->talking) co_await s->client_done.Wait(s->context->place.clock.Mono() + kClosing);
  s->ws->Close(false);
}

HttpRequest SpdyRequest(const HttpRequest& request) {
  HttpRequest out;
  out.method = "POST";
  out.remote = request.remote;
  out.headers = {{"Host", request.Header("Host")},
                 {"User-Agent", request.Header("User-Agent")},
                 {"Connection", "Upgrade"},
                 {"Upgrade", "SPDY/3.1"},
                 {"X-Stream-Protocol-Version", kV4}};
  return out;
}

}  // namespace

bool AsksForTranslation(const HttpRequest& request) {
  auto protocols = WsProtocols(request);
  return IsWebSocket(request) &&
         std::find(protocols.begin(), protocols.end(), kV5) != protocols.end();
}

base::Task<void> TranslateExec(ContextPtr context, ExchangePtr exchange,
                               PodAccess::StreamOptions options, std::string url) {
  auto accepted = WsAccept(exchange->request(), kV5);
  if (!accepted.ok()) {
    co_await exchange->Respond(400, kPlainText, base::Message(accepted.status()) + "\n");
    co_return;
  }
  exchange->MarkTunnel();
  auto s = std::make_shared<Session>(context, exchange->stream(), options);
  // An empty message on the first channel that is open says that the connection stands.
  uint8_t first = options.stdout_open ? kStdout : options.stderr_open ? kStderr : kError;
  auto sent = co_await s->ws->Write(
      *accepted + WsFrame(WsOp::kBinary, std::string(1, static_cast<char>(first))));
  if (!sent.ok()) co_return;
  s->early = exchange->TakeBuffered();
  auto backend = co_await OpenBackend(context, SpdyRequest(exchange->request()), std::move(url));
  if (backend.ok() && backend->code != 101) {
    std::string text = co_await ReadError(context, *backend);
    backend = absl::InternalError("unable to upgrade connection: " + text);
  }
  if (!backend.ok()) {
    std::string payload(1, static_cast<char>(kError));
    co_await ToClient(s, WsOp::kBinary, payload + FailureStatus(base::Message(backend.status())));
    co_await ToClient(s, WsOp::kClose, WsClosePayload(kNormalClosure));
    co_await s->ws->Finish();
    co_return;
  }
  s->backend = *std::move(backend);
  auto opened = co_await ToRuntime(s, OpenStreams(*s));
  if (opened.ok()) co_await FromRuntime(s);
  co_await Conclude(s);
}

}  // namespace kubelet::server
