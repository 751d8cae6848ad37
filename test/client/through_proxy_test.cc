// The client and its server with a proxy between them: by HTTP, by HTTPS, by SOCKS5.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "bench.h"

using namespace kubelet;
using namespace kubelet::client;
namespace asio = boost::asio;

namespace {

bool Says(const absl::Status& status, const std::string& text) {
  return base::Message(status).find(text) != std::string::npos;
}

constexpr auto kDone = asio::as_tuple(asio::use_awaitable);

// Carries bytes one way until either end is done.
template <typename From, typename To>
base::Task<void> Pump(std::shared_ptr<From> from, std::shared_ptr<To> to) {
  std::string chunk(4096, '\0');
  for (;;) {
    auto got = co_await from->async_read_some(asio::buffer(chunk), kDone);
    if (std::get<0>(got)) break;
    auto part = asio::buffer(chunk.data(), std::get<1>(got));
    auto sent = co_await asio::async_write(*to, part, kDone);
    if (std::get<0>(sent)) break;
  }
  boost::system::error_code ignored;
  to->lowest_layer().close(ignored);
}

// A proxy that knows CONNECT, or SOCKS5 with a password, and one upstream, whatever name it is
// asked for.
struct ConnectProxy {
  ConnectProxy(base::Executor executor, uint16_t to)
      : acceptor(executor, {asio::ip::address_v4::loopback(), 0}), to(to), scope(executor) {
    scope.Spawn("accept", Accept());
  }
  using Socket = asio::ip::tcp::socket;
  std::string port() const { return std::to_string(acceptor.local_endpoint().port()); }

  base::Task<void> Accept() {
    for (;;) {
      auto socket = std::make_shared<Socket>(acceptor.get_executor());
      auto accepted = co_await acceptor.async_accept(*socket, kDone);
      if (std::get<0>(accepted)) co_return;
      scope.Spawn("serve", Serve(socket));
    }
  }
  // Reads `n` bytes, writes the reply.
  base::Task<void> Step(std::shared_ptr<Socket> socket, size_t n, std::string reply) {
    std::string got(n, '\0');
    co_await asio::async_read(*socket, asio::buffer(got), asio::use_awaitable);
    heads.push_back(got);
    co_await asio::async_write(*socket, asio::buffer(reply), asio::use_awaitable);
  }
  base::Task<void> ServeSocks(std::shared_ptr<Socket> socket) {
    co_await Step(socket, 3, std::string("\x05\x02", 2));
    co_await Step(socket, 3 + std::string("userpa:ss").size(), std::string("\x01\x00", 2));
    co_await Step(socket, 4 + 1 + std::string("api.test").size() + 2, answer);
    if (answer[1] == 0) co_await Forward(socket);
  }
  base::Task<void> Serve(std::shared_ptr<Socket> socket) {
    if (socks) {
      co_await ServeSocks(socket);
      co_return;
    }
    std::string head;
    co_await asio::async_read_until(*socket, asio::dynamic_buffer(head), "\r\n\r\n",
                                    asio::use_awaitable);
    heads.push_back(head);
    co_await asio::async_write(*socket, asio::buffer(answer), asio::use_awaitable);
    if (answer.find(" 200 ") != std::string::npos) co_await Forward(socket);
  }
  base::Task<void> Forward(std::shared_ptr<Socket> socket) {
    auto other = std::make_shared<Socket>(acceptor.get_executor());
    asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(), to);
    co_await other->async_connect(endpoint, asio::use_awaitable);
    scope.Spawn("to", Pump(socket, other));
    scope.Spawn("from", Pump(other, socket));
  }
  asio::ip::tcp::acceptor acceptor;
  uint16_t to;
  bool socks = false;
  std::string answer = "HTTP/1.1 200 OK\r\n\r\n";
  std::vector<std::string> heads;
  base::TaskScope scope;
};

// TLS in front of a proxy.
struct TlsFront {
  using Tls = asio::ssl::stream<asio::ip::tcp::socket>;
  TlsFront(ConnectProxy& proxy, const fakes::KeyPair& pair)
      : proxy(proxy),
        acceptor(proxy.acceptor.get_executor(), {asio::ip::address_v4::loopback(), 0}),
        scope(proxy.acceptor.get_executor()) {
    context.use_certificate_chain(asio::buffer(pair.certificate));
    context.use_private_key(asio::buffer(pair.key), asio::ssl::context::pem);
    scope.Spawn("accept", Accept());
  }
  std::string port() const { return std::to_string(acceptor.local_endpoint().port()); }

  base::Task<void> Accept() {
    for (;;) {
      auto tls = std::make_shared<Tls>(acceptor.get_executor(), context);
      auto accepted = co_await acceptor.async_accept(tls->lowest_layer(), kDone);
      if (std::get<0>(accepted)) co_return;
      scope.Spawn("serve", Serve(tls));
    }
  }
  base::Task<void> Serve(std::shared_ptr<Tls> tls) {
    auto shaken = co_await tls->async_handshake(asio::ssl::stream_base::server, kDone);
    if (std::get<0>(shaken)) co_return;
    auto plain = std::make_shared<asio::ip::tcp::socket>(acceptor.get_executor());
    co_await plain->async_connect(proxy.acceptor.local_endpoint(), asio::use_awaitable);
    scope.Spawn("to", Pump(tls, plain));
    scope.Spawn("from", Pump(plain, tls));
  }
  ConnectProxy& proxy;
  asio::ssl::context context{asio::ssl::context::tls_server};
  asio::ip::tcp::acceptor acceptor;
  base::TaskScope scope;
};

// A server behind a proxy, which needs the server's port; the client needs the proxy's and starts
// last.
struct Proxied {
  explicit Proxied(std::string pod = "x") {
    bench.config.server = "https://api.test:6443";
    server = std::make_unique<fakes::HttpServer>(
        bench.io.get_executor(), bench.server_options,
        [pod](const fakes::HttpRequest&, fakes::ResponderPtr r) { HttpBench::ReplyPod(r, pod); });
    proxy = std::make_unique<ConnectProxy>(bench.io.get_executor(), server->port());
  }
  void Start(const std::string& proxy_url) {
    bench.config.proxy_url = proxy_url;
    bench.Start();
  }
  absl::Status Get() { return bench.Do(HttpBench::GetPod("x")).status; }
  void CheckConnected() const {
    REQUIRE(proxy->heads.size() == 1);
    CHECK(proxy->heads[0].find("CONNECT api.test:6443 HTTP/1.1\r\nHost: api.test:6443\r\n") == 0);
    CHECK(proxy->heads[0].find("Proxy-Authorization: Basic dXNlcjpwYTpzcw==\r\n") !=
          std::string::npos);
  }
  HttpBench bench;
  std::unique_ptr<fakes::HttpServer> server;
  std::unique_ptr<ConnectProxy> proxy;
};

}  // namespace

TEST_CASE("through a proxy by https: TLS with the server within TLS with the proxy") {
  bool large = GENERATE(false, true);
  Proxied p(large ? std::string(200'000, 'x') : "x");
  SECTION("trusted") {
    TlsFront front(*p.proxy, ServerPair(std::chrono::hours(1), "IP:127.0.0.1"));
    p.Start("https://user:pa%3Ass@127.0.0.1:" + front.port());
    CHECK(p.Get() == absl::OkStatus());
    p.CheckConnected();
  }
  SECTION("its certificate is for another") {
    TlsFront front(*p.proxy, ServerPair(std::chrono::hours(1), "DNS:api.test"));
    p.Start("https://127.0.0.1:" + front.port());
    auto status = p.Get();
    CHECK(status.code() == absl::StatusCode::kUnavailable);
    CHECK(Says(status, "proxy 127.0.0.1:" + front.port()));
    CHECK(Says(status, "valid for api.test, not 127.0.0.1"));
    CHECK(p.proxy->heads.empty());
  }
  SECTION("it speaks no TLS") {
    p.proxy->answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    p.bench.options.dial_timeout = std::chrono::milliseconds(300);
    p.Start("https://127.0.0.1:" + p.proxy->port());
    CHECK(Says(p.Get(), "proxy 127.0.0.1:" + p.proxy->port()));
  }
}

TEST_CASE("through a proxy: CONNECT with its credentials, TLS with the server behind it") {
  Proxied p;
  p.Start("http://user:pa%3Ass@127.0.0.1:" + p.proxy->port());
  SECTION("it lets us") {
    CHECK(p.Get() == absl::OkStatus());
    p.CheckConnected();
  }
  SECTION("it does not") {
    p.proxy->answer = "HTTP/1.1 403 Forbidden\r\n\r\n";
    auto status = p.Get();
    CHECK(status.code() == absl::StatusCode::kUnavailable);
    CHECK(Says(status, "proxy: CONNECT api.test:6443: 403 Forbidden"));
  }
  SECTION("it is not there") {
    p.proxy->acceptor.close();
    CHECK(Says(p.Get(), "proxy 127.0.0.1:"));
  }
}

TEST_CASE("through a SOCKS5 proxy, which looks the name up") {
  Proxied p;
  p.proxy->socks = true;
  p.Start("socks5://user:pa%3Ass@127.0.0.1:" + p.proxy->port());
  SECTION("it lets us") {
    p.proxy->answer = std::string("\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00", 10);
    CHECK(p.Get() == absl::OkStatus());
    REQUIRE(p.proxy->heads.size() == 3);
    CHECK(p.proxy->heads[1] == "\x01\x04user\x05pa:ss");
    CHECK(p.proxy->heads[2] == std::string("\x05\x01\x00\x03\x08", 5) + "api.test\x19\x2b");
  }
  SECTION("it does not") {
    p.proxy->answer = std::string("\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", 10);
    CHECK(Says(p.Get(), "proxy: SOCKS5: not allowed"));
  }
}
