#include "kubelet/os/signals.h"

#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::TempDir;
using test::WriteText;

// A hierarchy with one group below the root.
struct SignalsTree {
  TempDir root;
  bool v2 = false;
  std::shared_ptr<const CgroupHierarchy> Open() {
    CgroupMounts mounts;
    mounts.mode = v2 ? CgroupMode::kV2 : CgroupMode::kV1;
    if (v2) {
      WriteText(root / "cgroup.controllers", "cpuset cpu memory pids");
      mounts.unified = root.path();
    } else {
      for (const char* name : {"cpu", "cpuacct", "cpuset", "memory"}) {
        std::filesystem::create_directories(root / name);
        mounts.v1[name] = root / name;
      }
    }
    auto opened = CgroupHierarchy::Open(mounts, {});
    REQUIRE(opened.ok());
    return *opened;
  }
  void Write(const std::string& file, const std::string& text) {
    WriteText(root / ((v2 ? "" : "memory/") + file), text);
  }
};

TEST_CASE("memory on cgroup v1: usage less inactive files of all groups together") {
  SignalsTree tree;
  tree.Write("memory.usage_in_bytes", "600\n");
  tree.Write("memory.stat", "inactive_file 7\ntotal_inactive_file 100\n");
  tree.Write("kubepods/memory.usage_in_bytes", "90\n");
  tree.Write("kubepods/memory.stat", "total_inactive_file 200\n");
  tree.Write("kubepods/memory.limit_in_bytes", "400\n");
  auto hierarchy = tree.Open();
  CHECK(*ReadMemoryLeft(*hierarchy, 1000) == Left{500, 1000});
  CHECK(*ReadMemoryLeft(*hierarchy, 300) == Left{0, 300});
  CHECK(*ReadGroupMemoryLeft(*hierarchy, "/kubepods") == Left{400, 400});
  tree.Write("kubepods/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(absl::IsFailedPrecondition(ReadGroupMemoryLeft(*hierarchy, "/kubepods").status()));
  CHECK(absl::IsNotFound(ReadGroupMemoryLeft(*hierarchy, "/none").status()));
}

TEST_CASE("memory on cgroup v2: the root has no memory.current") {
  SignalsTree tree;
  tree.v2 = true;
  tree.Write("memory.stat", "anon 300\nfile 250\ninactive_file 50\n");
  tree.Write("kubepods/memory.current", "90\n");
  tree.Write("kubepods/memory.stat", "anon 1\nfile 1\ninactive_file 40\n");
  tree.Write("kubepods/memory.max", "400\n");
  auto hierarchy = tree.Open();
  CHECK(*ReadMemoryLeft(*hierarchy, 1000) == Left{500, 1000});
  CHECK(*ReadGroupMemoryLeft(*hierarchy, "/kubepods") == Left{350, 400});
  tree.Write("kubepods/memory.max", "max\n");
  CHECK(absl::IsFailedPrecondition(ReadGroupMemoryLeft(*hierarchy, "/kubepods").status()));
}

TEST_CASE("tasks: the smaller limit, and what /proc/loadavg counts") {
  TempDir root;
  WriteText(root / "proc/loadavg", "1.36 3.49 4.53 2/118 3715089\n");
  CHECK_FALSE(ReadTasksLeft(root.path()).ok());
  WriteText(root / "proc/sys/kernel/pid_max", "4194304\n");
  WriteText(root / "proc/sys/kernel/threads-max", "1000\n");
  CHECK(*ReadTasksLeft(root.path()) == Left{882, 1000});
  WriteText(root / "proc/loadavg", "nonsense\n");
  CHECK_FALSE(ReadTasksLeft(root.path()).ok());
}

TEST_CASE("a filesystem has no more left than it holds") {
  TempDir root;
  auto space = ReadFilesystemSpace(root.path());
  REQUIRE(space.ok());
  CHECK(space->bytes.capacity > 0);
  CHECK(space->bytes.available <= space->bytes.capacity);
  CHECK(space->inodes.available <= space->inodes.capacity);
  CHECK(absl::IsNotFound(ReadFilesystemSpace(root / "none").status()));
}

TEST_CASE("AppArmor: in the kernel, and on") {
  TempDir root;
  CHECK_FALSE(AppArmorEnabled(root.path()));
  WriteText(root / "sys/module/apparmor/parameters/enabled", "Y\n");
  CHECK_FALSE(AppArmorEnabled(root.path()));
  std::filesystem::create_directories(root / "sys/kernel/security/apparmor");
  CHECK(AppArmorEnabled(root.path()));
  WriteText(root / "sys/module/apparmor/parameters/enabled", "N\n");
  CHECK_FALSE(AppArmorEnabled(root.path()));
}

}  // namespace
}  // namespace kubelet::os
