#include "kubelet/probe/exec_leftovers.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"

namespace kubelet::probe {
namespace {

using namespace std::chrono_literals;
using base::Task;

// A container as /proc would show it.
class Proc : public ContainerProcesses {
 public:
  explicit Proc(base::Clock& clock) : clock_(clock) {}
  struct Entry {
    int pid, parent, session;
    base::Nanos born;
    std::vector<std::string> command;
    bool zombie = false;
  };
  std::vector<Entry> entries;
  std::vector<int> killed;
  int lists = 0;

  Task<absl::StatusOr<std::vector<Process>>> List(runtime::ContainerId) override {
    ++lists;
    std::vector<Process> out;
    for (const auto& e : entries) {
      Process p;
      p.pid = e.pid, p.parent = e.parent, p.session = e.session, p.zombie = e.zombie,
      p.command = e.command;
      p.age = (clock_.Mono() - base::MonoTime()) - e.born;
      if (p.age >= 0s) out.push_back(p);
    }
    co_return out;
  }
  Task<void> KillSession(runtime::ContainerId, int session) override {
    killed.push_back(session);
    std::erase_if(entries, [&](const auto& e) { return e.session == session; });
    co_return;
  }
  void Gone(int pid) {
    std::erase_if(entries, [&](const auto& e) { return e.pid == pid; });
  }

 private:
  base::Clock& clock_;
};

struct Bench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  Proc proc{clock};
  std::shared_ptr<ExecRun> run = std::make_shared<ExecRun>();
  bool ended = false;
  base::TaskScope scope{io.get_executor()};
  Bench() {
    Advance(100s);
    run->command = {"sh", "-c", "x"};
    run->timeout = 4s;
    run->sent = clock.Mono();
    proc.entries = {{1, 0, 1, 1s, {"sh", "-c", "x"}}, {7, 1, 7, 50s, {"daemon"}}};
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] {
      io.restart();
      io.poll();
    });
  }
  static Task<void> Do(Bench* b) {
    co_await WatchExec(b->proc, b->clock, b->run);
    b->ended = true;
  }
  // The exec was sent at 100 s; its process began at 100.5 s as 20, a child of nobody in the
  // container.
  void Begin() {
    proc.entries.push_back({20, 0, 20, 100'500ms, {"sh", "-c", "x"}});
    proc.entries.push_back({21, 20, 20, 100'600ms, {"sleep", "99"}});
    Advance(WatchAfter(run->timeout));
    scope.Spawn("watch", Do(this));
    Advance(0s);
  }
  void End() {
    run->over = true;
    Advance(1s);
    CHECK(ended);
  }
};

TEST_CASE("a child that holds the output of a killed exec is ended, so that the call comes back") {
  Bench b;
  b.Begin();
  b.Advance(1'600ms);  // 104.6: containerd has killed the process at its age of 4 s
  b.proc.Gone(20);
  CHECK(b.proc.killed.empty());
  b.Advance(400ms);
  CHECK(b.proc.killed == std::vector<int>{20});
  CHECK(b.proc.entries.size() == 2);
  b.End();
}

TEST_CASE("what has let go of the output is ended when the call comes back") {
  Bench b;
  b.Begin();
  b.Advance(1'600ms);
  b.proc.Gone(20);
  b.run->over = true;
  struct Last {
    static Task<void> Do(Bench* b) { co_await EndLeftovers(b->proc, b->run); }
  };
  b.scope.Spawn("end", Last::Do(&b));
  b.Advance(0s);
  CHECK(b.proc.killed == std::vector<int>{20});
  b.End();
}

TEST_CASE("one that ended by itself may leave a daemon behind") {
  Bench b;
  b.Begin();
  b.Advance(200ms);  // at 103.2, long before its time is up
  b.proc.Gone(20);
  b.Advance(5s);
  CHECK(b.ended);
  CHECK(b.proc.killed.empty());
}

TEST_CASE("nobody is touched while the process itself lives, or when nothing is left") {
  Bench b;
  b.Begin();
  b.Advance(10s);
  CHECK(b.proc.killed.empty());
  SECTION("it goes late") {
    b.proc.Gone(20);
    b.Advance(1s);
    CHECK(b.proc.killed == std::vector<int>{20});
  }
  SECTION("all of it goes") {
    b.proc.Gone(20);
    b.proc.Gone(21);
    b.Advance(1s);
    CHECK(b.proc.killed.empty());
  }
  SECTION("it stays as a zombie") {
    for (auto& e : b.proc.entries) e.zombie = e.zombie || e.pid == 20;
    b.Advance(1s);
    CHECK(b.proc.killed == std::vector<int>{20});
  }
  b.End();
}

TEST_CASE("the container's own process and a lookalike from before are not taken for the exec") {
  Bench b;
  b.proc.entries.push_back({30, 0, 30, 99s, {"sh", "-c", "x"}});
  b.proc.entries.push_back({31, 1, 31, 100'400ms, {"sh", "-c", "x"}});  // the container's own child
  b.Begin();
  b.Advance(1'600ms);
  CHECK(b.run->session == 20);
  b.End();
}

TEST_CASE("an exec that has not begun is waited for") {
  Bench b;
  b.Advance(3s);
  b.scope.Spawn("watch", Bench::Do(&b));
  b.Advance(5s);
  CHECK_FALSE(b.run->session);
  b.proc.entries.push_back({20, 0, 20, 108s, {"sh", "-c", "x"}});
  b.Advance(4s);
  CHECK(b.run->session == 20);
  b.End();
}

}  // namespace
}  // namespace kubelet::probe
