#include "kubelet/os/memory_alarm.h"

#include <poll.h>
#include <unistd.h>

#include <sstream>

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::ReadText;
using test::WriteText;

TEST_CASE("a threshold on the working set counts the inactive pages of files in") {
  test::TempDir dir;
  std::string group = dir / "memory/pods";
  WriteText(group + "/memory.stat", "cache 9\ninactive_file 1\ntotal_inactive_file 4096\n");
  WriteText(group + "/memory.usage_in_bytes", "0\n");
  WriteText(group + "/cgroup.event_control", "");
  auto fd = WatchWorkingSet(dir / "memory", "/pods", 100000);
  REQUIRE(fd.ok());
  std::istringstream line(ReadText(group + "/cgroup.event_control"));
  int event = -1, usage = -1;
  int64_t threshold = 0;
  line >> event >> usage >> threshold;
  CHECK(event == *fd);
  CHECK(usage >= 0);
  CHECK(threshold == 104096);
  // As the kernel does when the threshold is crossed.
  pollfd look{*fd, POLLIN, 0};
  CHECK(poll(&look, 1, 0) == 0);
  uint64_t one = 1;
  REQUIRE(write(*fd, &one, sizeof one) == sizeof one);
  CHECK(poll(&look, 1, 0) == 1);
  close(*fd);
}

TEST_CASE("the root group is the mount itself; what is missing is named") {
  test::TempDir dir;
  WriteText(dir / "memory.stat", "total_inactive_file 0\n");
  WriteText(dir / "memory.usage_in_bytes", "0\n");
  auto none = WatchWorkingSet(dir.path(), "/", 1);
  CHECK(absl::IsNotFound(none.status()));
  CHECK(std::string(none.status().message()).find("cgroup.event_control") != std::string::npos);
  WriteText(dir / "cgroup.event_control", "");
  auto fd = WatchWorkingSet(dir.path(), "/", 1);
  REQUIRE(fd.ok());
  close(*fd);
  WriteText(dir / "memory.stat", "cache 1\n");
  CHECK_FALSE(WatchWorkingSet(dir.path(), "/", 1).ok());
}

TEST_CASE("a trigger on memory pressure ends in a zero byte, as the kernel wants it") {
  test::TempDir dir;
  CHECK(absl::IsNotFound(WatchMemoryPressure(dir.path()).status()));
  WriteText(dir / "pressure/memory", "");
  auto fd = WatchMemoryPressure(dir.path());
  REQUIRE(fd.ok());
  CHECK(ReadText(dir / "pressure/memory") == std::string("some 100000 1000000\0", 20));
  close(*fd);
}

}  // namespace
}  // namespace kubelet::os
