#include "kubelet/client/api_queue.h"

#include "client/loop.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;

absl::Status Answered(int code) {
  ApiError error;
  error.code = code;
  return ToStatus(error);
}

struct Bench : test::ApiLoop {
  std::vector<std::string> begun;
  std::map<std::string, ApiQueue::Result> results;  // else OK, asked
  std::map<std::string, base::Nanos> takes;
  int running = 0, most = 0;
  ApiQueue queue;

  explicit Bench(ApiQueue::Options options = {})
      : queue({io.get_executor(), clock, [] { return 0.0; }}, options,
              [this](std::string key) { return Work(std::move(key)); }) {}
  base::Task<ApiQueue::Result> Work(std::string key) {
    begun.push_back(key);
    most = std::max(most, ++running);
    if (takes.contains(key)) co_await base::SleepFor(clock, takes[key]);
    --running;
    ApiQueue::Result result;
    result.asked = true;
    if (results.contains(key)) result = results[key];
    co_return result;
  }
  int Count(const std::string& key) {
    return static_cast<int>(std::count(begun.begin(), begun.end(), key));
  }
};

TEST_CASE("queue: a key runs from the loop, once, and again when added meanwhile") {
  Bench bench;
  bench.takes["a"] = 1s;
  bench.queue.Add("a");
  bench.queue.Add("a");
  CHECK(bench.begun.empty());
  bench.Run();
  CHECK(bench.begun.size() == 1);
  bench.queue.Add("a");
  bench.queue.Add("a");
  bench.Advance(10s);
  CHECK(bench.begun.size() == 2);
  CHECK(bench.most == 1);
  CHECK(bench.queue.size() == 0);
}

TEST_CASE("queue: at most so many at once, urgent ones first") {
  ApiQueue::Options options;
  options.parallel = 2;
  Bench bench(options);
  for (const char* key : {"a", "b", "c", "d", "e"}) {
    bench.takes[key] = 1s;
    bench.queue.Add(key);
  }
  bench.queue.Add("e", true);
  bench.Advance(10s);
  CHECK(bench.begun == std::vector<std::string>{"a", "b", "e", "c", "d"});
  CHECK(bench.most == 2);
}

TEST_CASE("queue: what a result means for the next try") {
  struct Row {
    absl::Status status;
    bool again, within_second;
  };
  auto row = GENERATE(Row{absl::OkStatus(), false, false},
                      Row{absl::FailedPreconditionError("wait"), false, false},
                      Row{absl::AbortedError("moved"), true, true},
                      Row{absl::DeadlineExceededError("hung"), true, true},
                      Row{absl::UnavailableError("refused"), true, true},
                      Row{Answered(500), true, true}, Row{Answered(403), true, true},
                      Row{Answered(401), true, true}, Row{Answered(422), true, true});
  INFO(row.status);
  Bench bench;
  bench.results["a"] = {row.status, true};
  bench.queue.Add("a");
  bench.Run();
  bench.Advance(450ms);
  CHECK(bench.Count("a") == 1);
  bench.Advance(550ms);
  CHECK((bench.Count("a") > 1) == row.within_second);
  bench.Advance(1min);
  CHECK((bench.Count("a") > 1) == row.again);
  CHECK(bench.queue.size() == (row.again ? 1 : 0));
}

TEST_CASE("queue: refusals back off per key up to the cap, errors of the server do not") {
  Bench bench;
  bench.results["refused"] = {Answered(403), true};
  bench.results["broken"] = {Answered(500), true};
  bench.queue.Add("refused");
  bench.queue.Add("broken");
  bench.Advance(10min);
  CHECK(bench.Count("refused") > 15);
  CHECK(bench.Count("refused") < 30);
  CHECK(bench.Count("broken") > 500);
  // Adding does not shorten it, Hurry does.
  int before = bench.Count("refused");
  bench.queue.Add("refused");
  bench.Run();
  CHECK(bench.Count("refused") == before);
  bench.queue.Hurry("refused");
  bench.Run();
  CHECK(bench.Count("refused") == before + 1);
}

TEST_CASE("queue: a server that is away is asked by one key at a time, in turn") {
  Bench bench;
  bool answers = GENERATE(false, true);
  auto status = answers ? Answered(503) : absl::UnavailableError("refused");
  for (int i = 0; i < 40; ++i) {
    std::string key = "k" + std::to_string(i);
    bench.results[key] = {status, true};
    bench.queue.Add(key);
  }
  bench.Run();
  CHECK_FALSE(bench.queue.reachable());
  size_t first = bench.begun.size();
  CHECK(first == (answers ? 18 : 16));  // two answers do not prove it yet
  bench.Advance(24s);
  CHECK(bench.begun.size() >= first + 46);
  CHECK(bench.begun.size() <= first + 50);
  for (int i = 0; i < 40; ++i) CHECK(bench.Count("k" + std::to_string(i)) >= 1);
  // One of them gets through: all go.
  bench.results.clear();
  bench.begun.clear();
  bench.Advance(1s);
  CHECK(bench.queue.reachable());
  CHECK(bench.begun.size() == 40);
  CHECK(bench.queue.size() == 0);
}

TEST_CASE("queue: one key that the server cannot digest does not hold up the others") {
  Bench bench;
  bench.results["poison"] = {Answered(500), true};
  bench.queue.Add("poison");
  bench.Advance(1min);
  CHECK(bench.Count("poison") > 50);
  CHECK(bench.queue.reachable());
  bench.queue.Add("a");
  bench.Run();
  CHECK(bench.Count("a") == 1);
}

TEST_CASE("queue: nothing is armed while there is nothing to do") {
  Bench bench;
  bench.results["a"] = {absl::UnavailableError("refused"), true};
  bench.queue.Add("a");
  bench.Run();
  bench.queue.Remove("a");
  bench.Advance(1min);
  CHECK(bench.begun.size() == 1);
  CHECK(bench.queue.size() == 0);
  bench.results.clear();
  bench.queue.Add("b");
  bench.Run();
  CHECK(bench.begun.size() == 2);
  CHECK(bench.queue.reachable());
}

TEST_CASE("queue: work that asked nobody proves nothing") {
  Bench bench;
  bench.results["a"] = {absl::UnavailableError("refused"), true};
  bench.results["b"] = {absl::OkStatus(), false};
  bench.queue.Add("a");
  bench.Run();
  bench.queue.Add("b");
  bench.Advance(2s);
  CHECK(bench.Count("b") == 1);
  CHECK_FALSE(bench.queue.reachable());
}

TEST_CASE("queue: removed while running, added for later, stopped") {
  Bench bench;
  bench.takes["a"] = 1s;
  bench.queue.Add("a");
  bench.Run();
  bench.queue.Add("a");
  bench.queue.Remove("a");
  bench.Advance(5s);
  CHECK(bench.begun.size() == 1);
  bench.queue.AddAfter("a", 3s);
  bench.Advance(2s);
  CHECK(bench.begun.size() == 1);
  bench.queue.Add("a");
  bench.Run();
  CHECK(bench.begun.size() == 2);
  bench.Advance(10s);
  CHECK(bench.begun.size() == 2);
  bench.queue.AddAfter("a", 3s);
  bench.AwaitDone(bench.queue.Stop());
  bench.Advance(10s);
  CHECK(bench.begun.size() == 2);
}

}  // namespace
}  // namespace kubelet::client
