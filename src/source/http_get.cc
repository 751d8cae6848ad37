#include "source/http_get.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/system_error.hpp>
#include <optional>

#include "kubelet/base/status.h"

namespace kubelet::source {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using Parser = http::response_parser<http::string_body>;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// The connection of one request. The deadline closes what is open; every operation under way then
// ends with an error.
struct Connection {
  Connection(base::Executor e, base::Clock& c) : executor(e), clock(c), resolver(e), socket(e) {}
  base::Executor executor;
  base::Clock& clock;
  tcp::resolver resolver;
  tcp::socket socket;
  std::optional<asio::ssl::stream<tcp::socket&>> tls;
  bool expired = false;

  void Expire() {
    expired = true;
    resolver.cancel();
    error_code ignored;
    socket.close(ignored);
  }
  // `step` names what failed. A cancelled task leaves by exception.
  absl::Status Failed(const std::string& step, const error_code& ec) const {
    if (expired) return absl::DeadlineExceededError(step + ": timed out");
    if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
    return absl::UnavailableError(step + ": " + ec.message());
  }
};
using Conn = std::shared_ptr<Connection>;

base::Task<absl::Status> Connect(Conn c, std::string host, std::string port) {
  std::string step = "resolve " + host;
  auto resolved = co_await c->resolver.async_resolve(host, port, kAwait);
  error_code ec = std::get<0>(resolved);
  if (ec || c->expired) co_return c->Failed(step, ec);
  auto results = std::get<1>(resolved);
  absl::Status last = absl::UnavailableError(step + ": no addresses");
  for (const auto& entry : results) {
    auto endpoint = entry.endpoint();
    error_code ignored;
    c->socket.close(ignored);
    auto connected = co_await c->socket.async_connect(endpoint, kAwait);
    ec = std::get<0>(connected);
    if (!ec && !c->expired) co_return absl::OkStatus();
    last = c->Failed(
        "connect to " + host + " (" + endpoint.address().to_string() + ") port " + port, ec);
    if (c->expired) break;
  }
  co_return last;
}

base::Task<absl::Status> Write(Conn c, std::string data) {
  error_code ec;
  if (c->tls) {
    auto result = co_await asio::async_write(*c->tls, asio::buffer(data), kAwait);
    ec = std::get<0>(result);
  } else {
    auto result = co_await asio::async_write(c->socket, asio::buffer(data), kAwait);
    ec = std::get<0>(result);
  }
  if (ec) co_return c->Failed("send the request", ec);
  co_return absl::OkStatus();
}

// Feeds the parser until it has a whole message (or, with `header_only`, the header).
base::Task<absl::Status> ReadMessage(Conn c, std::shared_ptr<Parser> parser, bool header_only) {
  std::string pending;
  std::string chunk(16384, '\0');
  for (;;) {
    if (parser->is_done() || (header_only && parser->is_header_done())) co_return absl::OkStatus();
    error_code ec;
    size_t n = 0;
    if (c->tls) {
      auto result = co_await c->tls->async_read_some(asio::buffer(chunk), kAwait);
      ec = std::get<0>(result);
      n = std::get<1>(result);
    } else {
      auto result = co_await c->socket.async_read_some(asio::buffer(chunk), kAwait);
      ec = std::get<0>(result);
      n = std::get<1>(result);
    }
    // Without length and chunks the end of the connection ends the body. A TLS stream cut without
    // its closing record (stream_truncated) does not: the body may be half.
    if (ec == asio::error::eof) {
      ec = {};
      if (parser->got_some()) parser->put_eof(ec);
      if (!ec && parser->is_done()) co_return absl::OkStatus();
      co_return absl::UnavailableError("read the response: the connection ended early");
    }
    if (ec) co_return c->Failed("read the response", ec);
    pending.append(chunk, 0, n);
    while (!pending.empty() && !parser->is_done()) {
      size_t used = parser->put(asio::buffer(pending), ec);
      pending.erase(0, used);
      if (ec == http::error::need_more) break;
      if (ec == http::error::body_limit)
        co_return absl::ResourceExhaustedError("the body is too long");
      if (ec) co_return absl::UnavailableError("read the response: " + ec.message());
      if (used == 0) break;
    }
  }
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string RequestText(const GetRequest& request, const std::optional<Url>& proxy) {
  bool user_agent = false, authorization = false;
  std::string fields;
  for (const auto& [name, value] : request.headers) {
    std::string lower = Lower(name);
    // The Go client takes neither from a header list.
    if (lower == "host" || lower == "content-length" || lower == "connection") continue;
    user_agent = user_agent || lower == "user-agent";
    authorization = authorization || lower == "authorization";
    fields += name + ": " + value + "\r\n";
  }
  bool absolute = proxy && !request.url.https();
  std::string text = "GET " + (absolute ? request.url.ToString() : request.url.target) +
                     " HTTP/1.1\r\nHost: " + request.url.HostHeader() + "\r\n";
  if (!user_agent) text += "User-Agent: kubelet\r\n";
  if (!authorization && !request.url.user_info.empty()) {
    text += "Authorization: " + BasicAuthorization(request.url.user_info) + "\r\n";
  }
  if (absolute && !proxy->user_info.empty()) {
    text += "Proxy-Authorization: " + BasicAuthorization(proxy->user_info) + "\r\n";
  }
  return text + fields + "Connection: close\r\n\r\n";
}

// CONNECT through the proxy, for https.
base::Task<absl::Status> Tunnel(Conn c, Url url, Url proxy) {
  std::string authority =
      (url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]") + ":" + url.port;
  std::string text =
      "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\nUser-Agent: kubelet\r\n";
  if (!proxy.user_info.empty())
    text += "Proxy-Authorization: " + BasicAuthorization(proxy.user_info) + "\r\n";
  text += "\r\n";
  auto sent = co_await Write(c, std::move(text));
  if (!sent.ok()) co_return sent;
  auto parser = std::make_shared<Parser>();
  parser->skip(true);
  auto read = co_await ReadMessage(c, parser, true);
  if (!read.ok()) co_return base::Annotate(read, "proxy " + proxy.host);
  int code = parser->get().result_int();
  if (code / 100 != 2) {
    co_return absl::UnavailableError("proxy " + proxy.host + ": CONNECT answered " +
                                     std::to_string(code));
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> StartTls(Conn c, std::shared_ptr<asio::ssl::context> context,
                                  std::string host) {
  c->tls.emplace(c->socket, *context);
  error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  if (not_an_address) SSL_set_tlsext_host_name(c->tls->native_handle(), host.c_str());
  c->tls->set_verify_callback(asio::ssl::host_name_verification(host));
  auto result = co_await c->tls->async_handshake(asio::ssl::stream_base::client, kAwait);
  error_code ec = std::get<0>(result);
  if (!ec) co_return absl::OkStatus();
  // The certificate's fault has its own, clearer text.
  long verify = SSL_get_verify_result(c->tls->native_handle());
  std::string step = "TLS handshake with " + host;
  if (!c->expired && verify != X509_V_OK) {
    co_return absl::UnavailableError(step +
                                     ": certificate: " + X509_verify_cert_error_string(verify));
  }
  co_return c->Failed(step, ec);
}

base::Task<absl::StatusOr<GetResponse>> GetOnce(Conn c, GetRequest request) {
  auto proxy = ProxyFor(request.url, request.proxy);
  if (!proxy.ok()) co_return proxy.status();
  bool direct = !proxy->has_value();
  std::string host = request.url.host, port = request.url.port;
  if (!direct) {
    host = (*proxy)->host;
    port = (*proxy)->port;
  }
  auto status = co_await Connect(c, host, port);
  if (!status.ok()) co_return status;
  if (request.url.https()) {
    if (!direct) {
      status = co_await Tunnel(c, request.url, **proxy);
      if (!status.ok()) co_return status;
    }
    status = co_await StartTls(c, request.tls, request.url.host);
    if (!status.ok()) co_return status;
  }
  std::string text = RequestText(request, *proxy);
  status = co_await Write(c, std::move(text));
  if (!status.ok()) co_return status;
  auto parser = std::make_shared<Parser>();
  parser->body_limit(request.body_limit);
  parser->eager(true);
  status = co_await ReadMessage(c, parser, false);
  if (!status.ok()) co_return status;
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
    std::string name = Lower(header.first);
    return name == "authorization" || name == "cookie" || name == "www-authenticate";
  });
}

}  // namespace

base::Task<absl::StatusOr<GetResponse>> HttpGet(base::Executor executor, base::Clock& clock,
                                                GetRequest request) {
  // One deadline over all connections of the request.
  struct Deadline {
    base::Clock& clock;
    base::Clock::TimerId timer;
    Conn current;
    ~Deadline() { clock.Cancel(timer); }
  };
  auto deadline = std::make_shared<Deadline>(
      Deadline{clock, {}, std::make_shared<Connection>(executor, clock)});
  std::function<void()> expire = [weak = std::weak_ptr<Deadline>(deadline)] {
    if (auto d = weak.lock()) d->current->Expire();
  };
  deadline->timer = clock.After(request.timeout, std::move(expire));
  for (int redirects = 0;; ++redirects) {
    auto response = co_await GetOnce(deadline->current, request);
    if (!response.ok() || !IsRedirect(response->code)) co_return response;
    if (redirects == 10) co_return absl::InvalidArgumentError("stopped after 10 redirects");
    auto next = ResolveUrl(request.url, response->location);
    if (!next.ok()) co_return base::Annotate(next.status(), "redirect");
    bool same_host = next->host == request.url.host;
    request.url = *std::move(next);
    if (!same_host) DropSecrets(request);
    bool expired = deadline->current->expired;
    deadline->current = std::make_shared<Connection>(executor, clock);
    if (expired) co_return absl::DeadlineExceededError("redirect: timed out");
    if (request.url.https() && !request.tls) {
      co_return absl::FailedPreconditionError("redirected to https");
    }
  }
}

absl::StatusOr<std::shared_ptr<asio::ssl::context>> MakeTlsContext(const std::string& ca_file) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  error_code ec;
  if (ca_file.empty()) {
    context->set_default_verify_paths(ec);
  } else {
    context->load_verify_file(ca_file, ec);
  }
  if (ec) return absl::UnavailableError("read trusted certificates: " + ec.message());
  context->set_verify_mode(asio::ssl::verify_peer, ec);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  return context;
}

}  // namespace kubelet::source
