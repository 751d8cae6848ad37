// Control groups out of plain directories, as v1 or v2 has them; and a /proc beside.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "catch.h"
#include "kubelet/os/cgroup.h"
#include "os/temp_dir.h"

namespace kubelet::test {

// What a group shows. The defaults are such that no two figures are alike.
struct GroupNumbers {
  uint64_t cpu_us = 1'500'000, user_us = 1'000'000, system_us = 500'000;
  uint64_t memory = 9'000'000, cache = 4'000'000, rss = 3'000'000, mapped = 2'000'000;
  uint64_t active = 1'500'000, inactive = 1'000'000, swap = 70'000;
  uint64_t faults = 123, major_faults = 7, max_memory = 9'500'000, oom_kills = 2;
  std::string memory_limit;  // empty: none
  uint64_t quota_us = 0, periods = 40, throttled = 4, throttled_us = 2'500'000;
  uint64_t threads = 5;
  std::vector<int> pids;
};

class CgroupTree {
 public:
  explicit CgroupTree(bool v2) : v2_(v2) {
    for (const char* controller : {"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio"}) {
      if (!v2) std::filesystem::create_directories(root_ / controller);
    }
    if (v2) {
      mounts_ = {os::CgroupMode::kV2, {}, root_.path()};
      WriteText(root_ / "cgroup.controllers", "cpuset cpu io memory pids\n");
      WriteText(root_ / "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    } else {
      mounts_.mode = os::CgroupMode::kV1;
      for (const char* controller : {"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio"})
        mounts_.v1[controller] = root_ / controller;
    }
  }
  const os::CgroupMounts& mounts() const { return mounts_; }
  std::string Proc(const std::string& file) const { return root_ / ("proc/" + file); }
  std::string root() const { return root_.path(); }

  void Set(const std::string& group, const GroupNumbers& n) const {
    v2_ ? SetV2(group, n) : SetV1(group, n);
  }
  void Remove(const std::string& group) const {
    std::vector<std::string> tops = {""};
    if (!v2_) tops = {"/cpu", "/cpuacct", "/cpuset", "/memory", "/pids", "/blkio"};
    for (const auto& top : tops) std::filesystem::remove_all(root_.path() + top + group);
  }
  // As a group that is just going: some files are there no longer.
  void RemoveFile(const std::string& controller, const std::string& group,
                  const std::string& file) const {
    std::filesystem::remove(root_.path() + (v2_ ? "" : "/" + controller) + group + "/" + file);
  }
  void Write(const std::string& controller, const std::string& group, const std::string& file,
             const std::string& text) const {
    WriteText(
        root_.path() + (v2_ ? "" : "/" + controller) + (group == "/" ? "" : group) + "/" + file,
        text);
  }

 private:
  static std::string Pids(const GroupNumbers& n) {
    std::string out;
    for (int pid : n.pids) out += std::to_string(pid) + "\n";
    return out;
  }
  static std::string S(uint64_t value) { return std::to_string(value); }

  void SetV1(const std::string& g, const GroupNumbers& n) const {
    Write("cpuacct", g, "cpuacct.usage", S(n.cpu_us * 1000) + "\n");
    Write("cpuacct", g, "cpuacct.stat",
          "user " + S(n.user_us / 10'000) + "\nsystem " + S(n.system_us / 10'000) + "\n");
    Write("cpu", g, "cpu.stat",
          "nr_periods " + S(n.periods) + "\nnr_throttled " + S(n.throttled) + "\nthrottled_time " +
              S(n.throttled_us * 1000) + "\n");
    Write("cpu", g, "cpu.shares", "512\n");
    Write("cpu", g, "cpu.cfs_period_us", "100000\n");
    Write("cpu", g, "cpu.cfs_quota_us", n.quota_us == 0 ? "-1\n" : S(n.quota_us) + "\n");
    Write("cpu", g, "cgroup.procs", Pids(n));
    Write("memory", g, "memory.stat",
          "cache 1\nrss 2\ninactive_file 3\npgfault " + S(n.faults) + "\npgmajfault " +
              S(n.major_faults) + "\ntotal_cache " + S(n.cache) + "\ntotal_rss " + S(n.rss) +
              "\ntotal_mapped_file " + S(n.mapped) + "\ntotal_swap " + S(n.swap) +
              "\ntotal_active_file " + S(n.active) + "\ntotal_inactive_file " + S(n.inactive) +
              "\n");
    Write("memory", g, "memory.usage_in_bytes", S(n.memory) + "\n");
    Write("memory", g, "memory.max_usage_in_bytes", S(n.max_memory) + "\n");
    Write("memory", g, "memory.failcnt", "3\n");
    Write("memory", g, "memory.kmem.usage_in_bytes", "40000\n");
    Write("memory", g, "memory.oom_control",
          "oom_kill_disable 0\nunder_oom 0\noom_kill " + S(n.oom_kills) + "\n");
    Write("memory", g, "memory.limit_in_bytes",
          (n.memory_limit.empty() ? "9223372036854771712" : n.memory_limit) + "\n");
    Write("memory", g, "memory.memsw.limit_in_bytes", "9223372036854771712\n");
    Write("memory", g, "memory.soft_limit_in_bytes", "9223372036854771712\n");
    Write("memory", g, "cgroup.clone_children", "0\n");
    Write("pids", g, "pids.current", S(n.threads) + "\n");
    Write("pids", g, "pids.max", "max\n");
    Write("blkio", g, "blkio.throttle.io_serviced_recursive",
          "8:0 Read 11\n8:0 Write 12\n8:0 Total 23\nTotal 23\n");
    Write("blkio", g, "blkio.throttle.io_service_bytes_recursive",
          "8:0 Read 4096\n8:0 Write 8192\n8:0 Total 12288\nTotal 12288\n");
    Write("blkio", g, "blkio.bfq.io_serviced_recursive", "Total 0\n");
  }

  void SetV2(const std::string& g, const GroupNumbers& n) const {
    Write("", g, "cpu.stat",
          "usage_usec " + S(n.cpu_us) + "\nuser_usec " + S(n.user_us) + "\nsystem_usec " +
              S(n.system_us) + "\nnr_periods " + S(n.periods) + "\nnr_throttled " + S(n.throttled) +
              "\nthrottled_usec " + S(n.throttled_us) + "\nnr_bursts 0\nburst_usec 0\n");
    Write("", g, "cpu.weight", "20\n");
    Write("", g, "cpu.max", (n.quota_us == 0 ? "max" : S(n.quota_us)) + " 100000\n");
    Write("", g, "memory.stat",
          "anon " + S(n.rss) + "\nfile " + S(n.cache) + "\nkernel 40000\nfile_mapped " +
              S(n.mapped) + "\nactive_file " + S(n.active) + "\ninactive_file " + S(n.inactive) +
              "\npgfault " + S(n.faults) + "\npgmajfault " + S(n.major_faults) + "\n");
    if (g != "/") {
      Write("", g, "memory.current", S(n.memory) + "\n");
      Write("", g, "memory.peak", S(n.max_memory) + "\n");
      Write("", g, "memory.max", (n.memory_limit.empty() ? "max" : n.memory_limit) + "\n");
      Write("", g, "memory.min", "0\n");
      Write("", g, "memory.swap.current", S(n.swap) + "\n");
      Write("", g, "memory.swap.max", "0\n");
      Write("", g, "memory.events",
            "low 0\nhigh 0\nmax 3\noom 2\noom_kill " + S(n.oom_kills) + "\n");
      Write("", g, "cgroup.events", "populated 1\nfrozen 0\n");
      Write("", g, "pids.current", S(n.threads) + "\n");
      Write("", g, "pids.max", "max\n");
    }
    Write("", g, "io.stat", "8:0 rbytes=4096 wbytes=8192 rios=11 wios=12 dbytes=0 dios=0\n");
    Write("", g, "cpu.pressure",
          "some avg10=1.50 avg60=0.25 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 "
          "avg300=0.00 total=1500\n");
    Write("", g, "memory.pressure",
          "some avg10=0.00 avg60=0.00 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 "
          "total=66\n");
    Write("", g, "io.pressure",
          "some avg10=0.00 avg60=0.00 avg300=0.00 total=55\nfull avg10=0.00 avg60=0.00 avg300=0.00 "
          "total=44\n");
    Write("", g, "cgroup.procs", Pids(n));
  }

  TempDir root_;
  bool v2_;
  os::CgroupMounts mounts_;
};

}  // namespace kubelet::test
