#include "server/tcp_listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "kubelet/server/http_server.h"
#include "server/secure_bench.h"

namespace kubelet::server {
namespace {

namespace asio = boost::asio;
using Socket = asio::generic::stream_protocol::socket;

struct Fd {
  explicit Fd(int f) : fd(f) {}
  ~Fd() { close(fd); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int fd;
};

asio::ip::tcp::endpoint At(const std::string& address, uint16_t port) {
  return {asio::ip::make_address(address), port};
}
int NewSocket(const asio::ip::tcp::endpoint& to) {
  return socket(to.protocol().family(), SOCK_STREAM, 0);
}
bool Connects(int fd, const asio::ip::tcp::endpoint& to) {
  return connect(fd, to.data(), static_cast<socklen_t>(to.size())) == 0;
}
bool Connects(const std::string& address, uint16_t port) {
  auto to = At(address, port);
  Fd client(NewSocket(to));
  return Connects(client.fd, to);
}

bool HasIpv6() {
  auto local = At("::1", 0);
  Fd probe(NewSocket(local));
  return bind(probe.fd, local.data(), static_cast<socklen_t>(local.size())) == 0;
}

struct Listener {
  asio::io_context io{1};
  Acceptor acceptor{io};
  absl::StatusOr<uint16_t> Listen(const std::string& address, uint16_t port = 0) {
    return ListenTcp(acceptor, address, port, 8);
  }
  // What a client that comes from `address` is called.
  std::string NameOf(const std::string& address, uint16_t port) {
    auto to = At(address, port);
    Fd client(NewSocket(to));
    if (!Connects(client.fd, to)) return "cannot connect";
    return RemoteAddress(acceptor.accept());
  }
};

TEST_CASE("an unspecified address takes clients of both families") {
  auto address = GENERATE(std::string("0.0.0.0"), std::string("::"));
  INFO(address);
  if (!HasIpv6()) return;
  Listener listener;
  auto port = listener.Listen(address);
  REQUIRE(port.ok());
  CHECK(listener.NameOf("127.0.0.1", *port) == "127.0.0.1");
  CHECK(listener.NameOf("::1", *port) == "::1");
}

TEST_CASE("any other address is taken as it is") {
  Listener listener;
  auto port = listener.Listen("127.0.0.1");
  REQUIRE(port.ok());
  CHECK(listener.NameOf("127.0.0.1", *port) == "127.0.0.1");
  CHECK_FALSE(Connects("::1", *port));
  CHECK(Listener().Listen("nowhere").status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a port that is taken on one family is not taken for the other alone") {
  Fd taken(socket(AF_INET, SOCK_STREAM, 0));
  auto any = At("0.0.0.0", 0);
  REQUIRE(bind(taken.fd, any.data(), static_cast<socklen_t>(any.size())) == 0);
  REQUIRE(listen(taken.fd, 8) == 0);
  socklen_t size = static_cast<socklen_t>(any.capacity());
  getsockname(taken.fd, any.data(), &size);
  Listener listener;
  CHECK(listener.Listen("0.0.0.0", any.port()).status().code() == absl::StatusCode::kUnavailable);
  CHECK_FALSE(listener.acceptor.is_open());
}

TEST_CASE("both ports are to be had over IPv6 by their default address") {
  if (!HasIpv6()) return;
  SecureServer::Options options;
  SecureBench bench(options, options.address);
  CHECK(Connects("::1", bench.server->port()));
  CHECK(Connects("127.0.0.1", bench.server->port()));
  HttpServer::Options plain;
  plain.address = options.address;
  HttpServer server(bench.io, bench.clock, plain, [](const Request&) { return Response{}; });
  REQUIRE(server.Start().ok());
  CHECK(Connects("::1", server.port()));
  CHECK(Connects("127.0.0.1", server.port()));
}

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(fd, level, name, &value, &size);
  return value;
}

// The other end, in this process, of the connection that comes from `port`.
int ServerEnd(uint16_t port) {
  for (int fd = 3; fd < 1024; ++fd) {
    asio::ip::tcp::endpoint peer;
    socklen_t size = static_cast<socklen_t>(peer.capacity());
    if (getpeername(fd, peer.data(), &size) == 0 && peer.port() == port) return fd;
  }
  return -1;
}

TEST_CASE("a client that is gone without a word is noticed within minutes") {
  SecureBench bench;
  auto to = At("127.0.0.1", bench.server->port());
  Fd client(NewSocket(to));
  REQUIRE(Connects(client.fd, to));
  asio::ip::tcp::endpoint own;
  socklen_t size = static_cast<socklen_t>(own.capacity());
  getsockname(client.fd, own.data(), &size);
  // The last one that the server's thread sets to other than what the system has.
  REQUIRE(
      bench.Until([&] { return Option(ServerEnd(own.port()), IPPROTO_TCP, TCP_KEEPINTVL) == 15; }));
  int fd = ServerEnd(own.port());
  CHECK(Option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(Option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 15);
  CHECK(Option(fd, IPPROTO_TCP, TCP_KEEPCNT) == 9);
}

}  // namespace
}  // namespace kubelet::server
