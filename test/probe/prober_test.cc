// Probes by gRPC and by command, hooks, a cancelled probe, and the action that a spec stands for.
#include "catch.h"
#include "h2c_server.h"
#include "kubelet/probe/network_prober.h"
#include "loopback.h"
#include "prober_bench.h"

namespace kubelet::probe {
namespace {

Task<void> StoreGet(Task<absl::Status> task, std::optional<absl::Status>* out) {
  *out = co_await std::move(task);
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
