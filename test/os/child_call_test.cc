#include "kubelet/os/child_call.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <thread>

#include "await.h"
#include "catch.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "os/child_call_wire.h"
#include "os/child_main.h"
#include "os/dead_mount.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using namespace std::chrono_literals;
using test::DeadMount;
using test::NeedsRoot;
using test::TempDir;
using test::WriteText;

absl::StatusOr<std::string> Join(const std::vector<std::string>& args) {
  std::string out;
  for (const auto& arg : args) out += arg + "|";
  return out;
}
absl::StatusOr<std::string> Refuse(const std::vector<std::string>&) {
  return absl::NotFoundError("no\nsuch thing");
}
absl::StatusOr<std::string> Die(const std::vector<std::string>&) { abort(); }
absl::StatusOr<std::string> Wait(const std::vector<std::string>&) {
  for (;;) pause();
}

const CallTable& Calls() {
  static const CallTable table = {{"join", Join}, {"refuse", Refuse}, {"die", Die}, {"wait", Wait}};
  return table;
}
const test::ChildMain child_main(Calls());

struct Bench {
  using Answer = absl::StatusOr<std::string>;
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  ChildCalls calls{io.get_executor(), clock, pool, {}};
  test::LastTurns last_turns{io};
  base::TaskScope scope{io.get_executor()};

  static base::Task<void> Into(base::Task<Answer> task, std::optional<Answer>* out) {
    auto value = co_await std::move(task);
    out->emplace(std::move(value));
  }
  void Begin(std::optional<Answer>& out, const std::string& mount, const std::string& call,
             std::vector<std::string> args = {}) {
    ChildCalls::On on;
    on.mount = mount;
    on.about = "pod shop/web volume \"v\"";
    scope.Spawn("call", Into(calls.Run(on, call, std::move(args), 30s), &out));
  }
  // Other processes say when they are through.
  void RunUntil(const std::function<bool()>& done) {
    auto work = boost::asio::make_work_guard(io);
    auto end = std::chrono::steady_clock::now() + 60s;
    io.restart();
    while (!done() && std::chrono::steady_clock::now() < end) io.run_one_for(10ms);
    REQUIRE(done());
  }
  // Time goes on until then; whatever has started has been seen to start.
  void PassUntil(const std::function<bool()>& done) {
    for (int i = 0; i < 20; ++i) io.run_one_for(10ms);
    RunUntil([&] {
      if (!done()) clock.Advance(1s);
      return done();
    });
  }
  Answer Run(const std::string& call, std::vector<std::string> args = {}) {
    std::optional<Answer> out;
    Begin(out, "a mount", call, std::move(args));
    RunUntil([&] { return out.has_value(); });
    return *std::move(out);
  }
};

TEST_CASE("a call in a child: arguments, result, error, and an end that nobody ordered") {
  Bench bench;
  CHECK(*bench.Run("join", {"a", "", "c d\n"}) == "a||c d\n|");
  auto refused = bench.Run("refuse");
  CHECK(absl::IsNotFound(refused.status()));
  CHECK(base::Message(refused.status()) == "no\nsuch thing");
  auto died = bench.Run("die");
  CHECK(absl::IsInternal(died.status()));
  CHECK(base::Message(died.status()).find("exit code 134") != std::string::npos);
  CHECK(absl::IsInvalidArgument(bench.Run("nonsense").status()));
  CHECK(bench.calls.HungMounts().empty());
}

TEST_CASE("half an answer is none") {
  for (const char* text : {"", "0", "0\n", "0\nx", "x\ny\n.", "17\ny\n.", "-1\ny\n."}) {
    INFO(text);
    CHECK_FALSE(DecodeAnswer(text));
  }
  CHECK(**DecodeAnswer(EncodeAnswer(std::string("a\n.\n"))) == "a\n.\n");
  CHECK(absl::IsUnavailable(DecodeAnswer(EncodeAnswer(absl::UnavailableError("x")))->status()));
}

TEST_CASE(
    "a call that takes too long is killed, and others of its mount are told whom it was for") {
  Bench bench;
  std::optional<Bench::Answer> first, second, elsewhere, after;
  bench.Begin(first, "/mnt (nfs s:/x)", "wait");
  bench.io.poll();  // it has begun
  bench.clock.Advance(2s);
  bench.Begin(second, "/mnt (nfs s:/x)", "join");
  bench.Begin(elsewhere, "/other", "join", {"x"});
  bench.RunUntil([&] { return second && elsewhere; });
  CHECK(absl::IsUnavailable(second->status()));
  CHECK(base::Message(second->status()) == "/mnt (nfs s:/x) does not answer since " +
                                               base::Rfc3339(bench.clock.Now() - 2s) +
                                               " (2s), asked for pod shop/web volume \"v\"");
  CHECK(**elsewhere == "x|");
  REQUIRE(bench.calls.HungMounts().size() == 1);
  CHECK(bench.calls.HungMounts()[0].mount == "/mnt (nfs s:/x)");
  bench.PassUntil([&] { return first && bench.calls.HungMounts().empty(); });
  CHECK(absl::IsDeadlineExceeded(first->status()));
  bench.Begin(after, "/mnt (nfs s:/x)", "join", {"y"});
  bench.RunUntil([&] { return after.has_value(); });
  CHECK(**after == "y|");
}

TEST_CASE("only so many children ask one mount; the others wait, and wait in vain when it hangs") {
  Bench bench;
  std::vector<std::optional<Bench::Answer>> waits(4), joins(3);
  for (auto& one : waits) bench.Begin(one, "m", "wait");
  for (auto& one : joins) bench.Begin(one, "m", "join");
  for (int i = 0; i < 20; ++i) bench.io.run_one_for(10ms);
  for (auto& one : joins) CHECK_FALSE(one);
  bench.clock.Advance(1s);
  bench.RunUntil([&] { return joins[0] && joins[1] && joins[2]; });
  for (auto& one : joins) CHECK(absl::IsUnavailable(one->status()));
  CHECK(bench.calls.HungMounts()[0].children == 4);
  bench.PassUntil([&] { return bench.scope.size() == 0 && bench.calls.HungMounts().empty(); });
}

TEST_CASE(
    "a dead mount that no signal reaches: its child stays behind, is counted, and costs no "
    "thread") {
  if (!NeedsRoot("a mount of its own")) return;
  TempDir dir;
  WriteText(dir / "good/file", "x");
  REQUIRE(MakeDirectory(dir / "dead", 0755).ok());
  DeadMount dead(dir / "dead");
  if (!dead.ok()) return;
  Bench bench;
  std::vector<std::optional<Bench::Answer>> looks(3);
  for (size_t i = 0; i < looks.size(); ++i)
    bench.Begin(looks[i], "dead", "stat", {dir / ("dead/x" + std::to_string(i))});
  bench.RunUntil([&] { return dead.taken() == 3; });
  bench.PassUntil([&] { return looks[0] && looks[1] && looks[2]; });
  for (auto& one : looks) CHECK(absl::IsDeadlineExceeded(one->status()));
  // Killed, and still there.
  REQUIRE(bench.calls.HungMounts().size() == 1);
  CHECK(absl::IsUnavailable(bench.calls.Check("dead")));
  std::optional<Bench::Answer> more;
  bench.Begin(more, "dead", "stat", {dir / "dead/x"});
  bench.RunUntil([&] { return more.has_value(); });
  CHECK(absl::IsUnavailable(more->status()));
  CHECK(bench.Run("stat", {dir / "good/file"}).ok());
  // It can be taken away all the same.
  std::optional<Bench::Answer> away;
  bench.Begin(away, "away", "unmount-below", {dir / "dead", "lazy"});
  bench.RunUntil([&] { return away.has_value(); });
  CHECK(away->ok());
  CHECK(MountsBelow(*ReadMountinfo(), dir.path()).empty());
  dead.End();
  bench.RunUntil([&] { return bench.calls.Check("dead").ok(); });
}

TEST_CASE("what may hang is told by the mount table, also through links") {
  if (!NeedsRoot("a mount of its own")) return;
  TempDir dir;
  WriteText(dir / "local/file", "x");
  REQUIRE(MakeDirectory(dir / "dead", 0755).ok());
  std::filesystem::create_directory_symlink("../dead/sub", dir / "local/link");
  std::filesystem::create_directory_symlink(dir / "local/link", dir / "again");
  std::filesystem::create_directory_symlink("loop", dir / "loop");
  DeadMount dead(dir / "dead");
  if (!dead.ok()) return;
  auto mounts = *ReadMountinfo();
  for (const char* path : {"dead", "dead/x", "local/link", "again/deeper", "local/../dead"}) {
    INFO(path);
    auto mount = MayHang(mounts, dir / path);
    REQUIRE(mount);
    CHECK(mount->point == dir / "dead");
    CHECK(mount->type == "fuse.dead");
  }
  for (const char* path :
       {"local", "local/file", "local/file/x", "none/dead", "loop/x", "dead/../local"}) {
    INFO(path);
    bool through = std::string(path) == "dead/../local";
    CHECK(MayHang(mounts, dir / path).has_value() == through);
  }
  CHECK_FALSE(MayHang(mounts, "/proc/self/status"));
}

TEST_CASE("who holds a mount is told with his process") {
  if (!NeedsRoot("a mount of its own")) return;
  TempDir dir;
  REQUIRE(MakeDirectory(dir / "m", 0755).ok());
  REQUIRE(MountFilesystem("tmpfs", "tmpfs", dir / "m", "size=65536").ok());
  WriteText(dir / "m/file", "x");
  int fd = open((dir / "m/file").c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<std::string> told;
  CHECK(
      UnmountBelow(dir / "m", false, [&](const std::string& text) { told.push_back(text); }).ok());
  close(fd);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find(dir / "m (tmpfs tmpfs) was in use: ") == 0);
  CHECK(told[0].find(std::to_string(getpid()) + " (os_test) has " + (dir / "m/file") + " open") !=
        std::string::npos);
}

TEST_CASE("a directory is made a shared mount once") {
  if (!NeedsRoot("a mount of its own")) return;
  TempDir dir;
  REQUIRE(MakeDirectory(dir / "root", 0755).ok());
  auto was = MountOf(*ReadMountinfo(), dir / "root")->shared;
  REQUIRE(MakeDirectory(dir / "root/m", 0755).ok());
  REQUIRE(MountFilesystem("tmpfs", "tmpfs", dir / "root/m", "size=65536").ok());
  if (!was) CHECK(absl::IsFailedPrecondition(MakeShared(dir / "root").status()));
  REQUIRE(Unmount(dir / "root/m", false).ok());
  auto made = MakeShared(dir / "root");
  REQUIRE(made.ok());
  CHECK(*made == !was);
  auto mounts = *ReadMountinfo();
  CHECK(MountOf(mounts, dir / "root")->shared);
  auto again = MakeShared(dir / "root");
  REQUIRE(again.ok());
  CHECK_FALSE(*again);
  CHECK(MountsBelow(*ReadMountinfo(), dir / "root").size() ==
        MountsBelow(mounts, dir / "root").size());
  REQUIRE(UnmountBelow(dir / "root", true).ok());
}

}  // namespace
}  // namespace kubelet::os
