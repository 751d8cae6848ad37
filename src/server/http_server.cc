#include "kubelet/server/http_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <list>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "server/request.h"
#include "server/tcp_listener.h"

namespace kubelet::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Socket = asio::generic::stream_protocol::socket;
constexpr uint32_t kHeaderLimit = 64 * 1024;
constexpr uint64_t kBodyLimit = 4 * 1024;

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  struct Connection;
  // In order of their coming here: the first has waited longest.
  using Connections = std::list<Connection*>;

  State(asio::io_context& i, base::Clock& c, Options o, Handler h, LateHandler l)
      : io(i),
        clock(c),
        options(std::move(o)),
        handler(std::move(h)),
        late(std::move(l)),
        acceptor(i) {}
  asio::io_context& io;
  base::Clock& clock;
  Options options;
  Handler handler;
  LateHandler late;
  Acceptor acceptor;
  // Every connection is in one: a request is to come, is being answered, the client takes the
  // answer.
  Connections reading, answering, writing;
  int connections = 0;
  bool stopped = false;
  uint16_t port = 0;

  void Accept();
  bool MakeRoom();
};

// Callbacks rather than a coroutine keep it to one small allocation.
struct HttpServer::State::Connection : std::enable_shared_from_this<Connection> {
  Connection(Socket s, std::shared_ptr<State> owner)
      : socket(std::move(s)), server(std::move(owner)) {
    ++server->connections;
    list = &server->reading;
    place = list->insert(list->end(), this);
  }
  ~Connection() {
    server->clock.Cancel(timer);
    list->erase(place);
    --server->connections;
  }

  void MoveTo(Connections& other) {
    other.splice(other.end(), *list, place);
    list = &other;
  }
  // What waits for the socket ends, and the connection with it.
  void Close() {
    MoveTo(server->answering);
    boost::system::error_code ignored;
    socket.close(ignored);
  }

  void Read() {
    MoveTo(server->reading);
    counted.reset();
    parser.emplace();
    parser->header_limit(kHeaderLimit);
    parser->body_limit(kBodyLimit);
    server->clock.Cancel(timer);
    timer = server->clock.After(server->options.idle, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->Close();
    });
    http::async_read(
        socket, buffer, *parser,
        [self = shared_from_this()](boost::system::error_code ec, size_t) { self->Answer(ec); });
  }

  bool Allowed(const Request& asked) const {
    const auto& posts = server->options.posts;
    return asked.method == "GET" || asked.method == "HEAD" ||
           (asked.method == "POST" &&
            std::find(posts.begin(), posts.end(), asked.path) != posts.end());
  }

  // As Go's ParseForm: what the body says goes before the query.
  void TakeForm(Request& asked) const {
    std::string type(parser->get()[http::field::content_type]);
    if (asked.method != "POST" ||
        type.substr(0, type.find(';')) != "application/x-www-form-urlencoded")
      return;
    for (auto& [name, value] : ParseQuery(parser->get().body())) {
      asked.query[name] = value;
      asked.parameters.emplace_back(name, value);
    }
  }

  void Answer(boost::system::error_code ec) {
    MoveTo(server->answering);
    if (ec && ec != http::error::body_limit && ec != http::error::header_limit) return;
    response = {};
    const auto& request = parser->get();
    Request asked =
        ParseTarget(std::string(request.method_string()), std::string(request.target()));
    if (server->options.metrics && !server->stopped)
      counted.emplace(*server->options.metrics, asked.method, asked.path);
    Response out;
    if (ec) {
      out = {ec == http::error::header_limit ? 431 : 413, "text/plain; charset=utf-8",
             "request too large\n"};
    } else if (!Allowed(asked)) {
      out = {405, "text/plain; charset=utf-8", "method not allowed\n"};
    } else {
      asked.accept = std::string(request[http::field::accept]);
      TakeForm(asked);
      auto respond = [self = shared_from_this()](Response answer) {
        self->Reply({}, std::move(answer));
      };
      if (server->late && server->late(asked, respond)) return;
      out = server->handler(asked);
    }
    Reply(ec, std::move(out));
  }

  void Reply(boost::system::error_code ec, Response out) {
    MoveTo(server->writing);
    const auto& request = parser->get();
    bool keep = !ec && request.keep_alive();
    response.version(11);
    response.result(static_cast<unsigned>(out.code));
    response.set(http::field::content_type, out.content_type);
    for (const auto& [name, value] : out.headers) response.set(name, value);
    if (out.code == 200) response.set("X-Content-Type-Options", "nosniff");
    bool only_head = !ec && request.method() == http::verb::head;
    if (out.pieces) {
      SendPieces(std::move(out.pieces), keep && request.version() >= 11, only_head);
      return;
    }
    response.keep_alive(keep);
    response.body() = std::move(out.body);
    response.prepare_payload();
    if (only_head) response.body().clear();
    http::async_write(socket, response,
                      [self = shared_from_this(), keep](boost::system::error_code error, size_t) {
                        if (!error && keep) self->Read();
                      });
  }

  // A client of HTTP/1.0 sees by the end of the connection that this was all.
  void SendPieces(base::TextPieces all, bool keep, bool only_head) {
    bool chunked = parser->get().version() >= 11;
    response.keep_alive(keep);
    response.chunked(chunked);
    header.emplace(response);
    http::async_write_header(socket, *header,
                             [self = shared_from_this(), all = std::move(all), keep, chunked,
                              only_head](boost::system::error_code error, size_t) mutable {
                               self->header.reset();
                               if (error) return;
                               if (only_head) return self->Sent(keep);
                               self->SendPiece(std::move(all), keep, chunked);
                             });
  }
  void SendPiece(base::TextPieces all, bool keep, bool chunked) {
    bool more = all(piece);
    if (!more && !chunked) return Sent(keep);
    auto next = [self = shared_from_this(), all = std::move(all), keep, chunked, more](
                    boost::system::error_code error, size_t) mutable {
      if (error) return;
      if (!more) return self->Sent(keep);
      self->SendPiece(std::move(all), keep, chunked);
    };
    if (!more) {
      asio::async_write(socket, http::make_chunk_last(), std::move(next));
    } else if (chunked) {
      asio::async_write(socket, http::make_chunk(asio::buffer(piece)), std::move(next));
    } else {
      asio::async_write(socket, asio::buffer(piece), std::move(next));
    }
  }
  void Sent(bool keep) {
    piece = {};
    if (keep) Read();
  }

  Socket socket;
  std::shared_ptr<State> server;
  Connections* list;
  Connections::iterator place;
  std::optional<HttpMetrics::Request> counted;
  base::Clock::TimerId timer{};
  boost::beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  http::response<http::string_body> response;
  // Of an answer in pieces.
  std::optional<http::response_serializer<http::string_body>> header;
  std::string piece;
};

namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string Decode(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
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
    : state_(std::make_shared<State>(io, clock, std::move(options), std::move(handler),
                                     std::move(late))) {}

HttpServer::~HttpServer() { Stop(); }

absl::Status HttpServer::Start() {
  auto& s = *state_;
  constexpr int kBacklog = 128;
  if (s.options.unix_path.empty()) {
    ASSIGN_OR_RETURN(s.port, ListenTcp(s.acceptor, s.options.address, s.options.port, kBacklog));
    s.Accept();
    return absl::OkStatus();
  }
  boost::system::error_code ec;
  unlink(s.options.unix_path.c_str());
  Acceptor::endpoint_type endpoint(asio::local::stream_protocol::endpoint(s.options.unix_path));
  auto fail = [&](const char* step) {
    boost::system::error_code ignored;
    s.acceptor.close(ignored);
    return absl::UnavailableError("cannot listen on " + s.options.unix_path + ": " + step + ": " +
                                  ec.message());
  };
  s.acceptor.open(endpoint.protocol(), ec);
  if (ec) return fail("socket");
  mode_t mask = umask(0177);
  s.acceptor.bind(endpoint, ec);
  umask(mask);
  if (ec) return fail("bind");
  s.acceptor.listen(kBacklog, ec);
  if (ec) return fail("listen");
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
    if (self->MakeRoom()) std::make_shared<Connection>(std::move(socket), self)->Read();
    self->Accept();
  });
}

// A client that says nothing, or does not take its answer, must not keep others out.
bool HttpServer::State::MakeRoom() {
  if (connections < options.max_connections) return true;
  auto& from = reading.empty() ? writing : reading;
  if (from.empty()) return false;
  from.front()->Close();
  return true;
}

void HttpServer::Stop() {
  state_->stopped = true;
  // The metrics may go before the last connection does.
  for (auto* list : {&state_->reading, &state_->answering, &state_->writing})
    for (auto* connection : *list) connection->counted.reset();
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  if (!state_->options.unix_path.empty()) unlink(state_->options.unix_path.c_str());
}

uint16_t HttpServer::port() const { return state_->port; }

}  // namespace kubelet::server
