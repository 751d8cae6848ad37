#include "kubelet/os/kernel_messages.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "kubelet/base/status.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

TEST_CASE("a kill for want of memory of the whole machine, in the kernel's words") {
  const std::string kRest = " total-vm:1kB, anon-rss:1kB, UID:0 pgtables:4kB oom_score_adj:0\n";
  auto kill = ParseSystemOom("3,812,99,-;Out of memory: Killed process 4711 (web server)" + kRest);
  REQUIRE(kill);
  CHECK(kill->pid == 4711);
  CHECK(kill->process == "web server");
  kill = ParseSystemOom(
      "3,1,9,-;Out of memory: Kill process 12 ((sd-pam)) score 9 or sacrifice child\n");
  REQUIRE(kill);
  CHECK(kill->pid == 12);
  CHECK(kill->process == "(sd-pam)");
  CHECK(ParseSystemOom("3,1,9,-;Out of memory (oom_kill_allocating_task): Killed process 5 (a)" +
                       kRest));
  // A control group at its limit, another record of the same kill, and what a program wrote.
  for (const char* other :
       {"3,1,9,-;Memory cgroup out of memory: Killed process 5 (a) total-vm:1kB\n",
        "6,1,9,-;oom-kill:constraint=CONSTRAINT_NONE,task=a,pid=5,uid=0\n",
        "6,1,9,-;a invoked oom-killer: gfp_mask=0x0\n",
        "12,1,9,-;Out of memory: Killed process 5 (a) total-vm:1kB\n", "", ";", "x"})
    CHECK_FALSE(ParseSystemOom(other));
}

struct Reader {
  boost::asio::io_context io{1};
  std::vector<std::string> told;  // the names of the victims, or what ended it
  int reads = 0;

  base::Task<void> Run(KernelMessages& log) {
    for (;;) {
      auto kills = co_await log.Read();
      ++reads;
      if (!kills.ok()) {
        told.push_back(base::Message(kills.status()));
        co_return;
      }
      for (const auto& kill : *kills) told.push_back(kill.process);
    }
  }
  void Poll() {
    io.restart();
    io.poll();
  }
};

// Each write is a read of its own here, as each record is of the kernel's log.
void Write(int fd, const std::string& text) {
  REQUIRE(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

TEST_CASE("the kernel's log is read as it grows, to its end") {
  test::TempDir dir;
  std::string path = dir.path() + "/kmsg";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  Reader reader;
  auto log = KernelMessages::Open(reader.io.get_executor(), path);
  REQUIRE(log.ok());
  int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  base::TaskScope scope(reader.io.get_executor());
  scope.Spawn("read", reader.Run(**log));
  reader.Poll();
  CHECK(reader.reads == 0);
  Write(fd, "6,1,1,-;a device is there\n");
  reader.Poll();
  CHECK(reader.reads == 1);
  CHECK(reader.told.empty());
  Write(fd, "3,2,2,-;Out of memory: Killed process 7 (one) total-vm:1kB\n");
  reader.Poll();
  Write(fd, "3,3,2,-;Out of memory: Killed process 8 (two) total-vm:1kB\n");
  reader.Poll();
  CHECK(reader.told == std::vector<std::string>{"one", "two"});
  close(fd);
  reader.Poll();
  CHECK(reader.told.back() == "the kernel's log has ended");
  CHECK(scope.size() == 0);
}

TEST_CASE("no log, and one that nobody waits for any more") {
  test::TempDir dir;
  Reader reader;
  CHECK(absl::IsNotFound(
      KernelMessages::Open(reader.io.get_executor(), dir.path() + "/none").status()));
  std::string path = dir.path() + "/kmsg";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  {
    auto log = KernelMessages::Open(reader.io.get_executor(), path);
    REQUIRE(log.ok());
    base::TaskScope scope(reader.io.get_executor());
    scope.Spawn("read", reader.Run(**log));
    reader.Poll();
  }
  reader.Poll();
  CHECK(reader.told.empty());
  close(fd);
}

}  // namespace
}  // namespace kubelet::os
