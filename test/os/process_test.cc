#include "kubelet/os/process.h"

#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using namespace std::chrono_literals;
using test::ReadText;
using test::TempDir;

struct Bench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  TempDir dir;
  std::optional<absl::StatusOr<ProcessResult>> result;
  base::TaskScope scope{io.get_executor()};

  static base::Task<void> Into(base::Task<absl::StatusOr<ProcessResult>> task,
                               std::optional<absl::StatusOr<ProcessResult>>* out) {
    auto value = co_await std::move(task);
    out->emplace(std::move(value));
  }
  void Begin(const std::string& script, ProcessRequest request = {}) {
    request.program = "sh";
    request.args = {"-c", script};
    scope.Spawn("run",
                Into(RunProcess(io.get_executor(), clock, pool, std::move(request)), &result));
  }
  // Other processes say when they are through; nothing is polled but what the loop is told.
  void RunUntil(const std::function<bool()>& done) {
    auto work = boost::asio::make_work_guard(io);
    auto end = std::chrono::steady_clock::now() + 60s;
    io.restart();
    while (!done() && std::chrono::steady_clock::now() < end) io.run_one_for(10ms);
    REQUIRE(done());
  }
  absl::StatusOr<ProcessResult> Run(const std::string& script, ProcessRequest request = {}) {
    Begin(script, std::move(request));
    RunUntil([&] { return result.has_value(); });
    return *std::exchange(result, std::nullopt);
  }
  std::string File(const std::string& name) { return dir / name; }
};

TEST_CASE("input, output, errors, arguments, environment and exit code of a program") {
  Bench bench;
  ProcessRequest request;
  request.input = "given";
  request.environment = {"NAME=value", "HOME=/nowhere"};
  auto result =
      bench.Run("cat; cat /dev/stdin; echo \" $NAME $HOME\"; echo wrong >&2; exit 7", request);
  REQUIRE(result.ok());
  CHECK(result->out == "givengiven value /nowhere\n");  // a file: whoever opens it anew reads all of it
  CHECK(result->err == "wrong\n");
  CHECK(result->exit_code == 7);
  CHECK(bench.Run("kill -9 $$")->exit_code == 137);
  request.input = std::string(1 << 20, 'x');
  CHECK(bench.Run("exit 0", request)->exit_code == 0);  // not read at all
}

TEST_CASE("a program that is not there") {
  Bench bench;
  ProcessRequest request;
  request.program = bench.File("absent");
  bench.scope.Spawn(
      "run", Bench::Into(RunProcess(bench.io.get_executor(), bench.clock, bench.pool, request),
                         &bench.result));
  bench.RunUntil([&] { return bench.result.has_value(); });
  CHECK(absl::IsNotFound(bench.result->status()));
}

bool Gone(const std::string& pid) { return ::kill(std::stoi(pid), 0) != 0 && errno == ESRCH; }

TEST_CASE("a program that outlasts its time is killed with what it started") {
  Bench bench;
  bench.Begin("sleep 1000 & echo $! > " + bench.File("half") + "; mv " + bench.File("half") + " " +
              bench.File("pid") + "; wait");
  bench.RunUntil([&] { return !ReadText(bench.File("pid")).empty(); });
  bench.clock.Advance(59s, [&] { bench.io.poll(); });
  CHECK_FALSE(bench.result.has_value());
  bench.clock.Advance(2s, [&] { bench.io.poll(); });
  bench.RunUntil([&] { return bench.result.has_value(); });
  CHECK(absl::IsDeadlineExceeded(bench.result->status()));
}

TEST_CASE("one that stays behind with the pipes is not waited for") {
  Bench bench;
  auto result = bench.Run("sleep 1000 & echo $!");
  REQUIRE(result.ok());
  CHECK_FALSE(Gone(result->out));
  ::kill(std::stoi(result->out), SIGKILL);
}

TEST_CASE("a program that prints without end is stopped") {
  Bench bench;
  ProcessRequest request;
  request.max_output = 1000;
  CHECK(absl::IsResourceExhausted(
      bench.Run("while :; do echo xxxxxxxxxxxxxxxx; done", request).status()));
  auto errors = bench.Run("head -c 100000 /dev/zero >&2; echo end >&2", request);
  REQUIRE(errors.ok());
  CHECK(errors->err.size() == 4096);
  CHECK(errors->err.substr(4092) == "end\n");
}

TEST_CASE("a task that is cancelled takes its program along") {
  Bench bench;
  bench.Begin("echo $$ > " + bench.File("half") + "; mv " + bench.File("half") + " " +
              bench.File("pid") + "; sleep 1000 & wait");
  bench.RunUntil([&] { return !ReadText(bench.File("pid")).empty(); });
  bool stopped = false;
  auto stop = [](base::TaskScope* scope, bool* done) -> base::Task<void> {
    co_await scope->Stop();
    *done = true;
  };
  base::TaskScope other(bench.io.get_executor());
  other.Spawn("stop", stop(&bench.scope, &stopped));
  bench.RunUntil([&] { return stopped; });
  std::string pid = ReadText(bench.File("pid"));
  bench.RunUntil([&] { return Gone(pid); });
}

}  // namespace
}  // namespace kubelet::os
