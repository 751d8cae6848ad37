// Connections of probes over real sockets: which address, whose time, what is left in the kernel.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fstream>
#include <list>
#include <sstream>

#include "catch.h"
#include "kubelet/probe/network_prober.h"
#include "loopback.h"
#include "probe/dialog.h"
#include "prober_bench.h"

namespace kubelet::probe {
namespace {

TEST_CASE("a host name with two addresses: the one that refuses is not all there is") {
  Names::Options options;
  options.resolve = [](const std::string&) -> absl::StatusOr<Names::Addresses> {
    return Names::Addresses{boost::asio::ip::make_address("::1"),
                            boost::asio::ip::make_address("127.0.0.1")};
  };
  ProberBench b(options);
  Loopback server(b.io, [&](Loopback::Session& s) {
    if (!Whole(s.in)) return;
    s.Write("HTTP/1.1 200 OK\r\n\r\n");
    s.Close();
  });
  auto action = b.Http(server.port());
  action.host = "web.example";
  CHECK(Text(b.Do(action)) == "success");
  CHECK(Text(b.Do(TcpAction{"web.example", server.port()})) == "success");
  uint16_t port = 0;
  { port = Loopback(b.io).port(); }
  b.Poll();
  CHECK(Text(b.Do(TcpAction{"web.example", port})) ==
        "failure: dial tcp [::1]:" + std::to_string(port) + ": connect: connection refused");
}

Task<void> Dial(Dialog& dialog, std::vector<boost::asio::ip::tcp::endpoint> to, absl::Status* out,
                bool* done) {
  *out = co_await dialog.Connect(std::move(to));
  *done = true;
}

TEST_CASE("an address that does not answer leaves the next its share of the time") {
  ProberBench b;
  Loopback server(b.io);
  // To a full queue of another listener a connection is not made, and not refused either.
  boost::asio::ip::tcp::acceptor full(b.io);
  full.open(boost::asio::ip::tcp::v4());
  full.bind({boost::asio::ip::make_address("127.0.0.1"), 0});
  full.listen(0);
  std::list<boost::asio::ip::tcp::socket> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back(b.io);
    waiting.back().open(boost::asio::ip::tcp::v4());
    waiting.back().native_non_blocking(true);
    auto to = full.local_endpoint();
    (void)::connect(waiting.back().native_handle(), to.data(), static_cast<socklen_t>(to.size()));
  }
  Dialog dialog(b.io.get_executor(), b.clock, 6s);
  absl::Status status = absl::UnknownError("not run");
  bool done = false;
  base::TaskScope scope(b.io.get_executor());
  std::vector<boost::asio::ip::tcp::endpoint> to = {
      full.local_endpoint(), {boost::asio::ip::make_address("127.0.0.1"), server.port()}};
  scope.Spawn("dial", Dial(dialog, to, &status, &done));
  b.Poll();
  CHECK_FALSE(done);
  b.clock.Advance(3s, [&] { b.Poll(); });
  b.Until([&] { return done; });
  CHECK(status == absl::OkStatus());
}

Task<void> Talk(Dialog& dialog, boost::asio::ip::tcp::endpoint to, absl::Status* out,
                std::string* answer, bool* done) {
  std::vector<boost::asio::ip::tcp::endpoint> all(1, to);
  *out = co_await dialog.Connect(std::move(all));
  if (out->ok()) *out = co_await dialog.Send("hello");
  if (out->ok()) {
    auto got = co_await dialog.Receive(answer);
    *out = got.status();
  }
  *done = true;
}

TEST_CASE("a late loop: what we are late ourselves is not taken from the server") {
  for (bool late : {true, false}) {
    ProberBench b;
    Loopback server(b.io);
    // The kernel says when the packet came; here it came at once, and we looked 1.8 s later.
    Dialog::Kernel kernel;
    kernel.since_packet = [](int, bool) { return base::Nanos(0); };
    if (late) kernel.since_packet = [](int, bool) { return base::Nanos(1'800ms); };
    kernel.connected = [](int) { return false; };
    Dialog dialog(b.io.get_executor(), b.clock, 2s, kernel);
    absl::Status status;
    bool done = false;
    std::string answer;
    base::TaskScope scope(b.io.get_executor());
    scope.Spawn("talk", Talk(dialog, {boost::asio::ip::make_address("127.0.0.1"), server.port()},
                             &status, &answer, &done));
    b.io.restart();
    b.io.run_one();  // the packet is on its way
    b.clock.Advance(1'800ms);
    b.Until([&] { return !server.sessions().empty() && server.sessions().back()->in == "hello"; });
    b.clock.Advance(1'900ms, [&] { b.Poll(); });
    server.sessions().back()->Write("hi");
    b.Until([&] { return done; });
    CHECK(status.ok() == late);
    CHECK(answer == (late ? "hi" : ""));
  }
}

TEST_CASE("tcp: connecting is all") {
  ProberBench b;
  Loopback server(b.io);
  CHECK(Text(b.Do(TcpAction{"127.0.0.1", server.port()})) == "success");
  uint16_t port = 0;
  { port = Loopback(b.io).port(); }
  b.Poll();
  CHECK(Text(b.Do(TcpAction{"127.0.0.1", port})) ==
        "failure: dial tcp 127.0.0.1:" + std::to_string(port) + ": connect: connection refused");
}

// What the kernel holds in TIME_WAIT of connections to this port.
int TimeWaits(uint16_t port) {
  std::ifstream in("/proc/net/tcp");
  std::string line;
  char hex[8];
  std::snprintf(hex, sizeof hex, ":%04X", port);
  int n = 0;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state;
    words >> number >> local >> remote >> state;
    if (state == "06" && (local.ends_with(hex) || remote.ends_with(hex))) ++n;
  }
  return n;
}

TEST_CASE("probes leave nothing in TIME_WAIT, whoever closes first") {
  for (bool server_closes : {true, false}) {
    ProberBench b;
    Loopback server(b.io, [&](Loopback::Session& s) {
      if (!Whole(s.in)) return;
      s.Write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      if (server_closes) s.Close();
    });
    for (int i = 0; i < 50; ++i) {
      REQUIRE(Text(b.Do(b.Http(server.port()))) == "success");
      REQUIRE(Text(b.Do(TcpAction{"127.0.0.1", server.port()})) == "success");
    }
    b.Poll();
    CHECK(TimeWaits(server.port()) <= 5);
  }
}

}  // namespace
}  // namespace kubelet::probe
