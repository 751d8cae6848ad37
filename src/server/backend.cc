#include "server/backend.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "server/socket_wait.h"
#include "server/websocket.h"

namespace kubelet::server {
namespace {

namespace asio = boost::asio;
constexpr base::Nanos kConnectTime = std::chrono::seconds(30);
constexpr base::Nanos kAnswerTime = std::chrono::seconds(30);
constexpr base::Nanos kErrorTime = std::chrono::seconds(10);
constexpr size_t kHeadLimit = 64 * 1024;
constexpr size_t kErrorLimit = 1 << 20;

base::Task<absl::StatusOr<std::shared_ptr<ByteStream>>> Connect(ContextPtr context, StreamUrl url) {
  std::string what = "error dialing backend: dial tcp " + url.host + ":" + url.port + ": ";
  boost::system::error_code ec;
  std::string host = url.host;
  if (host == "localhost") host = "127.0.0.1";
  auto address = asio::ip::make_address(host, ec);
  uint16_t port = static_cast<uint16_t>(std::atoi(url.port.c_str()));
  if (ec || port == 0) co_return absl::UnavailableError(what + "not an address");
  auto socket = std::make_shared<Socket>(context->place.executor);
  std::function<void()> late = [socket] { CloseSocket(*socket, false); };
  TimeLimit limit(context->place.clock, kConnectTime, std::move(late));
  Socket::endpoint_type endpoint(asio::ip::tcp::endpoint(address, port));
  auto connected = co_await socket->async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
  ec = std::get<0>(connected);
  if (ec) co_return absl::UnavailableError(what + ec.message());
  socket->set_option(asio::ip::tcp::no_delay(true), ec);
  co_return PlainStream(std::move(*socket));
}

// Reads the head of the answer into `backend`.
base::Task<absl::Status> ReadAnswer(Backend* backend) {
  std::string text;
  for (;;) {
    size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      backend->head = text.substr(0, end + 4);
      backend->rest = text.substr(end + 4);
      break;
    }
    if (text.size() > kHeadLimit)
      co_return absl::UnavailableError("the runtime's answer has no end");
    auto data = co_await backend->stream->Read();
    if (!data.ok()) co_return data.status();
    if (data->empty()) co_return absl::UnavailableError("unexpected EOF");
    text += *data;
  }
  if (backend->head.rfind("HTTP/1.", 0) != 0 || backend->head.size() < 12)
    co_return absl::UnavailableError("malformed HTTP response");
  backend->code = std::atoi(backend->head.c_str() + 9);
  if (backend->code == 101 || backend->code >= 400) co_return absl::OkStatus();
  co_return absl::InternalError("invalid upgrade response: status code " +
                                std::to_string(backend->code));
}

std::string ProtocolsWithoutToken(const HttpRequest& request) {
  std::string out;
  for (const auto& protocol : WsProtocols(request)) {
    if (protocol.rfind(auth::kTokenProtocol, 0) == 0) continue;
    out += (out.empty() ? "" : ", ") + protocol;
  }
  return out;
}

}  // namespace

std::string HeaderOf(const std::string& head, const std::string& name) {
  for (size_t begin = head.find("\r\n"); begin != std::string::npos && begin + 2 < head.size();) {
    size_t end = std::min(head.find("\r\n", begin + 2), head.size());
    std::string line = head.substr(begin + 2, end - begin - 2);
    size_t colon = line.find(':');
    if (colon != std::string::npos && SameIgnoringCase(line.substr(0, colon), name)) {
      size_t value = line.find_first_not_of(" \t", colon + 1);
      return value == std::string::npos ? "" : line.substr(value);
    }
    begin = end;
  }
  return "";
}

absl::StatusOr<StreamUrl> ParseStreamUrl(const std::string& url) {
  StreamUrl out;
  std::string rest = url;
  size_t scheme = rest.find("://");
  std::string name = scheme == std::string::npos ? "http" : rest.substr(0, scheme);
  if (scheme != std::string::npos) rest = rest.substr(scheme + 3);
  if (name != "http")
    return absl::InvalidArgumentError("the runtime's streaming URL is of scheme " + name +
                                      ", only http is known");
  size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  std::string authority = rest.substr(0, slash);
  out.target = rest.substr(slash);
  if (out.target.empty() || out.target[0] != '/') out.target = "/" + out.target;
  size_t colon = authority.rfind(':');
  bool v6 = !authority.empty() && authority[0] == '[';
  if (v6 && authority.find(']') == std::string::npos)
    return absl::InvalidArgumentError("the runtime's streaming URL is none");
  if (v6 && colon < authority.find(']')) colon = std::string::npos;
  out.host = authority.substr(0, colon);
  out.port = colon == std::string::npos ? "80" : authority.substr(colon + 1);
  if (v6) out.host = out.host.substr(1, out.host.size() - 2);
  bool bad = out.host.empty() || out.port.empty() ||
             out.target.find_first_of(" \r\n") != std::string::npos;
  if (bad) return absl::InvalidArgumentError("the runtime's streaming URL is none");
  return out;
}

std::string TunnelRequest(const HttpRequest& request, const StreamUrl& url) {
  std::string out = request.method + " " + url.target + " HTTP/1.1\r\n";
  std::string forwarded;
  for (const auto& [name, value] : request.headers) {
    if (SameIgnoringCase(name, "X-Forwarded-For")) {
      forwarded += value + ", ";
      continue;
    }
    // Credentials are for us; the body was taken in already.
    if (SameIgnoringCase(name, "Authorization") || SameIgnoringCase(name, "Content-Length") ||
        SameIgnoringCase(name, "Transfer-Encoding") || SameIgnoringCase(name, "Expect"))
      continue;
    if (SameIgnoringCase(name, "Sec-WebSocket-Protocol")) continue;
    out += name + ": " + value + "\r\n";
  }
  std::string protocols = ProtocolsWithoutToken(request);
  if (!protocols.empty()) out += "Sec-WebSocket-Protocol: " + protocols + "\r\n";
  out += "X-Forwarded-For: " + forwarded + request.remote + "\r\n";
  if (request.method == "POST")
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  return out + "\r\n" + (request.method == "POST" ? request.body : "");
}

base::Task<absl::StatusOr<Backend>> OpenBackend(ContextPtr context, HttpRequest request,
                                                std::string url) {
  auto parsed = ParseStreamUrl(url);
  if (!parsed.ok()) co_return parsed.status();
  auto connected = co_await Connect(context, *parsed);
  if (!connected.ok()) co_return connected.status();
  Backend backend;
  backend.stream = *connected;
  std::function<void()> late = [stream = backend.stream] { stream->Close(false); };
  TimeLimit limit(context->place.clock, kAnswerTime, std::move(late));
  auto done = co_await backend.stream->Write(TunnelRequest(request, *parsed));
  if (done.ok()) done = co_await ReadAnswer(&backend);
  if (!done.ok()) co_return done;
  co_return backend;
}

base::Task<std::string> ReadError(ContextPtr context, Backend backend) {
  std::function<void()> late = [stream = backend.stream] { stream->Close(false); };
  TimeLimit limit(context->place.clock, kErrorTime, std::move(late));
  std::string length = HeaderOf(backend.head, "Content-Length");
  size_t wanted = kErrorLimit;
  if (!length.empty())
    wanted = std::min<size_t>(wanted, std::strtoull(length.c_str(), nullptr, 10));
  std::string body = std::move(backend.rest);
  while (body.size() < wanted) {
    auto data = co_await backend.stream->Read();
    if (!data.ok() || data->empty()) break;
    body += *data;
  }
  co_return body;
}

struct IdleLimit::State : std::enable_shared_from_this<State> {
  State(base::Clock& c, base::Nanos t, std::function<void()> l)
      : clock(c), time(t), late(std::move(l)) {}
  base::Clock& clock;
  base::Nanos time;
  std::function<void()> late;
  base::MonoTime last{};
  base::Clock::TimerId timer{};

  // One timer, set again when it turns out that there was activity: touching it costs nothing.
  void Arm() {
    timer = clock.Schedule(last + time, [self = weak_from_this()] {
      auto state = self.lock();
      if (!state) return;
      if (state->clock.Mono() - state->last >= state->time) {
        state->late();
      } else {
        state->Arm();
      }
    });
  }
};

IdleLimit::IdleLimit(base::Clock& clock, base::Nanos time, std::function<void()> late)
    : state_(std::make_shared<State>(clock, time, std::move(late))) {
  state_->last = clock.Mono();
  if (time > base::Nanos(0)) state_->Arm();
}
IdleLimit::~IdleLimit() { state_->clock.Cancel(state_->timer); }
void IdleLimit::Touch() { state_->last = state_->clock.Mono(); }

}  // namespace kubelet::server
