// In plain directories; the kernel's part of a new group, its cgroup.procs, is played by the test.
#include "kubelet/os/cgroup_join.h"

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::ReadText;
using test::TempDir;
using test::WriteText;

struct Trees {
  TempDir root;
  CgroupMounts mounts;
  std::shared_ptr<const CgroupHierarchy> hierarchy;

  Trees() {
    mounts.mode = CgroupMode::kV1;
    for (const char* controller :
         {"cpu", "cpuacct", "cpuset", "memory", "freezer", "name=systemd"}) {
      mounts.v1[controller] = root / controller;
      WriteText(root / controller + "/cgroup.procs", "");
      WriteText(root / controller + "/system/kubelet/cgroup.procs", "");
    }
    auto opened = CgroupHierarchy::Open(mounts, {});
    REQUIRE(opened.ok());
    hierarchy = *opened;
  }
};

TEST_CASE("a process joins its group in every hierarchy") {
  Trees trees;
  REQUIRE(JoinCgroup(*trees.hierarchy, trees.mounts, "/system/kubelet", 4711).ok());
  for (const auto& [controller, point] : trees.mounts.v1) {
    INFO(controller);
    CHECK(ReadText(point + "/system/kubelet/cgroup.procs") == "4711");
  }
}

TEST_CASE("a hierarchy that refuses is named, and the others take the process") {
  Trees trees;
  std::filesystem::remove(trees.root / "freezer/system/kubelet/cgroup.procs");
  auto status = JoinCgroup(*trees.hierarchy, trees.mounts, "/system/kubelet", 4711);
  CHECK(status.message().find("freezer/system/kubelet/cgroup.procs") != std::string::npos);
  CHECK(ReadText(trees.root / "memory/system/kubelet/cgroup.procs") == "4711");
  CHECK(ReadText(trees.root / "name=systemd/system/kubelet/cgroup.procs") == "4711");
}

TEST_CASE("a group's name that leads out is refused") {
  Trees trees;
  auto status = JoinCgroup(*trees.hierarchy, trees.mounts, "/system/../..", 4711);
  CHECK(absl::IsInvalidArgument(status));
}

}  // namespace
}  // namespace kubelet::os
