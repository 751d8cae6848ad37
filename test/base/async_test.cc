#include "kubelet/base/async.h"

#include <boost/asio/io_context.hpp>
#include <future>

#include "catch.h"
#include "kubelet/base/backoff.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/promise.h"

namespace kubelet::base {
namespace {

using namespace std::chrono_literals;

struct Loop {
  // Tasks that were cancelled at the end of a test still have to end.
  ~Loop() { Run(); }
  boost::asio::io_context io{1};
  ManualClock clock;
  void Run() {
    io.restart();
    io.poll();
  }
  void Advance(Nanos d) {
    clock.Advance(d, [this] { Run(); });
  }
};

Task<void> CountWakes(WakeEvent& event, int& wakes, int& timeouts, Clock& clock) {
  for (;;) {
    bool notified = co_await event.Wait(clock.Mono() + 10s);
    (notified ? wakes : timeouts)++;
  }
}

TEST_CASE("a wake-up before the wait is remembered once") {
  Loop loop;
  WakeEvent event(loop.io.get_executor(), loop.clock);
  int wakes = 0, timeouts = 0;
  event.Notify();
  event.Notify();
  TaskScope scope(loop.io.get_executor());
  scope.Spawn("count", CountWakes(event, wakes, timeouts, loop.clock));
  loop.Run();
  CHECK(wakes == 1);
  event.Notify();
  loop.Run();
  CHECK(wakes == 2);
  CHECK(timeouts == 0);
}

TEST_CASE("a wait ends at its deadline, by the clock of the test") {
  Loop loop;
  WakeEvent event(loop.io.get_executor(), loop.clock);
  int wakes = 0, timeouts = 0;
  TaskScope scope(loop.io.get_executor());
  scope.Spawn("count", CountWakes(event, wakes, timeouts, loop.clock));
  loop.Advance(25s);
  CHECK(timeouts == 2);
  CHECK(wakes == 0);
}

Task<void> EndAtOnce() { co_return; }

TEST_CASE("a scope that goes outside of the loop, with the end of a task queued, leaves no cancel behind") {
  Loop loop;
  for (int polls = 0; polls < 6; ++polls) {
    auto scope = std::make_unique<TaskScope>(loop.io.get_executor());
    scope->Spawn("short", EndAtOnce());
    loop.io.restart();
    for (int i = 0; i < polls; ++i) loop.io.poll_one();
    scope.reset();
    loop.Run();
  }
}

Task<void> WaitAndMark(WakeEvent& event, bool& went_on) {
  co_await event.Wait();
  went_on = true;
}

TEST_CASE("a task whose wait is cancelled does not go on behind it") {
  Loop loop;
  WakeEvent event(loop.io.get_executor(), loop.clock);
  bool went_on = false;
  {
    TaskScope scope(loop.io.get_executor());
    scope.Spawn("wait", WaitAndMark(event, went_on));
    loop.Run();
  }
  loop.Run();
  CHECK_FALSE(went_on);
}

Task<void> Mark(bool& done) {
  done = true;
  co_return;
}

Task<void> SpawnAndLook(TaskScope& scope, bool& done, bool& done_inside) {
  scope.Spawn("inner", Mark(done));
  done_inside = done;
  co_return;
}

TEST_CASE("a task never runs inside the call that spawns it") {
  Loop loop;
  bool done = false, done_inside = true;
  TaskScope scope(loop.io.get_executor());
  scope.Spawn("outer", SpawnAndLook(scope, done, done_inside));
  loop.Run();
  CHECK(done);
  CHECK_FALSE(done_inside);
}

TEST_CASE("a task that is stopped before it began never begins") {
  Loop loop;
  bool done = false, stopped = false;
  TaskScope scope(loop.io.get_executor()), outer(loop.io.get_executor());
  scope.Spawn("inner", Mark(done));
  { TaskScope gone(loop.io.get_executor()); gone.Spawn("never", Mark(stopped)); }
  loop.Run();
  CHECK(done);
  CHECK_FALSE(stopped);
}

Task<void> StopAndMark(TaskScope& scope, bool& stopped) {
  co_await scope.Stop();
  stopped = true;
}

Task<void> JoinPart(TaskScope& scope, bool& went_on) {
  co_await scope.JoinAsPart();
  went_on = true;
}

TEST_CASE("tasks that are part of their waiter end with it, and it goes when they have ended") {
  Loop loop;
  WakeEvent event(loop.io.get_executor(), loop.clock);
  bool part_went_on = false, waiter_went_on = false, stopped = false;
  TaskScope parts(loop.io.get_executor()), waiters(loop.io.get_executor()), outer(loop.io.get_executor());
  parts.Spawn("part", WaitAndMark(event, part_went_on));
  waiters.Spawn("waiter", JoinPart(parts, waiter_went_on));
  loop.Run();
  SECTION("by themselves") {
    event.Notify();
    loop.Run();
    CHECK(part_went_on);
    CHECK(waiter_went_on);
  }
  SECTION("cancelled") {
    outer.Spawn("stop", StopAndMark(waiters, stopped));
    loop.Run();
    CHECK(stopped);
    CHECK(parts.size() == 0);
    CHECK_FALSE(part_went_on);
    CHECK_FALSE(waiter_went_on);
  }
}

TEST_CASE("Stop cancels what waits and returns when it has ended") {
  Loop loop;
  WakeEvent event(loop.io.get_executor(), loop.clock);
  int wakes = 0, timeouts = 0;
  TaskScope scope(loop.io.get_executor());
  TaskScope outer(loop.io.get_executor());
  scope.Spawn("count", CountWakes(event, wakes, timeouts, loop.clock));
  loop.Run();
  REQUIRE(scope.size() == 1);
  bool stopped = false;
  outer.Spawn("stop", StopAndMark(scope, stopped));
  loop.Run();
  CHECK(stopped);
  CHECK(scope.size() == 0);
}

Task<void> CancelOwnScope(std::unique_ptr<TaskScope>& scope, bool& ran) {
  scope.reset();
  ran = true;
  co_return;
}

TEST_CASE("a task that cancels itself without ever waiting does not throw out of the loop") {
  Loop loop;
  bool ran = false;
  auto scope = std::make_unique<TaskScope>(loop.io.get_executor());
  scope->Spawn("self", CancelOwnScope(scope, ran));
  CHECK_NOTHROW(loop.Run());
  CHECK(ran);
}

Task<void> Hold(Semaphore& semaphore, Clock& clock, Nanos d, std::vector<int>& order, int id) {
  auto permit = co_await semaphore.Acquire();
  order.push_back(id);
  co_await SleepFor(clock, d);
}

TEST_CASE("a semaphore lets in as many as it has units, in order of arrival") {
  Loop loop;
  Semaphore semaphore(loop.io.get_executor(), loop.clock, 2);
  std::vector<int> order;
  TaskScope scope(loop.io.get_executor());
  for (int i = 0; i < 5; ++i) {
    scope.Spawn("hold", Hold(semaphore, loop.clock, std::chrono::seconds(i + 1), order, i));
  }
  loop.Run();
  CHECK(order == std::vector<int>{0, 1});
  loop.Advance(1s);
  CHECK(order == std::vector<int>{0, 1, 2});
  loop.Advance(60s);
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(semaphore.free() == 2);
}

TEST_CASE("a cancelled waiter of a semaphore gives its place back") {
  Loop loop;
  Semaphore semaphore(loop.io.get_executor(), loop.clock, 1);
  std::vector<int> order;
  TaskScope first(loop.io.get_executor());
  first.Spawn("hold", Hold(semaphore, loop.clock, 5s, order, 0));
  {
    TaskScope second(loop.io.get_executor());
    second.Spawn("hold", Hold(semaphore, loop.clock, 5s, order, 1));
    loop.Run();
    REQUIRE(semaphore.waiting() == 1);
  }
  loop.Advance(10s);
  CHECK(order == std::vector<int>{0});
  CHECK(semaphore.waiting() == 0);
  CHECK(semaphore.free() == 1);
}

Task<void> RunOn(BlockingPool& pool, absl::Status& out, std::function<absl::Status()> work, bool& done) {
  out = co_await pool.RunStatus("test", 5s, std::move(work));
  done = true;
}

TEST_CASE("work on the pool that hangs ends with DeadlineExceeded for the caller") {
  Loop loop;
  BlockingPool pool(loop.io.get_executor(), loop.clock, {});
  std::promise<void> release;
  auto gate = release.get_future().share();
  TaskScope scope(loop.io.get_executor());
  absl::Status hung, quick;
  bool hung_done = false, quick_done = false;
  scope.Spawn("hung", RunOn(pool, hung, [gate] { gate.wait();
    return absl::OkStatus();
  }, hung_done));
  scope.Spawn("quick", RunOn(pool, quick, [] { return absl::NotFoundError("x"); }, quick_done));
  while (!quick_done) {
    loop.io.restart();
    loop.io.run_for(1s);
  }
  CHECK(absl::IsNotFound(quick));
  CHECK_FALSE(hung_done);
  loop.Advance(6s);
  CHECK(absl::IsDeadlineExceeded(hung));
  release.set_value();
}

TEST_CASE("work whose deadline passes before a thread has time for it never runs, and is let go at once") {
  Loop loop;
  BlockingPool::Options one;
  one.threads = 1;
  BlockingPool pool(loop.io.get_executor(), loop.clock, one);
  std::promise<void> release;
  auto gate = release.get_future().share();
  std::atomic<bool> begun{false}, stale{false};
  TaskScope scope(loop.io.get_executor());
  absl::Status hung, late, next;
  bool hung_done = false, late_done = false, next_done = false;
  scope.Spawn("hung", RunOn(pool, hung, [gate, &begun] {
    begun = true;
    gate.wait();
    return absl::OkStatus();
  }, hung_done));
  while (!begun) loop.Run();
  auto owned = std::make_shared<int>();
  std::weak_ptr<int> seen = owned;
  std::function<absl::Status()> work = [owned = std::move(owned), &stale] {
    stale = true;
    return absl::OkStatus();
  };
  scope.Spawn("late", RunOn(pool, late, std::move(work), late_done));
  loop.Run();
  CHECK_FALSE(seen.expired());
  loop.Advance(6s);
  CHECK(late_done);
  CHECK(absl::IsDeadlineExceeded(late));
  CHECK(seen.expired());
  release.set_value();
  scope.Spawn("next", RunOn(pool, next, [] { return absl::OkStatus(); }, next_done));
  while (!next_done) {
    loop.io.restart();
    loop.io.run_for(1s);
  }
  CHECK(next.ok());
  CHECK_FALSE(stale);
}

TEST_CASE("two pieces of work for one idle thread: the second does not wait for the first, which hangs") {
  Loop loop;
  BlockingPool pool(loop.io.get_executor(), loop.clock, {});
  std::promise<void> release;
  auto gate = release.get_future().share();
  TaskScope scope(loop.io.get_executor());
  auto until = [&](const bool& done) {
    while (!done) {
      loop.io.restart();
      loop.io.run_for(1s);
    }
  };
  absl::Status first, hung, quick;
  bool first_done = false, hung_done = false, quick_done = false;
  scope.Spawn("first", RunOn(pool, first, [] { return absl::OkStatus(); }, first_done));
  until(first_done);
  scope.Spawn("hung", RunOn(pool, hung, [gate] { gate.wait();
    return absl::OkStatus();
  }, hung_done));
  scope.Spawn("quick", RunOn(pool, quick, [] { return absl::NotFoundError("x"); }, quick_done));
  until(quick_done);
  CHECK_FALSE(hung_done);
  release.set_value();
  until(hung_done);
}

TEST_CASE("back-off doubles to its cap and is forgotten after two caps") {
  Backoff backoff(10s, 300s);
  MonoTime now{};
  std::vector<Nanos> delays;
  for (int i = 0; i < 7; ++i) delays.push_back(backoff.Next("a", now));
  CHECK(delays == std::vector<Nanos>{10s, 20s, 40s, 80s, 160s, 300s, 300s});
  CHECK(backoff.Get("b", now) == 0s);
  CHECK(backoff.BlockedUntil("a", now, now + 299s) == now + 300s);
  CHECK_FALSE(backoff.BlockedUntil("a", now, now + 300s));
  CHECK(backoff.Next("a", now + 601s) == 10s);
}

}  // namespace
}  // namespace kubelet::base
