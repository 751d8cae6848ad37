// Probes over real sockets. The clock is turned by hand, the servers answer when the loop is
// polled.
#include <netinet/tcp.h>

#include <fstream>
#include <list>
#include <sstream>

#include "catch.h"
#include "fakes/certificates.h"
#include "fakes/http2_server.h"
#include "h2c_server.h"
#include "kubelet/probe/network_prober.h"
#include "loopback.h"
#include "probe/dialog.h"

namespace kubelet::probe {
namespace {

using namespace std::chrono_literals;
using base::Task;

// Exec alone, as scripted.
class Runtime : public runtime::ContainerRuntime {
 public:
  std::deque<absl::StatusOr<runtime::ExecResult>> answers;
  std::vector<std::vector<std::string>> commands;
  std::chrono::seconds timeout{0};
  std::optional<base::Promise<bool>> gate;
  int running = 0, most = 0;

  Task<absl::StatusOr<runtime::ExecResult>> ExecSync(runtime::ContainerId,
                                                     std::vector<std::string> command,
                                                     std::chrono::seconds t) override {
    commands.push_back(command);
    timeout = t;
    most = std::max(most, ++running);
    if (gate) {
      auto wait = *gate;
      gate.reset();
      co_await wait.Get();
    }
    --running;
    if (answers.empty()) co_return runtime::ExecResult();
    auto answer = answers.front();
    answers.pop_front();
    co_return answer;
  }

  template <typename T>
  static Task<absl::StatusOr<T>> No() {
    co_return absl::UnimplementedError("not here");
  }
  static Task<absl::Status> NoStatus() { co_return absl::UnimplementedError("not here"); }
  Task<absl::StatusOr<runtime::RuntimeVersion>> Version() override {
    return No<runtime::RuntimeVersion>();
  }
  Task<absl::StatusOr<runtime::RuntimeStatus>> Status() override {
    return No<runtime::RuntimeStatus>();
  }
  Task<absl::StatusOr<runtime::CgroupDriver>> RuntimeConfig() override {
    return No<runtime::CgroupDriver>();
  }
  Task<absl::Status> UpdateRuntimeConfig(std::string) override { return NoStatus(); }
  Task<absl::Status> UpdatePodSandboxResources(runtime::SandboxId, runtime::LinuxResources,
                                               runtime::LinuxResources) override {
    return NoStatus();
  }
  Task<absl::StatusOr<runtime::SandboxId>> RunPodSandbox(runtime::SandboxConfig) override {
    return No<runtime::SandboxId>();
  }
  Task<absl::Status> StopPodSandbox(runtime::SandboxId) override { return NoStatus(); }
  Task<absl::Status> RemovePodSandbox(runtime::SandboxId) override { return NoStatus(); }
  Task<absl::StatusOr<runtime::SandboxStatus>> PodSandboxStatus(runtime::SandboxId) override {
    return No<runtime::SandboxStatus>();
  }
  Task<absl::StatusOr<std::vector<runtime::Sandbox>>> ListPodSandbox(std::string) override {
    return No<std::vector<runtime::Sandbox>>();
  }
  Task<absl::StatusOr<runtime::ContainerId>> CreateContainer(runtime::SandboxId,
                                                             runtime::ContainerConfig,
                                                             runtime::SandboxConfig) override {
    return No<runtime::ContainerId>();
  }
  Task<absl::Status> StartContainer(runtime::ContainerId) override { return NoStatus(); }
  Task<absl::Status> StopContainer(runtime::ContainerId, std::chrono::seconds) override {
    return NoStatus();
  }
  Task<absl::Status> RemoveContainer(runtime::ContainerId) override { return NoStatus(); }
  Task<absl::StatusOr<std::vector<runtime::Container>>> ListContainers(std::string) override {
    return No<std::vector<runtime::Container>>();
  }
  Task<absl::StatusOr<runtime::ContainerStatus>> GetContainerStatus(runtime::ContainerId) override {
    return No<runtime::ContainerStatus>();
  }
  Task<absl::Status> UpdateContainerResources(runtime::ContainerId,
                                              runtime::LinuxResources) override {
    return NoStatus();
  }
  Task<absl::Status> ReopenContainerLog(runtime::ContainerId) override { return NoStatus(); }
  Task<absl::StatusOr<std::string>> ExecUrl(runtime::ContainerId, std::vector<std::string>,
                                            StreamOptions) override {
    return No<std::string>();
  }
  Task<absl::StatusOr<std::string>> AttachUrl(runtime::ContainerId, StreamOptions) override {
    return No<std::string>();
  }
  Task<absl::StatusOr<std::string>> PortForwardUrl(runtime::SandboxId,
                                                   std::vector<int32_t>) override {
    return No<std::string>();
  }
  Task<absl::Status> StreamEvents(std::function<void()>,
                                  std::function<void(const runtime::RuntimeEvent&)>) override {
    return NoStatus();
  }
};

Task<void> Store(Task<Outcome> task, std::optional<Outcome>* out) {
  *out = co_await std::move(task);
}
Task<void> StoreGet(Task<absl::Status> task, std::optional<absl::Status>* out) {
  *out = co_await std::move(task);
}

struct ProberBench {
  explicit ProberBench(Names::Options names = {}) : options(With(std::move(names))) {}
  static NetworkProber::Options With(Names::Options names) {
    NetworkProber::Options options;
    options.names = std::move(names);
    return options;
  }
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  Runtime runtime;
  NetworkProber::Options options;
  NetworkProber prober{{io.get_executor(), clock, pool, runtime}, options};
  std::unique_ptr<runtime::HookHttp> hooks = MakeHookHttp(io.get_executor(), clock, prober.names());
  std::optional<Outcome> outcome;
  base::TaskScope scope{io.get_executor()};

  void Begin(Action action, std::chrono::seconds timeout = 1s) {
    outcome.reset();
    scope.Spawn("probe", Store(prober.Run(std::move(action), timeout), &outcome));
  }
  // Runs the loop until `done`; packets on loopback need no time, a lookup on the pool does.
  template <typename F>
  void Until(F done) {
    io.restart();
    for (int i = 0; i < 2000 && !done(); ++i) io.run_one_for(10ms);
    REQUIRE(done());
  }
  void Poll() {
    io.restart();
    while (io.run_one_for(5ms) > 0) {
    }
  }
  Outcome Do(Action action) {
    Begin(std::move(action));
    Until([this] { return outcome.has_value(); });
    return *outcome;
  }
  HttpAction Http(uint16_t port, const std::string& path = "/") {
    HttpAction action;
    action.host = "127.0.0.1";
    action.port = port;
    action.path = path;
    return action;
  }
};

std::string Text(const Outcome& outcome) {
  static const char* const kNames[] = {"success", "warning", "failure", "unknown"};
  return std::string(kNames[static_cast<int>(outcome.result)]) +
         (outcome.message.empty() ? "" : ": ") + outcome.message;
}

std::string Replace(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

bool Whole(const std::string& request) { return request.find("\r\n\r\n") != std::string::npos; }

TEST_CASE("http: what the answers mean") {
  struct Row {
    const char *answer, *outcome;  // @ is the server's address
    bool closes = true;
  };
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "success"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "success", false},
      {"HTTP/1.1 399 Odd\r\nContent-Length: 0\r\n\r\n",
       "warning: Probe terminated redirects, Response body: "},
      {"HTTP/1.1 400 Bad\r\n\r\nsecret", "failure: HTTP probe failed with statuscode: 400"},
      {"HTTP/1.1 500 Oops\r\n\r\n", "failure: HTTP probe failed with statuscode: 500"},
      {"HTTP/1.1 101 Switching\r\n\r\n", "failure: HTTP probe failed with statuscode: 101"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "unknown: unexpected EOF"},
      {"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nhalf", "unknown: unexpected EOF"},
      {"", "failure: Get \"http://@/\": EOF"},
      {"HTTP/1.1 2", "failure: Get \"http://@/\": unexpected EOF"},
      {"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/x\r\n\r\nmoved",
       "warning: Probe terminated redirects, Response body: moved"},
      {"HTTP/1.1 302 Found\r\n\r\nmoved",
       "warning: Probe terminated redirects, Response body: moved"},
  };
  for (const auto& row : rows) {
    INFO(row.answer);
    ProberBench b;
    Loopback server(b.io, [&](Loopback::Session& s) {
      if (!Whole(s.in)) return;
      s.Write(row.answer);
      if (row.closes) s.Close();
    });
    std::string want = Replace(row.outcome, "@", "127.0.0.1:" + std::to_string(server.port()));
    CHECK(Text(b.Do(b.Http(server.port()))) == want);
  }
}

TEST_CASE("http: the request, and redirects within the host") {
  ProberBench b;
  std::vector<std::string> asked;
  Loopback server(b.io, [&](Loopback::Session& s) {
    if (!Whole(s.in)) return;
    asked.push_back(s.in);
    std::string port = std::to_string(server.port());
    std::string location = asked.size() == 1 ? "/second?x" : "http://127.0.0.1:" + port + "/third";
    s.Write(asked.size() < 3 ? "HTTP/1.1 301 Moved\r\nLocation: " + location + "\r\n\r\n"
                             : "HTTP/1.1 200 OK\r\n\r\n");
    s.Close();
  });
  auto action = b.Http(server.port(), "/first");
  action.headers = {{"Host", "web"}, {"X-Test", "1"}};
  CHECK(Text(b.Do(action)) == "success");
  REQUIRE(asked.size() == 3);
  CHECK(asked[0] ==
        "GET /first HTTP/1.1\r\nHost: web\r\nUser-Agent: kube-probe/1.36\r\nAccept: "
        "*/*\r\nConnection: close\r\nX-Test: 1\r\n\r\n");
  CHECK(asked[1].find("GET /second?x HTTP/1.1\r\nHost: web\r\n") == 0);
  CHECK(asked[2].find("GET /third HTTP/1.1\r\nHost: 127.0.0.1:") == 0);
}

TEST_CASE("http: redirects in a circle end") {
  ProberBench b;
  int asked = 0;
  Loopback server(b.io, [&](Loopback::Session& s) {
    if (!Whole(s.in)) return;
    ++asked;
    s.Write("HTTP/1.1 307 Again\r\nLocation: /round\r\n\r\n");
    s.Close();
  });
  CHECK(Text(b.Do(b.Http(server.port()))) == "failure: Get \"/round\": stopped after 10 redirects");
  CHECK(asked == 10);
}

TEST_CASE("http: nobody listens, by address and by name, IPv6") {
  ProberBench b;
  uint16_t port = 0;
  { port = Loopback(b.io).port(); }
  b.Poll();
  std::string at = "127.0.0.1:" + std::to_string(port);
  CHECK(Text(b.Do(b.Http(port))) ==
        "failure: Get \"http://" + at + "/\": dial tcp " + at + ": connect: connection refused");
  auto action = b.Http(port);
  action.host = "localhost";
  CHECK(Text(b.Do(action)).find("connect: connection refused") != std::string::npos);
  action.host = "no such host";
  CHECK(Text(b.Do(action)).find("dial tcp: lookup no such host: ") != std::string::npos);
  Loopback v6(
      b.io,
      [&](Loopback::Session& s) {
        s.Write("HTTP/1.1 200 OK\r\n\r\n");
        s.Close();
      },
      "::1");
  action.host = "::1";
  action.port = v6.port();
  CHECK(Text(b.Do(action)) == "success");
}

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

TEST_CASE("http: the timeout counts from the request on") {
  ProberBench b;
  Loopback server(b.io);
  b.Begin(b.Http(server.port()), 3s);
  b.Until([&] { return !server.sessions().empty() && Whole(server.sessions().back()->in); });
  b.clock.Advance(2'999ms, [&] { b.Poll(); });
  CHECK_FALSE(b.outcome);
  b.clock.Advance(1ms, [&] { b.Poll(); });
  b.Until([&] { return b.outcome.has_value(); });
  CHECK(Text(*b.outcome) ==
        "failure: Get \"http://127.0.0.1:" + std::to_string(server.port()) +
            "/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
}

TEST_CASE("http: a body that does not come is asked for three times and then says nothing") {
  ProberBench b;
  Loopback server(b.io, [&](Loopback::Session& s) {
    s.Write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow");
  });
  b.Begin(b.Http(server.port()));
  for (int tries = 1; tries <= 3; ++tries) {
    b.Poll();
    CHECK_FALSE(b.outcome);
    CHECK(server.sessions().size() == static_cast<size_t>(tries));
    b.clock.Advance(1s, [&] { b.Poll(); });
  }
  b.Until([&] { return b.outcome.has_value(); });
  CHECK(Text(*b.outcome) ==
        "unknown: context deadline exceeded (Client.Timeout or context cancellation while reading "
        "body)");
}

TEST_CASE("a late loop: the answer was there in time, so the probe has not failed") {
  ProberBench b;
  Loopback server(b.io);
  b.Begin(b.Http(server.port()));
  b.Until([&] { return !server.sessions().empty() && Whole(server.sessions().back()->in); });
  server.sessions().back()->Write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  // Nobody looks at the sockets for ten seconds; the timer comes first.
  b.clock.Advance(10s);
  b.Until([&] { return b.outcome.has_value(); });
  CHECK(Text(*b.outcome) == "success");
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

TEST_CASE("https: nobody is verified; a server that speaks http is named") {
  ProberBench b;
  fakes::CertificateAuthority ca;
  fakes::CertificateOptions wrong;
  wrong.common_name = "somebody else";
  wrong.valid_until = -std::chrono::minutes(1);
  auto pair = ca.Issue(wrong);
  fakes::HttpServerOptions options;
  options.certificate = pair.certificate;
  options.key = pair.key;
  std::vector<fakes::HttpRequest> asked;
  fakes::HttpServer server(b.io.get_executor(), options, [&](const auto& request, auto responder) {
    asked.push_back(request);
    responder->Reply(request.path == "/bad" ? 503 : 200, "text/plain", std::string(20'000, 'x'));
  });
  auto action = b.Http(server.port(), "/fine");
  action.https = true;
  CHECK(Text(b.Do(action)) == "success");
  action.path = "/bad";
  CHECK(Text(b.Do(action)) == "failure: HTTP probe failed with statuscode: 503");
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].headers.at("user-agent") == "kube-probe/1.36");

  Loopback plain(b.io, [&](Loopback::Session& s) {
    s.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
    s.Close();
  });
  action.port = plain.port();
  std::string at = "127.0.0.1:" + std::to_string(plain.port());
  CHECK(Text(b.Do(action)) ==
        "failure: Get \"https://" + at + "/bad\": http: server gave HTTP response to HTTPS client");
  Loopback garbage(b.io, [&](Loopback::Session& s) { s.Write("SSH-2.0-x\r\n"); });
  action.port = garbage.port();
  CHECK(Text(b.Do(action)).find("\": tls: ") != std::string::npos);
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

TEST_CASE("grpc: health of a service") {
  struct Row {
    const char* what;
    H2cAnswer answer;
    const char* outcome;
  };
  const std::string serving("\0\0\0\0\2\x08\x01", 7), not_serving("\0\0\0\0\2\x08\x02", 7),
      empty("\0\0\0\0\0", 5);
  const Row rows[] = {
      {"serving", {200, "application/grpc", serving, "0", ""}, "success: service healthy"},
      {"serving, with a subtype",
       {200, "application/grpc+proto", serving, "0", ""},
       "success: service healthy"},
      {"not serving",
       {200, "application/grpc", not_serving, "0", ""},
       "failure: service unhealthy (responded with \"NOT_SERVING\")"},
      {"unknown is zero",
       {200, "application/grpc", empty, "0", ""},
       "failure: service unhealthy (responded with \"UNKNOWN\")"},
      {"no such service",
       {200, "application/grpc", "", "5", "unknown%20service"},
       "failure: error: health rpc probe failed: rpc error: code = NotFound desc = unknown "
       "service"},
      {"no health at all",
       {200, "application/grpc", "", "12", "unknown service grpc.health.v1.Health"},
       "failure: error: this server does not implement the grpc health protocol "
       "(grpc.health.v1.Health): unknown service grpc.health.v1.Health"},
      {"too slow by its own account",
       {200, "application/grpc", "", "4", "x"},
       "failure: timeout: health rpc did not complete within 1s"},
      {"not grpc",
       {404, "text/html", "nope", "", ""},
       "failure: error: this server does not implement the grpc health protocol "
       "(grpc.health.v1.Health): unexpected HTTP status code received from server: 404; transport: "
       "received unexpected content-type \"text/html\""},
      {"no trailers",
       {200, "application/grpc", serving, "", ""},
       "failure: error: health rpc probe failed: rpc error: code = Internal desc = server closed "
       "the stream without sending trailers"},
      {"a message that is none",
       {200, "application/grpc", std::string("\0\0\0\0\2\xff\xff", 7), "0", ""},
       "failure: service unhealthy (responded with \"an answer that is no HealthCheckResponse\")"},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    ProberBench b;
    H2cServer h2(row.answer);
    Loopback server(b.io);
    server.on_open = [&](Loopback::SessionPtr session) {
      session->on_bytes = [&h2, s = session.get()](std::string bytes) {
        s->Write(h2.Answer(bytes));
      };
    };
    CHECK(Text(b.Do(GrpcAction{"127.0.0.1", server.port(), "the.service"})) == row.outcome);
    CHECK(h2.headers[":path"] == "/grpc.health.v1.Health/Check");
    CHECK(h2.headers["content-type"] == "application/grpc");
    CHECK(h2.headers["user-agent"] == "kube-probe/1.36");
    CHECK(h2.headers["te"] == "trailers");
    CHECK(h2.body == std::string("\0\0\0\0\x0d\x0a\x0bthe.service", 18));
    server.on_open = nullptr;
    for (const auto& session : server.sessions()) session->on_bytes = nullptr;
  }
}

TEST_CASE("grpc: nobody listens, another protocol, no answer") {
  ProberBench b;
  uint16_t port = 0;
  { port = Loopback(b.io).port(); }
  b.Poll();
  std::string at = "127.0.0.1:" + std::to_string(port);
  CHECK(Text(b.Do(GrpcAction{"127.0.0.1", port, ""})) ==
        "failure: error: failed to connect service at \"" + at + "\": dial tcp " + at +
            ": connect: connection refused");
  Loopback http(b.io, [&](Loopback::Session& s) {
    s.Write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  CHECK(Text(b.Do(GrpcAction{"127.0.0.1", http.port(), ""}))
            .find("failure: error: health rpc probe failed: rpc error: code = Unavailable") == 0);
  Loopback silent(b.io);
  b.Begin(GrpcAction{"127.0.0.1", silent.port(), ""}, 2s);
  b.Poll();
  b.clock.Advance(2s, [&] { b.Poll(); });
  b.Until([&] { return b.outcome.has_value(); });
  CHECK(Text(*b.outcome) == "failure: timeout: health rpc did not complete within 2s");
}

TEST_CASE("exec: exit codes, output, timeouts, errors") {
  auto result = [](int code, std::string out, std::string err) {
    runtime::ExecResult r;
    r.exit_code = code;
    r.stdout_data = std::move(out);
    r.stderr_data = std::move(err);
    return absl::StatusOr<runtime::ExecResult>(r);
  };
  absl::StatusOr<runtime::ExecResult> broken = absl::UnavailableError("runtime is away");
  struct Row {
    std::deque<absl::StatusOr<runtime::ExecResult>> answers;
    std::string outcome;
    size_t calls;
  };
  const Row rows[] = {
      {{result(0, "", "")}, "success", 1},
      {{result(1, "out ", "err")}, "failure: out err", 1},
      {{result(1, std::string(20'000, 'x'), "")}, "failure: " + std::string(10 * 1024, 'x'), 1},
      {{absl::DeadlineExceededError("x")},
       "failure: command timed out: \"sleep 10\" timed out after 5s",
       1},
      {{broken, broken, result(0, "", "")}, "success", 3},
      {{broken, broken, broken, result(0, "", "")}, "unknown: runtime is away", 3},
  };
  for (const auto& row : rows) {
    INFO(row.outcome.substr(0, 80));
    ProberBench b;
    b.runtime.answers = row.answers;
    b.Begin(ExecAction{runtime::ContainerId("id"), {"sleep", "10"}}, 5s);
    b.Until([&] { return b.outcome.has_value(); });
    CHECK(Text(*b.outcome) == row.outcome);
    CHECK(b.runtime.commands.size() == row.calls);
    CHECK(b.runtime.timeout == 5s);
  }
}

TEST_CASE("exec: a few at a time, and one that hangs gives its place up") {
  ProberBench b;
  NetworkProber::Options options;
  options.parallel_execs = 1;
  NetworkProber prober({b.io.get_executor(), b.clock, b.pool, b.runtime}, options);
  base::Promise<bool> gate(b.io.get_executor());
  b.runtime.gate = gate;
  std::optional<Outcome> first, second;
  base::TaskScope scope(b.io.get_executor());
  ExecAction action{runtime::ContainerId("id"), {"true"}};
  scope.Spawn("first", Store(prober.Run(action, 60s), &first));
  b.Poll();
  scope.Spawn("second", Store(prober.Run(action, 60s), &second));
  b.Poll();
  CHECK(b.runtime.commands.size() == 1);
  b.clock.Advance(2s, [&] { b.Poll(); });
  b.Poll();
  CHECK(second.has_value());
  CHECK_FALSE(first.has_value());
  gate.Set(true);
  b.Until([&] { return first.has_value(); });
}

TEST_CASE("hooks: any answer is success; https falls back to http, without the password") {
  ProberBench b;
  std::vector<std::string> asked;
  Loopback server(b.io, [&](Loopback::Session& s) {
    asked.push_back(s.in);
    s.Write("HTTP/1.1 500 Oops\r\n\r\n");
    s.Close();
  });
  runtime::HookHttpRequest request;
  request.host = "127.0.0.1";
  request.port = server.port();
  request.path = "/stop";
  request.headers = {{"Authorization", "Basic x"}};
  bool fell_back = true;
  std::optional<absl::Status> done;
  auto run = [&] {
    done.reset();
    b.scope.Spawn("hook", StoreGet(b.hooks->Get(request, &fell_back), &done));
    b.Until([&] { return done.has_value(); });
  };
  run();
  CHECK(done->ok());
  CHECK_FALSE(fell_back);
  CHECK(asked.back().find("User-Agent: kube-lifecycle/1.36\r\n") != std::string::npos);
  CHECK(asked.back().find("Authorization") != std::string::npos);
  request.https = true;
  run();
  CHECK(done->ok());
  CHECK(fell_back);
  CHECK(asked.back().find("GET /stop HTTP/1.1\r\n") == 0);
  CHECK(asked.back().find("Authorization") == std::string::npos);
  request.port = 1;
  run();
  CHECK(done->message() ==
        "Get \"https://127.0.0.1:1/stop\": dial tcp 127.0.0.1:1: connect: connection refused");
  CHECK_FALSE(fell_back);
}

TEST_CASE("a probe that is cancelled ends quietly") {
  ProberBench b;
  Loopback silent(b.io);
  b.Begin(b.Http(silent.port()), 60s);
  b.Until([&] { return !silent.sessions().empty(); });
  bool stopped = false;
  struct Stop {
    static Task<void> Run(base::TaskScope& scope, bool* stopped) {
      co_await scope.Stop();
      *stopped = true;
    }
  };
  base::TaskScope other(b.io.get_executor());
  other.Spawn("stop", Stop::Run(b.scope, &stopped));
  b.Until([&] { return stopped; });
  CHECK_FALSE(b.outcome);
}

TEST_CASE("ports: numbers, names, and what is neither") {
  api::core::Container container;
  auto* named = container.add_ports();
  named->set_name("http");
  named->set_container_port(8080);
  auto port = [&](int64_t type, int number, const std::string& text) {
    api::intstr::IntOrString value;
    value.set_type(type);
    value.set_int_val(number);
    value.set_str_val(text);
    auto got = ResolvePort(value, container);
    return got.ok() ? static_cast<int>(*got) : -1;
  };
  CHECK(port(0, 80, "") == 80);
  CHECK(port(1, 0, "http") == 8080);
  CHECK(port(1, 0, "9090") == 9090);
  CHECK(port(1, 0, "nope") == -1);
  CHECK(port(0, 0, "") == -1);
  CHECK(port(0, 65536, "") == -1);
}

TEST_CASE("a command knows the literal values of the environment and nothing else") {
  api::core::Container container;
  auto* a = container.add_env();
  a->set_name("A");
  a->set_value("1");
  auto* b = container.add_env();
  b->set_name("B");
  b->mutable_value_from()->mutable_field_ref()->set_field_path("metadata.name");
  api::core::Probe probe;
  for (const char* word : {"$(A)", "x$(B)", "$(C)", "$$(A)"})
    probe.mutable_handler()->mutable_exec()->add_command(word);
  auto action = ResolveAction(probe, container, "10.0.0.1", runtime::ContainerId("id"));
  REQUIRE(action.ok());
  CHECK(std::get<ExecAction>(*action).command ==
        std::vector<std::string>{"1", "x", "$(C)", "$(A)"});
}

}  // namespace
}  // namespace kubelet::probe
