#include "conformance/http.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <memory>

#include "conformance/value.h"
#include "kubelet/base/status.h"
#include "kubelet/client/dial.h"

namespace kubelet::client {

// How Beast ends a stream of ours, found by argument dependent lookup.
void beast_close_socket(Wire& wire) {
  boost::system::error_code ignored;
  wire.socket().close(ignored);
}
void teardown(boost::beast::role_type role, Wire& wire, boost::system::error_code& ec) {
  boost::beast::websocket::teardown(role, wire.socket(), ec);
}
template <typename Handler>
void async_teardown(boost::beast::role_type role, Wire& wire, Handler&& handler) {
  boost::beast::websocket::async_teardown(role, wire.socket(), std::forward<Handler>(handler));
}

}  // namespace kubelet::client

namespace kubelet::conformance {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using client::Transport;
using SocketTls = asio::ssl::stream<client::Wire&>;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Closes the connection when the time is over; what is under way ends with an error.
struct Deadline {
  Deadline(base::Clock& c, base::Nanos timeout, std::shared_ptr<Transport> t)
      : clock(c), transport(std::move(t)) {
    timer = clock.After(timeout, [this] {
      expired = true;
      transport->Close();
    });
  }
  ~Deadline() { clock.Cancel(timer); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  absl::Status Failed(const std::string& step, const error_code& ec) {
    if (expired) return absl::DeadlineExceededError(step + ": timed out");
    return absl::UnavailableError(step + ": " + ec.message());
  }
  base::Clock& clock;
  std::shared_ptr<Transport> transport;
  base::Clock::TimerId timer;
  bool expired = false;
};

struct Opened {
  std::shared_ptr<Transport> transport;
  std::string prefix, authority, authorization;
};

base::Task<absl::StatusOr<Opened>> Open(HttpClient::Deps& deps, std::string base,
                                        client::Credentials* credentials, std::string ca_pem) {
  auto url = client::ParseServerUrl(base, true);
  if (!url.ok()) co_return url.status();
  client::DialTarget target;
  target.server = *url;
  target.tls.http2 = false;
  target.tls.insecure = ca_pem.empty();
  target.tls.ca_pem = ca_pem;
  target.tls.server_name = url->host;
  Opened opened;
  if (credentials != nullptr) {
    auto shown = co_await credentials->Get();
    if (!shown.ok()) co_return shown.status();
    target.tls.cert_pem = shown->cert_pem;
    target.tls.key_pem = shown->key_pem;
    if (!shown->bearer_token.empty()) opened.authorization = "Bearer " + shown->bearer_token;
    if (!shown->basic.empty()) opened.authorization = client::BasicAuthorization(shown->basic);
  }
  opened.prefix = url->prefix;
  opened.authority = url->Authority();
  auto transport = co_await client::Dial(deps.executor, deps.clock, deps.pool, std::move(target));
  if (!transport.ok()) co_return transport.status();
  opened.transport = *transport;
  co_return opened;
}

template <typename Stream>
base::Task<absl::StatusOr<HttpAnswer>> Exchange(Stream& stream,
                                                http::request<http::string_body> request,
                                                Deadline& deadline) {
  auto written = co_await http::async_write(stream, request, kAwait);
  if (std::get<0>(written)) co_return deadline.Failed("send the request", std::get<0>(written));
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(64u << 20);
  auto read = co_await http::async_read(stream, buffer, parser, kAwait);
  if (std::get<0>(read)) co_return deadline.Failed("read the answer", std::get<0>(read));
  HttpAnswer answer;
  answer.status = parser.get().result_int();
  for (const auto& field : parser.get())
    answer.headers[client::LowerCase(std::string(field.name_string()))] =
        std::string(field.value());
  answer.body = parser.get().body();
  co_return answer;
}

// Exit code and error by the Status that ends the error channel.
void TakeOutcome(const std::string& text, StreamResult& result) {
  auto status = ParseJson(text);
  if (!status.ok()) {
    result.error = text;
    return;
  }
  const Json* outcome = Find(*status, "status");
  if (outcome != nullptr && TextOf(*outcome) == "Success") return;
  const Json* causes = Find(*status, "details.causes");
  const Json* message = Find(*status, "message");
  result.error = message == nullptr ? text : TextOf(*message);
  if (causes == nullptr || !causes->is_array()) return;
  for (const Json& cause : causes->as_array())
    if (cause.is_object() && Text(cause.as_object(), "reason") == "ExitCode")
      result.exit_code = std::atoi(Text(cause.as_object(), "message").c_str());
}

template <typename Stream>
base::Task<absl::StatusOr<StreamResult>> RunStream(websocket::stream<Stream>& stream,
                                                   std::string authority, std::string target,
                                                   std::string authorization, std::string input,
                                                   bool with_input, Deadline& deadline) {
  auto decorate = [authorization](websocket::request_type& request) {
    request.set(http::field::sec_websocket_protocol, "v5.channel.k8s.io");
    if (!authorization.empty()) request.set(http::field::authorization, authorization);
  };
  stream.set_option(websocket::stream_base::decorator(decorate));
  websocket::response_type response;
  auto shaken = co_await stream.async_handshake(response, authority, target, kAwait);
  if (std::get<0>(shaken))
    co_return absl::UnavailableError("upgrade: " + std::get<0>(shaken).message() + " (" +
                                     std::to_string(response.result_int()) + " " + response.body() +
                                     ")");
  stream.binary(true);
  if (with_input) {
    std::string data = std::string(1, '\0') + input, end("\xff\0", 2);
    auto sent = co_await stream.async_write(asio::buffer(data), kAwait);
    if (std::get<0>(sent)) co_return deadline.Failed("send", std::get<0>(sent));
    auto closed = co_await stream.async_write(asio::buffer(end), kAwait);
    if (std::get<0>(closed)) co_return deadline.Failed("send", std::get<0>(closed));
  }
  StreamResult result;
  std::string outcome;
  while (true) {
    boost::beast::flat_buffer buffer;
    auto read = co_await stream.async_read(buffer, kAwait);
    if (deadline.expired) co_return deadline.Failed("read", std::get<0>(read));
    if (std::get<0>(read)) break;
    std::string text(static_cast<const char*>(buffer.data().data()), buffer.size());
    if (text.empty()) continue;
    std::string& channel = text[0] == 1 ? result.out : text[0] == 2 ? result.err : outcome;
    channel += text.substr(1);
  }
  if (outcome.empty()) co_return absl::UnavailableError("the stream ended without an outcome");
  TakeOutcome(outcome, result);
  co_return result;
}

}  // namespace

HttpClient::HttpClient(Deps deps, std::string base, client::Credentials* credentials,
                       std::string ca_pem)
    : deps_(deps), base_(std::move(base)), credentials_(credentials), ca_pem_(std::move(ca_pem)) {}

base::Task<absl::StatusOr<HttpAnswer>> HttpClient::Get(std::string path, std::string method,
                                                       base::Nanos timeout) {
  auto opened = co_await Open(deps_, base_, credentials_, ca_pem_);
  if (!opened.ok()) co_return opened.status();
  http::request<http::string_body> request;
  request.method_string(method);
  request.target(opened->prefix + path);
  request.version(11);
  request.set(http::field::host, opened->authority);
  request.set(http::field::connection, "close");
  if (!opened->authorization.empty())
    request.set(http::field::authorization, opened->authorization);
  request.prepare_payload();
  auto transport = opened->transport;
  Deadline deadline(deps_.clock, timeout, transport);
  if (transport->tls) {
    auto answer = co_await Exchange(*transport->tls, std::move(request), deadline);
    co_return answer;
  }
  auto answer = co_await Exchange(transport->wire, std::move(request), deadline);
  co_return answer;
}

base::Task<absl::StatusOr<StreamResult>> HttpClient::Exec(std::string path, std::string input,
                                                          bool with_input, base::Nanos timeout) {
  auto opened = co_await Open(deps_, base_, credentials_, ca_pem_);
  if (!opened.ok()) co_return opened.status();
  auto transport = opened->transport;
  Deadline deadline(deps_.clock, timeout, transport);
  if (!transport->tls) co_return absl::InvalidArgumentError("streams need https");
  websocket::stream<SocketTls&> stream(*transport->tls);
  auto result = co_await RunStream(stream, opened->authority, opened->prefix + path,
                                   opened->authorization, input, with_input, deadline);
  co_return result;
}

std::string Escape(const std::string& text) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.') {
      out += static_cast<char>(c);
    } else {
      char code[4];
      std::snprintf(code, sizeof code, "%%%02X", c);
      out += code;
    }
  }
  return out;
}

}  // namespace kubelet::conformance
