// The real cgroup filesystems of this machine, in a root of our own that is removed again. Needs
// root.
#include <signal.h>
#include <sys/wait.h>

#include <chrono>

#include "catch.h"
#include "kubelet/os/cgroup.h"
#include "os/temp_dir.h"

namespace kubelet::os {
namespace {

struct HostRoot {
  std::shared_ptr<const CgroupHierarchy> cgroups;
  std::string path = "/kubelet-test-" + std::to_string(getpid());
  ~HostRoot() {
    if (cgroups) cgroups->Remove(path).IgnoreError();
  }
  bool Open() {
    if (!test::NeedsRoot("real cgroups")) return false;
    auto opened = CgroupHierarchy::OpenHost();
    if (!opened.ok()) {
      std::cerr << "SKIPPED: " << opened.status() << "\n";
      return false;
    }
    cgroups = *opened;
    return true;
  }
  std::string Value(const std::string& group, const char* controller, const char* v1,
                    const char* v2) {
    auto text = cgroups->Read(path + group, controller, cgroups->v2() ? v2 : v1);
    return text.ok() ? *text : text.status().ToString();
  }
};

// A child process inside a group, which it joins in every hierarchy.
struct Occupant {
  pid_t pid = -1;
  Occupant(const CgroupHierarchy& cgroups, const std::string& group,
           const std::vector<std::string>& points) {
    pid = fork();
    if (pid == 0) {
      for (;;) pause();
    }
    for (const auto& point : points) {
      std::ofstream(point + group + "/cgroup.procs") << pid;
    }
    REQUIRE(cgroups.Processes(group).count(pid) == 1);
  }
  // True when it was killed by somebody.
  bool Died() {
    int status = 0;
    bool died =
        waitpid(pid, &status, WNOHANG) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    pid = died ? -1 : pid;
    return died;
  }
  ~Occupant() {
    if (pid <= 0) return;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
};

std::vector<std::string> Points() {
  auto mounts = DetectCgroups(*ReadMountinfo());
  std::vector<std::string> points;
  if (mounts.mode == CgroupMode::kV2) return {mounts.unified};
  for (const char* controller : {"cpu", "memory"}) points.push_back(mounts.v1.at(controller));
  return points;
}

TEST_CASE("real cgroups: create, read back, change, remove") {
  HostRoot host;
  if (!host.Open()) return;
  CgroupValues values{512, 50000, 100000, 64 << 20, 99, std::nullopt, {{"2MB", 0}}};
  std::string group = host.path + "/kubepods/pod1";
  auto lost = host.cgroups->Create(group, values);
  REQUIRE(lost.ok());
  for (const auto& limit : *lost) UNSCOPED_INFO(limit.status);
  CHECK(lost->empty());
  CHECK(host.cgroups->Exists(group));
  CHECK(host.Value("/kubepods/pod1", "cpu", "cpu.shares", "cpu.weight") ==
        (host.cgroups->v2() ? "20" : "512"));
  CHECK(host.Value("/kubepods/pod1", "cpu", "cpu.cfs_quota_us", "cpu.max") ==
        (host.cgroups->v2() ? "50000 100000" : "50000"));
  CHECK(host.Value("/kubepods/pod1", "memory", "memory.limit_in_bytes", "memory.max") ==
        std::to_string(64 << 20));
  CHECK(host.Value("/kubepods/pod1", "pids", "pids.max", "pids.max") == "99");
  if (!host.cgroups->v2()) CHECK_FALSE(host.cgroups->Read(group, "cpuset", "cpuset.cpus")->empty());
  // A longer period would break the quota of nobody; a shorter one must go in after the quota.
  values.cpu_period_us = 10000;
  values.cpu_quota_us = 1000;
  values.memory_bytes = -1;
  lost = host.cgroups->Apply(group, values);
  REQUIRE(lost.ok());
  CHECK(lost->empty());
  CHECK(host.Value("/kubepods/pod1", "cpu", "cpu.cfs_period_us", "cpu.max") ==
        (host.cgroups->v2() ? "1000 10000" : "10000"));
  REQUIRE(host.cgroups->Remove(host.path).ok());
  CHECK(host.cgroups->Children(host.path).empty());
  CHECK_FALSE(host.cgroups->Exists(host.path));
}

TEST_CASE("real cgroups: leftover processes are killed and leftover children removed") {
  HostRoot host;
  if (!host.Open()) return;
  REQUIRE(host.cgroups->Create(host.path + "/pod1/container", {}).ok());
  Occupant occupant(*host.cgroups, host.path + "/pod1/container", Points());
  REQUIRE(host.cgroups->Remove(host.path + "/pod1").ok());
  CHECK(occupant.Died());
  CHECK_FALSE(host.cgroups->Exists(host.path + "/pod1"));
  CHECK(host.cgroups->Exists(host.path));
}

TEST_CASE("real cgroups: a refused value is a lost limit, not a failure") {
  HostRoot host;
  if (!host.Open()) return;
  CgroupValues values;
  values.cpuset_cpus = "60000";
  values.cpu_shares = 100;
  auto lost = host.cgroups->Create(host.path, values);
  REQUIRE(lost.ok());
  REQUIRE(lost->size() == 1);
  CHECK(std::string(lost->front().status.message()).find("cpuset.cpus") != std::string::npos);
  CHECK(host.Value("", "cpu", "cpu.shares", "cpu.weight") == (host.cgroups->v2() ? "4" : "100"));
}

TEST_CASE("real cgroups: a hundred pods come and go without a trace") {
  HostRoot host;
  if (!host.Open()) return;
  REQUIRE(host.cgroups->Create(host.path + "/kubepods/burstable", {}).ok());
  CgroupValues values{512, 50000, 100000, 64 << 20, 99, std::nullopt, {}};
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    REQUIRE(host.cgroups->Create(host.path + "/kubepods/burstable/pod" + std::to_string(i), values)
                ->empty());
  }
  auto created = std::chrono::steady_clock::now();
  CHECK(host.cgroups->Children(host.path + "/kubepods/burstable").size() == 100);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(host.cgroups->Remove(host.path + "/kubepods/burstable/pod" + std::to_string(i)).ok());
  }
  auto removed = std::chrono::steady_clock::now();
  CHECK(host.cgroups->Children(host.path + "/kubepods/burstable").empty());
  using Micros = std::chrono::duration<double, std::micro>;
  std::cerr << "pod cgroup: create " << Micros(created - start).count() / 100 << " us, remove "
            << Micros(removed - created).count() / 100 << " us\n";
}

}  // namespace
}  // namespace kubelet::os
