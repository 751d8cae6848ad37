#include "kubelet/os/mountinfo.h"

#include "catch.h"
#include "kubelet/os/cgroup.h"

namespace kubelet::os {
namespace {

const char kV1[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,clone_children\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "50 31 0:32 / /sys/fs/cgroup/other/memory rw - cgroup cgroup rw,memory\n";

TEST_CASE("a line of the mount table is taken apart") {
  auto mounts = ParseMountinfo(
      "36 35 98:0 /mnt1 /mnt\\040two\\134x rw,noatime master:1 shared:7 - ext3 /dev/root "
      "rw,errors=continue\n");
  REQUIRE(mounts.ok());
  REQUIRE(mounts->size() == 1);
  const Mount& mount = mounts->front();
  CHECK(mount.id == 36);
  CHECK(mount.parent == 35);
  CHECK(mount.major == 98);
  CHECK(mount.minor == 0);
  CHECK(mount.root == "/mnt1");
  CHECK(mount.point == "/mnt two\\x");
  CHECK(mount.options == "rw,noatime");
  CHECK(mount.type == "ext3");
  CHECK(mount.source == "/dev/root");
  CHECK(mount.super_options == "rw,errors=continue");
}

TEST_CASE("a source may be empty and super options may be absent") {
  auto mounts = ParseMountinfo("1 0 0:1 / / rw - rootfs  rw\n2 1 0:2 / /x rw - fuse -\n");
  REQUIRE(mounts.ok());
  CHECK((*mounts)[0].source.empty());
  CHECK((*mounts)[0].super_options == "rw");
  CHECK((*mounts)[1].source == "-");
}

TEST_CASE("one line that is not understood spoils the table") {
  for (const char* line :
       {"36 35 98:0 /a /b rw ext3 /dev/root rw", "x 35 98:0 / /b rw - ext3 s rw",
        "36 35 980 / /b rw - ext3 s rw", "36 35 98:0 / b rw - ext3 s rw", "36 35"}) {
    auto mounts = ParseMountinfo(std::string(kV1) + line + "\n");
    INFO(line);
    REQUIRE(absl::IsInvalidArgument(mounts.status()));
    CHECK(mounts.status().message().find(line) != absl::string_view::npos);
  }
}

TEST_CASE("mounts below a directory come last mounted first, by whole components") {
  auto mounts = ParseMountinfo(
      "1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /p/u rw - tmpfs t rw\n3 2 0:3 / /p/u/v rw - tmpfs t "
      "rw\n"
      "4 1 0:4 / /p/uv rw - tmpfs t rw\n5 3 0:5 / /p/u/v rw - tmpfs t rw\n");
  REQUIRE(mounts.ok());
  std::vector<int> ids;
  for (const auto& mount : MountsBelow(*mounts, "/p/u")) ids.push_back(mount.id);
  CHECK(ids == std::vector<int>{5, 3, 2});
  CHECK(MountOf(*mounts, "/p/u/v/w")->id == 5);
  CHECK(MountOf(*mounts, "/p/uvw")->id == 1);
  CHECK(IsBelow("/a", "/a"));
  CHECK_FALSE(IsBelow("/ab", "/a"));
  CHECK(IsBelow("/ab", "/"));
}

TEST_CASE("cgroup v1 is told by its controllers, the shortest mount of each") {
  auto mounts = ParseMountinfo(kV1);
  REQUIRE(mounts.ok());
  auto cgroups = DetectCgroups(*mounts);
  CHECK(cgroups.mode == CgroupMode::kV1);
  CHECK(cgroups.v1 ==
        std::map<std::string, std::string>{{"cpu", "/sys/fs/cgroup/cpu,cpuacct"},
                                           {"cpuacct", "/sys/fs/cgroup/cpu,cpuacct"},
                                           {"cpuset", "/sys/fs/cgroup/cpuset"},
                                           {"memory", "/sys/fs/cgroup/memory"},
                                           {"name=systemd", "/sys/fs/cgroup/systemd"}});
}

TEST_CASE("hybrid is v1 with an extra v2 tree; v2 is cgroup2 on the root itself") {
  auto hybrid = ParseMountinfo(std::string(kV1) +
                               "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  CHECK(DetectCgroups(*hybrid).mode == CgroupMode::kHybrid);
  CHECK(DetectCgroups(*hybrid).unified == "/sys/fs/cgroup/unified");
  // Some programs mount a v1 controller of their own on a v2 machine.
  auto v2 = ParseMountinfo(
      "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
      "32 31 0:29 / /sys/fs/cgroup/net_cls rw - cgroup cgroup rw,net_cls\n");
  CHECK(DetectCgroups(*v2).mode == CgroupMode::kV2);
  CHECK(DetectCgroups(*v2).unified == "/sys/fs/cgroup");
  CHECK(DetectCgroups(*v2).v1.empty());
  CHECK(DetectCgroups({}).mode == CgroupMode::kNone);
  // Only named hierarchies: nothing to limit with.
  auto named =
      ParseMountinfo("40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n");
  CHECK(DetectCgroups(*named).mode == CgroupMode::kNone);
}

TEST_CASE("the table of this machine parses") {
  auto mounts = ReadMountinfo();
  REQUIRE(mounts.ok());
  CHECK(MountOf(*mounts, "/proc/self") != nullptr);
  CHECK(absl::IsUnavailable(ReadMountinfo("/no/such/file").status()));
}

}  // namespace
}  // namespace kubelet::os
