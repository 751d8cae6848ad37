#include "kubelet/server/http_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Socket = asio::generic::stream_protocol::socket;
constexpr uint32_t kHeaderLimit = 64 * 1024;

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  State(asio::io_context& i, base::Clock& c, Options o, Handler h, LateHandler l)
      : io(i), clock(c), options(std::move(o)), handler(std::move(h)), late(std::move(l)), acceptor(i) {}
  asio::io_context& io;
  base::Clock& clock;
  Options options;
  Handler handler;
  LateHandler late;
  asio::basic_socket_acceptor<asio::generic::stream_protocol> acceptor;
  int connections = 0;
  bool stopped = false;
  uint16_t port = 0;

  void Accept();
};

namespace {

using StatePtr = std::shared_ptr<void>;

// One connection; callbacks rather than a coroutine keep it to one small allocation.
struct Connection : std::enable_shared_from_this<Connection> {
  Connection(Socket s, base::Clock& c, const HttpServer::Options& o, const Handler& h, const LateHandler& l,
             std::function<void()> d)
      : socket(std::move(s)), clock(c), options(o), handler(h), late(l), done(std::move(d)) {}
  ~Connection() {
    clock.Cancel(timer);
    done();
  }

  void Read() {
    parser.emplace();
    parser->header_limit(kHeaderLimit);
    parser->body_limit(0);
    clock.Cancel(timer);
    timer = clock.After(options.idle, [weak = weak_from_this()] {
      if (auto self = weak.lock()) {
        boost::system::error_code ignored;
        self->socket.close(ignored);
      }
    });
    http::async_read(socket, buffer, *parser,
                     [self = shared_from_this()](boost::system::error_code ec, size_t) { self->Answer(ec); });
  }

  void Answer(boost::system::error_code ec) {
    if (ec && ec != http::error::body_limit && ec != http::error::header_limit) return;
    response = {};
    const auto& request = parser->get();
    Response out;
    if (ec) {
      out = {ec == http::error::header_limit ? 431 : 413, "text/plain; charset=utf-8", "request too large\n"};
    } else if (request.method() != http::verb::get && request.method() != http::verb::head) {
      out = {405, "text/plain; charset=utf-8", "method not allowed\n"};
    } else {
      Request asked = ParseTarget(std::string(request.method_string()), std::string(request.target()));
      asked.accept = std::string(request[http::field::accept]);
      auto respond = [self = shared_from_this()](Response answer) { self->Reply({}, std::move(answer)); };
      if (late && late(asked, respond)) return;
      out = handler(asked);
    }
    Reply(ec, std::move(out));
  }

  void Reply(boost::system::error_code ec, Response out) {
    const auto& request = parser->get();
    bool keep = !ec && request.keep_alive();
    response.version(11);
    response.result(static_cast<unsigned>(out.code));
    response.set(http::field::content_type, out.content_type);
    for (const auto& [name, value] : out.headers) response.set(name, value);
    if (out.code == 200) response.set("X-Content-Type-Options", "nosniff");
    response.keep_alive(keep);
    response.body() = std::move(out.body);
    response.prepare_payload();
    if (!ec && request.method() == http::verb::head) response.body().clear();
    http::async_write(socket, response, [self = shared_from_this(), keep](boost::system::error_code error, size_t) {
      if (!error && keep) self->Read();
    });
  }

  Socket socket;
  base::Clock& clock;
  const HttpServer::Options& options;
  const Handler& handler;
  const LateHandler& late;
  std::function<void()> done;
  base::Clock::TimerId timer{};
  boost::beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  http::response<http::string_body> response;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string Decode(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

Request ParseTarget(const std::string& method, const std::string& target) {
  Request request;
  request.method = method;
  size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark == std::string::npos) return request;
  std::string query = target.substr(mark + 1);
  for (size_t begin = 0; begin <= query.size();) {
    size_t end = std::min(query.find('&', begin), query.size());
    std::string pair = query.substr(begin, end - begin);
    size_t equals = pair.find('=');
    std::string name = Decode(pair.substr(0, equals));
    std::string value = equals == std::string::npos ? "" : Decode(pair.substr(equals + 1));
    if (!name.empty()) request.query[name] = value;
    if (!name.empty()) request.parameters.emplace_back(name, value);
    begin = end + 1;
  }
  return request;
}

HttpServer::HttpServer(asio::io_context& io, base::Clock& clock, Options options, Handler handler,
                       LateHandler late)
    : state_(std::make_shared<State>(io, clock, std::move(options), std::move(handler), std::move(late))) {}

HttpServer::~HttpServer() { Stop(); }

absl::Status HttpServer::Start() {
  auto& s = *state_;
  boost::system::error_code ec;
  asio::generic::stream_protocol::endpoint endpoint;
  std::string what = s.options.unix_path;
  if (!s.options.unix_path.empty()) {
    unlink(s.options.unix_path.c_str());
    endpoint = asio::local::stream_protocol::endpoint(s.options.unix_path);
  } else {
    what = s.options.address + ":" + std::to_string(s.options.port);
    auto address = asio::ip::make_address(s.options.address, ec);
    if (ec) return absl::InvalidArgumentError("cannot listen on " + what + ": " + ec.message());
    endpoint = asio::ip::tcp::endpoint(address, s.options.port);
  }
  auto fail = [&](const char* step) {
    boost::system::error_code ignored;
    s.acceptor.close(ignored);
    return absl::UnavailableError("cannot listen on " + what + ": " + step + ": " + ec.message());
  };
  s.acceptor.open(endpoint.protocol(), ec);
  if (ec) return fail("socket");
  if (s.options.unix_path.empty()) s.acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  mode_t mask = umask(0177);
  s.acceptor.bind(endpoint, ec);
  umask(mask);
  if (ec) return fail("bind");
  s.acceptor.listen(128, ec);
  if (ec) return fail("listen");
  if (s.options.unix_path.empty()) {
    auto local = s.acceptor.local_endpoint(ec);
    asio::ip::tcp::endpoint tcp;
    tcp.resize(local.size());
    std::memcpy(tcp.data(), local.data(), local.size());
    s.port = tcp.port();
  }
  s.Accept();
  return absl::OkStatus();
}

void HttpServer::State::Accept() {
  acceptor.async_accept([self = shared_from_this()](boost::system::error_code ec, Socket socket) {
    if (self->stopped || ec == asio::error::operation_aborted) return;
    if (ec) {
      // Out of descriptors: try again when some may be free, instead of spinning.
      self->clock.After(std::chrono::milliseconds(100), [self] {
        if (!self->stopped) self->Accept();
      });
      return;
    }
    if (self->connections < self->options.max_connections) {
      ++self->connections;
      std::make_shared<Connection>(std::move(socket), self->clock, self->options, self->handler, self->late,
                                   [self] { --self->connections; })
          ->Read();
    }
    self->Accept();
  });
}

void HttpServer::Stop() {
  state_->stopped = true;
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  if (!state_->options.unix_path.empty()) unlink(state_->options.unix_path.c_str());
}

uint16_t HttpServer::port() const { return state_->port; }

}  // namespace kubelet::server
