#include "server/tunnel.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "server/socket_wait.h"

namespace kubelet::server {
namespace {

namespace asio = boost::asio;
constexpr base::Nanos kConnectTime = std::chrono::seconds(30);
constexpr base::Nanos kAnswerTime = std::chrono::seconds(30);
constexpr base::Nanos kErrorTime = std::chrono::seconds(10);
constexpr size_t kHeadLimit = 64 * 1024;
constexpr size_t kErrorLimit = 1 << 20;

// Runs `late` unless it is destroyed before.
class TimeLimit {
 public:
  TimeLimit(base::Clock& clock, base::Nanos time, std::function<void()> late)
      : clock_(clock), timer_(clock.After(time, std::move(late))) {}
  ~TimeLimit() { clock_.Cancel(timer_); }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  base::Clock& clock_;
  base::Clock::TimerId timer_;
};

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

// The first header of that name in a message's head; empty: none.
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

struct Answer {
  int code = 0;
  std::string head;  // with its empty line
  std::string rest;  // what came after it
};

base::Task<absl::StatusOr<Answer>> ReadAnswer(std::shared_ptr<ByteStream> backend) {
  Answer answer;
  std::string text;
  for (;;) {
    size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      answer.head = text.substr(0, end + 4);
      answer.rest = text.substr(end + 4);
      break;
    }
    if (text.size() > kHeadLimit)
      co_return absl::UnavailableError("the runtime's answer has no end");
    auto data = co_await backend->Read();
    if (!data.ok()) co_return data.status();
    if (data->empty()) co_return absl::UnavailableError("unexpected EOF");
    text += *data;
  }
  if (answer.head.rfind("HTTP/1.", 0) != 0 || answer.head.size() < 12)
    co_return absl::UnavailableError("malformed HTTP response");
  answer.code = std::atoi(answer.head.c_str() + 9);
  co_return answer;
}

// An error of the runtime, with its text.
base::Task<void> RelayError(ContextPtr context, ExchangePtr exchange,
                            std::shared_ptr<ByteStream> backend, Answer answer) {
  std::function<void()> late = [backend] { backend->Close(false); };
  TimeLimit limit(context->place.clock, kErrorTime, std::move(late));
  std::string length = HeaderOf(answer.head, "Content-Length");
  size_t wanted = length.empty()
                      ? kErrorLimit
                      : std::min<size_t>(kErrorLimit, std::strtoull(length.c_str(), nullptr, 10));
  std::string body = std::move(answer.rest);
  while (body.size() < wanted) {
    auto data = co_await backend->Read();
    if (!data.ok() || data->empty()) break;
    body += *data;
  }
  std::string type = HeaderOf(answer.head, "Content-Type");
  co_await exchange->Respond(answer.code, std::move(type), std::move(body));
}

// Both ends of a tunnel. Whichever ends first ends the other.
struct Ends {
  ContextPtr context;
  std::shared_ptr<ByteStream> client, backend;
  base::MonoTime last{};
  base::Clock::TimerId timer{};

  ~Ends() { context->place.clock.Cancel(timer); }
  void Close(bool cut) {
    client->Close(cut);
    backend->Close(cut);
  }
};
using EndsPtr = std::shared_ptr<Ends>;

void WatchIdle(const EndsPtr& ends) {
  auto idle = ends->context->options.stream_idle;
  if (idle <= base::Nanos(0)) return;
  auto& clock = ends->context->place.clock;
  ends->timer = clock.Schedule(ends->last + idle, [weak = std::weak_ptr<Ends>(ends), idle] {
    auto self = weak.lock();
    if (!self) return;
    if (self->context->place.clock.Mono() - self->last < idle) {
      WatchIdle(self);
      return;
    }
    LOG_V(2, "Closing a stream that was idle for too long");
    self->Close(true);
  });
}

base::Task<void> FromClient(EndsPtr ends, std::string first) {
  auto data = absl::StatusOr<std::string>(std::move(first));
  for (;;) {
    if (!data->empty()) {
      ends->last = ends->context->place.clock.Mono();
      auto sent = co_await ends->backend->Write(*std::move(data));
      if (!sent.ok()) break;
      co_await Yield(ends->context->place.executor);
    }
    data = co_await ends->client->Read();
    if (!data.ok() || data->empty()) break;
  }
  ends->Close(false);
}

base::Task<void> FromBackend(EndsPtr ends, std::string first) {
  auto data = absl::StatusOr<std::string>(std::move(first));
  for (;;) {
    ends->last = ends->context->place.clock.Mono();
    auto sent = co_await ends->client->Write(*std::move(data));
    if (!sent.ok()) break;
    co_await Yield(ends->context->place.executor);
    data = co_await ends->backend->Read();
    if (data.ok() && !data->empty()) continue;
    // A stream that breaks off must not look like one that has ended.
    if (data.ok()) co_await ends->client->Finish();
    ends->Close(!data.ok());
    co_return;
  }
  ends->Close(false);
}

}  // namespace

base::Task<void> Yield(base::Executor executor) {
  co_await asio::post(executor, asio::as_tuple(asio::use_awaitable));
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
    out += name + ": " + value + "\r\n";
  }
  out += "X-Forwarded-For: " + forwarded + request.remote + "\r\n";
  if (request.method == "POST")
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  return out + "\r\n" + (request.method == "POST" ? request.body : "");
}

base::Task<void> Tunnel(ContextPtr context, ExchangePtr exchange, std::string url) {
  absl::Status failed;
  std::shared_ptr<ByteStream> backend;
  absl::StatusOr<Answer> answer = absl::UnavailableError("no answer");
  auto parsed = ParseStreamUrl(url);
  if (!parsed.ok()) {
    failed = parsed.status();
  } else {
    auto connected = co_await Connect(context, *parsed);
    if (connected.ok()) {
      backend = *connected;
      std::function<void()> late = [backend] { backend->Close(false); };
      TimeLimit limit(context->place.clock, kAnswerTime, std::move(late));
      auto sent = co_await backend->Write(TunnelRequest(exchange->request(), *parsed));
      failed = sent;
      if (sent.ok()) {
        answer = co_await ReadAnswer(backend);
        failed = answer.status();
      }
    } else {
      failed = connected.status();
    }
  }
  if (failed.ok() && answer->code != 101 && answer->code < 400)
    failed = absl::InternalError("invalid upgrade response: status code " +
                                 std::to_string(answer->code));
  if (!failed.ok()) {
    LOG_ERROR("Error while proxying request", "err", failed);
    co_await exchange->Respond(500, kPlainText, base::Message(failed) + "\n");
    co_return;
  }
  if (answer->code != 101) {
    co_await RelayError(context, exchange, backend, *std::move(answer));
    co_return;
  }
  exchange->MarkTunnel();
  auto ends = std::make_shared<Ends>();
  ends->context = context;
  ends->client = exchange->stream();
  ends->backend = backend;
  ends->last = context->place.clock.Mono();
  WatchIdle(ends);
  context->scope.Spawn("stream", FromClient(ends, exchange->TakeBuffered()));
  co_await FromBackend(ends, answer->head + answer->rest);
}

}  // namespace kubelet::server
