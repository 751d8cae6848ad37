// Hierarchies out of plain directories; the kernel's part (a new group is filled with files, rmdir
// ignores them) is played by the test.
#include <fcntl.h>

#include "catch.h"
#include "kubelet/os/cgroup.h"
#include "kubelet/os/cgroup_driver.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

using test::ReadText;
using test::TempDir;
using test::WriteText;

std::string PathOf(int dir_fd) {
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(dir_fd)).string();
}

struct FakeKernel {
  TempDir root;
  bool v2 = false;
  std::string v2_controllers = "cpuset cpu io memory pids";
  bool delegates = true;  // what is written to subtree_control works
  int made = 0;

  void Fill(const std::string& group) {
    if (v2) {
      std::string parent = std::filesystem::path(group).parent_path().string();
      WriteText(group + "/cgroup.controllers",
                group == root.path() ? v2_controllers : Granted(parent));
      for (const char* file : {"cgroup.subtree_control", "cgroup.kill"})
        WriteText(group + "/" + file, "");
      WriteText(group + "/cgroup.events", "populated 0\nfrozen 0\n");
      for (const char* file : {"cpu.weight", "cpu.max", "memory.max", "pids.max"})
        WriteText(group + "/" + file, "");
    } else {
      for (const char* file : {"cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us",
                               "memory.limit_in_bytes", "pids.max", "cpuset.cpus", "cpuset.mems"}) {
        WriteText(group + "/" + file, "");
      }
    }
    WriteText(group + "/cgroup.procs", "");
  }

  // `+cpu +memory` of the parent's subtree_control as controllers of a child.
  std::string Granted(const std::string& parent) {
    std::string text = ReadText(parent + "/cgroup.subtree_control");
    std::erase(text, '+');
    return delegates ? text : "";
  }

  CgroupHierarchy::Options Options() {
    CgroupHierarchy::Options options;
    options.removal_patience = std::chrono::milliseconds(0);
    options.calls.make_group = [this](int dir_fd, const std::string& path) {
      std::string group = PathOf(dir_fd) + "/" + path;
      if (mkdir(group.c_str(), 0755) != 0) return errno;
      ++made;
      Fill(group);
      return 0;
    };
    options.calls.remove_group = [](int dir_fd, const std::string& path) {
      std::filesystem::path group = PathOf(dir_fd) + "/" + path;
      if (!std::filesystem::exists(group)) return ENOENT;
      if (!ReadText(group / "cgroup.procs").empty()) return EBUSY;
      for (const auto& entry : std::filesystem::directory_iterator(group)) {
        if (entry.is_directory()) return EBUSY;
      }
      std::filesystem::remove_all(group);
      return 0;
    };
    return options;
  }

  CgroupMounts Mounts(const std::vector<std::string>& controllers) {
    CgroupMounts mounts;
    mounts.mode = v2 ? CgroupMode::kV2 : CgroupMode::kV1;
    if (v2) {
      mounts.unified = root.path();
      Fill(root.path());
      return mounts;
    }
    for (const auto& controller : controllers) {
      mounts.v1[controller] = root / controller;
      Fill(root / controller);
    }
    if (mounts.v1.count("cpuset") != 0) {
      WriteText(root / "cpuset/cpuset.cpus", "0-1\n");
      WriteText(root / "cpuset/cpuset.mems", "0\n");
    }
    return mounts;
  }
};

const std::vector<std::string> kControllers = {"cpu",    "cpuacct", "cpuset",
                                               "memory", "pids",    "devices"};
const CgroupValues kValues{512, 50000, 100000, 1 << 20, 99, std::nullopt, {{"2MB", 0}}};

TEST_CASE("swap is limited where the kernel has the file for it") {
  FakeKernel v1;
  auto one = CgroupHierarchy::Open(v1.Mounts(kControllers), v1.Options());
  REQUIRE(one.ok());
  CHECK_FALSE(CountsSwap(**one, "/a"));
  WriteText(v1.root / "memory/memory.memsw.limit_in_bytes", "9223372036854771712\n");
  CHECK(CountsSwap(**one, "/a"));

  FakeKernel v2;
  v2.v2 = true;
  auto two = CgroupHierarchy::Open(v2.Mounts({}), v2.Options());
  REQUIRE(two.ok());
  WriteText(v2.root / "a/cgroup.procs", "");
  CHECK_FALSE(CountsSwap(**two, "/a"));
  WriteText(v2.root / "a/memory.swap.max", "max\n");
  CHECK(CountsSwap(**two, "/a"));
  CHECK_FALSE(CountsSwap(**two, "/"));
  CHECK_FALSE(CountsSwap(**two, "/../.."));  // seen from inside a cgroup namespace
}

TEST_CASE("v1: a group is made in every hierarchy that is used, with parents and values") {
  FakeKernel kernel;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts(kControllers), kernel.Options());
  REQUIRE(cgroups.ok());
  CHECK_FALSE((*cgroups)->v2());
  auto lost = (*cgroups)->Create("/a/b/c", kValues);
  REQUIRE(lost.ok());
  CHECK(lost->empty());  // no huge pages on this machine is no loss
  CHECK((*cgroups)->Exists("/a/b/c"));
  CHECK_FALSE((*cgroups)->Exists("/a/b/d"));
  CHECK_FALSE(std::filesystem::exists(kernel.root / "devices/a"));
  CHECK(ReadText(kernel.root / "cpu/a/b/c/cpu.shares") == "512");
  CHECK(ReadText(kernel.root / "cpu/a/b/c/cpu.cfs_quota_us") == "50000");
  CHECK(ReadText(kernel.root / "memory/a/b/c/memory.limit_in_bytes") == "1048576");
  CHECK(ReadText(kernel.root / "pids/a/b/c/pids.max") == "99");
  CHECK(ReadText(kernel.root / "cpuset/a/b/c/cpuset.cpus") == "0-1");
  CHECK(ReadText(kernel.root / "cpuset/a/b/c/cpuset.mems") == "0");
  CHECK(ReadText(kernel.root / "cpu/a/b/cpu.shares").empty());  // a parent has no values of its own
  CHECK((*cgroups)->Read("/a/b/c", "pids", "pids.max").value() == "99");
  CHECK((*cgroups)->Children("/a/b") == std::set<std::string>{"c"});
}

TEST_CASE("a group that is there is only written where it differs") {
  FakeKernel kernel;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts(kControllers), kernel.Options());
  REQUIRE((*cgroups)->Create("/a", kValues).ok());
  int made = kernel.made;
  WriteText(kernel.root / "cpu/a/cpu.shares", "2\n");
  WriteText(kernel.root / "pids/a/pids.max", "99\n");
  REQUIRE((*cgroups)->Create("/a", kValues)->empty());
  CHECK(kernel.made == made);
  CHECK(ReadText(kernel.root / "cpu/a/cpu.shares") == "512");
  CHECK(ReadText(kernel.root / "pids/a/pids.max") ==
        "99\n");  // untouched: our own text has no newline
  CHECK(absl::IsNotFound((*cgroups)->Apply("/b", kValues).status()));
}

TEST_CASE("what cannot be set is a lost limit that names file and value") {
  FakeKernel kernel;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts({"cpu", "cpuacct", "cpuset", "memory"}),
                                       kernel.Options());
  REQUIRE(cgroups.ok());
  REQUIRE((*cgroups)->Create("/a", {}).ok());
  std::filesystem::remove(kernel.root / "memory/a/memory.limit_in_bytes");
  auto lost = (*cgroups)->Apply("/a", kValues);
  REQUIRE(lost.ok());
  REQUIRE(lost->size() == 2);
  CHECK((*lost)[1].file == "pids.max");
  CHECK(std::string((*lost)[0].status.message()).find("memory/a/memory.limit_in_bytes") !=
        std::string::npos);
  CHECK(std::string((*lost)[0].status.message()).find("1048576") != std::string::npos);
  CHECK(std::string((*lost)[1].status.message()).find("pids.max=99") != std::string::npos);
  CHECK(ReadText(kernel.root / "cpu/a/cpu.shares") == "512");
}

TEST_CASE("v1 without a required controller is refused by name") {
  FakeKernel kernel;
  auto cgroups =
      CgroupHierarchy::Open(kernel.Mounts({"cpu", "cpuacct", "cpuset"}), kernel.Options());
  REQUIRE(absl::IsFailedPrecondition(cgroups.status()));
  CHECK(std::string(cgroups.status().message()).find("memory") != std::string::npos);
  CHECK(absl::IsFailedPrecondition(CgroupHierarchy::Open({}, {}).status()));
}

TEST_CASE("v2: controllers are enabled from the root down, and only where they are missing") {
  FakeKernel kernel;
  kernel.v2 = true;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts({}), kernel.Options());
  REQUIRE(cgroups.ok());
  CHECK((*cgroups)->controllers() == std::set<std::string>{"cpu", "cpuset", "memory", "pids"});
  // The parents first, as EnsureRoot does it: in a fake tree they see what they were given at their
  // making.
  REQUIRE((*cgroups)->Create("/a", {}).status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(ReadText(kernel.root / "cgroup.subtree_control") == "+cpu +cpuset +memory +pids");
  WriteText(kernel.root / "a/cgroup.controllers", "cpu cpuset memory pids");
  REQUIRE((*cgroups)->Create("/a", {}).ok());
  WriteText(kernel.root / "a/cgroup.subtree_control", "cpu memory\n");
  WriteText(kernel.root / "cgroup.subtree_control", "cpu cpuset memory pids\n");
  kernel.delegates = false;
  auto refused = (*cgroups)->Create("/a/b", {});
  // More than once: systemd may take a controller away again. This tree shows what was written, not
  // what it does.
  CHECK(ReadText(kernel.root / "a/cgroup.subtree_control").find("+cpuset") != std::string::npos);
  CHECK(ReadText(kernel.root / "cgroup.subtree_control") == "cpu cpuset memory pids\n");
  REQUIRE(absl::IsFailedPrecondition(refused.status()));
  CHECK(std::string(refused.status().message())
            .find("a/b lacks controllers cpu cpuset memory pids") != std::string::npos);
}

TEST_CASE("v2: values of a group whose controllers are there") {
  FakeKernel kernel;
  kernel.v2 = true;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts({}), kernel.Options());
  WriteText(kernel.root / "cgroup.subtree_control", "cpu cpuset memory pids");
  auto lost = (*cgroups)->Create("/a", kValues);
  REQUIRE(lost.ok());
  CHECK(lost->empty());
  CHECK(ReadText(kernel.root / "a/cpu.weight") == "20");
  CHECK(ReadText(kernel.root / "a/cpu.max") == "50000 100000");
  CHECK(ReadText(kernel.root / "a/memory.max") == "1048576");
}

TEST_CASE(
    "removal goes bottom up through leftover children, in hierarchies that are not ours as well") {
  FakeKernel kernel;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts(kControllers), kernel.Options());
  REQUIRE((*cgroups)->Create("/a/b/c", {}).ok());
  REQUIRE((*cgroups)->Create("/a/b/d", {}).ok());
  std::filesystem::create_directories(kernel.root / "devices/a/b/left");
  WriteText(kernel.root / "devices/a/b/left/cgroup.procs", "");
  REQUIRE((*cgroups)->Remove("/a/b").ok());
  for (const auto& controller : kControllers)
    CHECK_FALSE(std::filesystem::exists(kernel.root / (controller + "/a/b")));
  CHECK(std::filesystem::exists(kernel.root / "cpu/a"));
  CHECK((*cgroups)->Remove("/a/b").ok());  // absent
}

TEST_CASE("removal that is stuck names what is in the way") {
  FakeKernel kernel;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts(kControllers), kernel.Options());
  REQUIRE((*cgroups)->Create("/a", {}).ok());
  WriteText(kernel.root / "memory/a/cgroup.procs",
            "0\n");  // of another PID namespace: nobody we could kill
  auto status = (*cgroups)->Remove("/a");
  REQUIRE(absl::IsUnavailable(status));
  CHECK(std::string(status.message()).find("PID namespace") != std::string::npos);
}

TEST_CASE("v2: removal kills through cgroup.kill") {
  FakeKernel kernel;
  kernel.v2 = true;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts({}), kernel.Options());
  WriteText(kernel.root / "cgroup.subtree_control", "cpu cpuset memory pids");
  REQUIRE((*cgroups)->Create("/a", {}).ok());
  WriteText(kernel.root / "a/cgroup.procs", "4194000\n");
  CHECK(absl::IsUnavailable((*cgroups)->Remove("/a")));
  CHECK(ReadText(kernel.root / "a/cgroup.kill") == "1");
}

TEST_CASE("this very process is never killed") {
  FakeKernel kernel;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts(kControllers), kernel.Options());
  REQUIRE((*cgroups)->Create("/a", {}).ok());
  WriteText(kernel.root / "cpu/a/cgroup.procs", std::to_string(getpid()) + "\n");
  CHECK(absl::IsFailedPrecondition((*cgroups)->Remove("/a")));
}

TEST_CASE("paths that could lead elsewhere are refused") {
  FakeKernel kernel;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts(kControllers), kernel.Options());
  for (const char* path : {"", "a", "/a/../b", "/a//b", "/a/", "/./a"}) {
    INFO(path);
    CHECK(absl::IsInvalidArgument((*cgroups)->Create(path, {}).status()));
    CHECK(absl::IsInvalidArgument((*cgroups)->Remove(path)));
  }
  CHECK(absl::IsInvalidArgument((*cgroups)->Remove("/")));
}

struct FakeUnits : UnitManager {
  std::vector<std::string>* log;
  bool exists = false;
  explicit FakeUnits(std::vector<std::string>* l) : log(l) {}
  int version() const override { return 252; }
  absl::Status StartTransient(const std::string& unit, const UnitProperties& properties) override {
    log->push_back("start " + unit + " " + std::to_string(properties.size()));
    return exists ? absl::AlreadyExistsError(unit) : absl::OkStatus();
  }
  absl::Status SetProperties(const std::string& unit, const UnitProperties& properties) override {
    log->push_back("set " + unit + " " + std::to_string(properties.size()));
    return absl::OkStatus();
  }
  absl::Status Stop(const std::string& unit) override {
    log->push_back("stop " + unit);
    return absl::OkStatus();
  }
};

TEST_CASE("the systemd driver asks for a slice, and adds what systemd does not do") {
  FakeKernel kernel;
  auto cgroups = CgroupHierarchy::Open(kernel.Mounts(kControllers), kernel.Options());
  std::vector<std::string> log;
  auto units = std::make_unique<FakeUnits>(&log);
  auto* fake = units.get();
  auto driver = MakeSystemdDriver(*cgroups, std::move(units));
  CgroupName name = {"kubepods", "pod1-2"};
  REQUIRE(driver->Create(name, kValues)->empty());
  CHECK(ReadText(kernel.root / "cpu/kubepods.slice/kubepods-pod1_2.slice/cpu.shares") == "512");
  fake->exists = true;
  REQUIRE(driver->Create(name, kValues).ok());
  REQUIRE(driver->Update(name, kValues).ok());
  REQUIRE(driver->Remove(name).ok());
  CHECK_FALSE((*cgroups)->Exists(driver->Path(name)));
  std::string unit = "kubepods-pod1_2.slice";
  CHECK(log == std::vector<std::string>{"start " + unit + " 12", "start " + unit + " 12",
                                        "set " + unit + " 5", "set " + unit + " 5",
                                        "stop " + unit});
  CHECK(driver->ChildComponent({"kubepods"}, "kubepods-pod1_2.slice") == "pod1-2");
  CHECK(driver->ChildComponent({"kubepods"}, "kubepods-burstable-pod1_2.slice") == std::nullopt);
  CHECK(driver->ChildComponent({"kubepods"}, "other-pod1_2.slice") == std::nullopt);
  CHECK(driver->ChildComponent({"kubepods"}, "kubepods-pod1.scope") == std::nullopt);
}

TEST_CASE("without systemd the connection says so") {
  auto manager = ConnectSystemd("unix:path=/no/such/socket");
  CHECK(absl::IsUnavailable(manager.status()));
}

}  // namespace
}  // namespace kubelet::os
