#include "source/http_get.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/system_error.hpp>
#include <optional>

#include "kubelet/base/status.h"
#include "kubelet/client/dial.h"

namespace kubelet::source {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;
using boost::system::error_code;
using client::Transport;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// One deadline over all connections of the request. It closes what is open; every operation under
// way then ends with an error.
struct Deadline {
  Deadline(base::Clock& c, base::Nanos timeout) : clock(c), at(c.Mono() + timeout) {
    timer = clock.Schedule(at, [this] {
      expired = true;
      if (current) current->Close();
    });
  }
  ~Deadline() { clock.Cancel(timer); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  bool Over() const { return expired || clock.Mono() >= at; }
  // `step` names what failed. A cancelled task leaves by exception.
  absl::Status Failed(const std::string& step, const error_code& ec) const {
    if (expired) return absl::DeadlineExceededError(step + ": timed out");
    if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
    return absl::UnavailableError(step + ": " + current->Explain(ec));
  }

  base::Clock& clock;
  base::MonoTime at;
  base::Clock::TimerId timer;
  std::shared_ptr<Transport> current;
  bool expired = false;
};

base::Task<absl::Status> Write(Deadline& d, std::string data) {
  auto transport = d.current;
  error_code ec;
  if (transport->tls) {
    auto result = co_await asio::async_write(*transport->tls, asio::buffer(data), kAwait);
    ec = std::get<0>(result);
  } else {
    auto result = co_await asio::async_write(transport->wire, asio::buffer(data), kAwait);
    ec = std::get<0>(result);
  }
  if (ec) co_return d.Failed("send the request", ec);
  co_return absl::OkStatus();
}

// Feeds the parser until it has a whole message.
base::Task<absl::Status> ReadMessage(Deadline& d, Parser& parser) {
  auto transport = d.current;
  std::string pending;
  std::string chunk(16384, '\0');
  while (!parser.is_done()) {
    error_code ec;
    size_t n = 0;
    if (transport->tls) {
      auto result = co_await transport->tls->async_read_some(asio::buffer(chunk), kAwait);
      ec = std::get<0>(result);
      n = std::get<1>(result);
    } else {
      auto result = co_await transport->wire.async_read_some(asio::buffer(chunk), kAwait);
      ec = std::get<0>(result);
      n = std::get<1>(result);
    }
    // Without length and chunks the end of the connection ends the body. A TLS stream cut without
    // its closing record (stream_truncated) does not: the body may be half.
    if (ec == asio::error::eof) {
      ec = {};
      if (parser.got_some()) parser.put_eof(ec);
      if (!ec && parser.is_done()) co_return absl::OkStatus();
      co_return absl::UnavailableError("read the response: the connection ended early");
    }
    if (ec) co_return d.Failed("read the response", ec);
    pending.append(chunk, 0, n);
    while (!pending.empty() && !parser.is_done()) {
      size_t used = parser.put(asio::buffer(pending), ec);
      pending.erase(0, used);
      if (ec == http::error::need_more) break;
      if (ec == http::error::body_limit)
        co_return absl::ResourceExhaustedError("the body is too long");
      if (ec) co_return absl::UnavailableError("read the response: " + ec.message());
      if (used == 0) break;
    }
  }
  co_return absl::OkStatus();
}

// How a request gets to its server.
struct Route {
  client::DialTarget target;
  // http through an http proxy: the request is the proxy's, with the whole URL in it.
  std::optional<client::Proxy> asked;
};

absl::StatusOr<Route> RouteFor(const GetRequest& request, base::Nanos left) {
  auto proxy = client::ChooseProxy(request.url.Server(), "", request.proxy);
  if (!proxy.ok()) return proxy.status();
  if (*proxy && (*proxy)->tls && !request.tls) {
    return absl::FailedPreconditionError("the proxy is one by https");
  }
  Route route;
  route.target.server = request.url.Server();
  route.target.timeout = left;
  route.target.tls.server_name = request.url.host;
  route.target.tls.http2 = false;
  route.target.tls.context = request.tls;
  if (*proxy && !request.url.https() && (*proxy)->kind == client::Proxy::Kind::kConnect) {
    route.asked = *proxy;
    route.target.server.host = (*proxy)->host;
    route.target.server.port = (*proxy)->port;
    route.target.server.https = (*proxy)->tls;
    route.target.tls.server_name = (*proxy)->host;
  } else {
    route.target.proxy = *proxy;
  }
  return route;
}

std::string RequestText(const GetRequest& request, const std::optional<client::Proxy>& proxy) {
  bool user_agent = false, authorization = false;
  std::string fields;
  for (const auto& [name, value] : request.headers) {
    std::string lower = client::LowerCase(name);
    // The Go client takes neither from a header list.
    if (lower == "host" || lower == "content-length" || lower == "connection") continue;
    user_agent = user_agent || lower == "user-agent";
    authorization = authorization || lower == "authorization";
    fields += name + ": " + value + "\r\n";
  }
  std::string text = "GET " + (proxy ? request.url.ToString() : request.url.target) +
                     " HTTP/1.1\r\nHost: " + request.url.HostHeader() + "\r\n";
  if (!user_agent) text += "User-Agent: kubelet\r\n";
  if (!authorization && !request.url.user_info.empty()) {
    text += "Authorization: " + client::BasicAuthorization(request.url.user_info) + "\r\n";
  }
  if (proxy && !proxy->user_info.empty()) {
    text += "Proxy-Authorization: " + client::BasicAuthorization(proxy->user_info) + "\r\n";
  }
  return text + fields + "Connection: close\r\n\r\n";
}

base::Task<absl::StatusOr<GetResponse>> GetOnce(Deadline& d, base::Executor executor,
                                                base::BlockingPool& pool, GetRequest request) {
  auto route = RouteFor(request, d.at - d.clock.Mono());
  if (!route.ok()) co_return route.status();
  client::DialTarget target = route->target;
  auto dialed = co_await client::Dial(executor, d.clock, pool, std::move(target));
  if (d.Over())
    co_return absl::DeadlineExceededError("connect to " + request.url.host + ": timed out");
  if (!dialed.ok()) co_return dialed.status();
  d.current = *dialed;
  std::string text = RequestText(request, route->asked);
  auto status = co_await Write(d, std::move(text));
  if (!status.ok()) co_return status;
  auto parser = std::make_unique<Parser>();
  parser->body_limit(request.body_limit);
  parser->eager(true);
  status = co_await ReadMessage(d, *parser);
  if (!status.ok()) co_return status;
  d.current->Close();
  GetResponse response;
  auto message = parser->release();
  response.code = static_cast<int>(message.result_int());
  response.reason = std::string(message.reason());
  auto location = message[http::field::location];
  response.location = std::string(location.data(), location.size());
  response.body = std::move(message.body());
  co_return response;
}

bool IsRedirect(int code) {
  return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

void DropSecrets(GetRequest& request) {
  request.url.user_info.clear();
  std::erase_if(request.headers, [](const auto& header) {
    std::string name = client::LowerCase(header.first);
    return name == "authorization" || name == "cookie" || name == "www-authenticate";
  });
}

}  // namespace

base::Task<absl::StatusOr<GetResponse>> HttpGet(base::Executor executor, base::Clock& clock,
                                                base::BlockingPool& pool, GetRequest request) {
  Deadline deadline(clock, request.timeout);
  for (int redirects = 0;; ++redirects) {
    auto response = co_await GetOnce(deadline, executor, pool, request);
    if (!response.ok() || !IsRedirect(response->code)) co_return response;
    if (redirects == 10) co_return absl::InvalidArgumentError("stopped after 10 redirects");
    auto next = ResolveUrl(request.url, response->location);
    if (!next.ok()) co_return base::Annotate(next.status(), "redirect");
    bool same_host = next->host == request.url.host;
    request.url = *std::move(next);
    if (!same_host) DropSecrets(request);
    if (deadline.Over()) co_return absl::DeadlineExceededError("redirect: timed out");
    if (request.url.https() && !request.tls) {
      co_return absl::FailedPreconditionError("redirected to https");
    }
  }
}

}  // namespace kubelet::source
