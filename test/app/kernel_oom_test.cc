#include "app/kernel_oom.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "await.h"
#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::app {
namespace {

TEST_CASE("a kill for want of memory is an event of the node, told within a second") {
  test::TempDir dir;
  std::string path = dir.path() + "/kmsg";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  boost::asio::io_context io(1);
  base::ManualClock clock;
  std::vector<runtime::PodEvent> told;
  test::LastTurns last(io);
  base::TaskScope scope(io.get_executor());
  scope.Spawn("oom", TellOfOoms(
                         io.get_executor(), clock,
                         [&told](const runtime::PodEvent& event) { told.push_back(event); }, path));
  auto write_and_poll = [&](const std::string& text) {
    REQUIRE(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    io.restart();
    io.poll();
  };
  io.poll();
  write_and_poll("3,1,9,-;Out of memory: Killed process 4711 (hog) total-vm:1kB\n");
  REQUIRE(told.size() == 1);
  CHECK(told[0].warning);
  CHECK(told[0].about_node);
  CHECK(told[0].reason == "SystemOOM");
  CHECK(told[0].message == "System OOM encountered, victim process: hog, pid: 4711");
  // Not woken again at once, however much the kernel has to say.
  write_and_poll("3,2,9,-;Out of memory: Killed process x\n");
  CHECK(told.size() == 1);
  clock.Advance(std::chrono::seconds(1));
  io.restart();
  io.poll();
  REQUIRE(told.size() == 2);
  CHECK(told[1].message == "System OOM encountered");
  close(fd);
}

}  // namespace
}  // namespace kubelet::app
