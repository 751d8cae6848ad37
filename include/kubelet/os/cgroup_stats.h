// What a control group uses and may use, read for statistics: few system calls, no allocation per
// file, one group at a time. Everything blocks for as long as small kernel files take. Thread safe.
//
// Names follow cgroup v1, as upstream's do (cAdvisor container/libcontainer, opencontainers/cgroups
// fs and fs2); v2 is put into the same terms: cache is `file`, rss is `anon`.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kubelet/base/time.h"
#include "kubelet/os/cgroup.h"

namespace kubelet::os {

// A line of a pressure file: time lost since the group was made, and shares of time in percent.
struct PressureLine {
  uint64_t total_us = 0;
  double avg10 = 0, avg60 = 0, avg300 = 0;
};
struct Pressure {
  PressureLine some, full;
};

// Traffic of a group with one block device. `seen` has bit `1 << operation` for what the kernel
// told.
struct IoTraffic {
  enum Operation { kRead, kWrite, kSync, kAsync, kDiscard, kTotal, kOperations };
  unsigned major = 0, minor = 0;
  std::array<uint64_t, kOperations> bytes{}, count{};
  unsigned seen_bytes = 0, seen_count = 0;
};
const char* IoOperationName(int operation);  // Read, Write, ...

struct CgroupUsage {
  uint64_t cpu_ns = 0;
  // kMemory
  uint64_t memory = 0, working_set = 0, rss = 0, cache = 0, mapped_file = 0, swap = 0;
  uint64_t active_file = 0, inactive_file = 0, page_faults = 0, major_page_faults = 0;
  // kDetails
  uint64_t cpu_user_ns = 0, cpu_system_ns = 0;
  // kBandwidth
  uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0, burst_periods = 0, burst_ns = 0;
  // kDetails
  uint64_t max_memory = 0, memory_failures = 0, kernel_memory = 0, oom_kills = 0;
  uint64_t threads = 0;
  // kIo
  std::vector<IoTraffic> io;
  // kPressure; absent in v1, and where the kernel has it switched off
  std::optional<Pressure> cpu_pressure, memory_pressure, io_pressure;
};

// No limit is kNoLimit for memory (what v1 rounds it to counts as such from 2^62 on), 0 elsewhere.
struct CgroupLimits {
  static constexpr uint64_t kNoLimit = ~uint64_t{0};
  uint64_t cpu_shares = 0, cpu_period_us = 0, cpu_quota_us = 0;
  uint64_t memory = kNoLimit, swap = kNoLimit, memory_reservation = 0;
  uint64_t threads = 0;
};

// CPU time and memory of a group with all below it. While neither moves no task has run there, and
// nothing was charged or given back: what else the group shows is as it was, but for traffic that
// the kernel makes on its own (network, writeback in v2) and averages over time.
struct CgroupPulse {
  uint64_t cpu_ns = 0, memory = 0;
  bool operator==(const CgroupPulse&) const = default;
};

// Reads it again and again from files that stay open (a read is a tenth of opening, reading and
// closing; about 4 KB of kernel memory for each of two files). Does not keep the group alive.
class CgroupPulseFiles {
 public:
  // NotFound: the group has gone, or never was there.
  absl::StatusOr<CgroupPulse> Read() const;

 private:
  friend class CgroupReader;
  std::shared_ptr<const void> open_;
  int cpu_ = -1, memory_ = -1;
  bool v2_ = false;
};

class CgroupReader {
 public:
  // kBandwidth is the CPU controller's, which means something where there is a quota.
  enum Part : unsigned {
    kCpu = 1,
    kMemory = 2,
    kDetails = 4,
    kPressure = 8,
    kIo = 16,
    kBandwidth = 32
  };
  // Controllers that are not mounted tell nothing. `proc` is /proc or a tree like it: the root of
  // v2 has no memory.current, so the machine's is told instead.
  explicit CgroupReader(const CgroupMounts& mounts, std::string proc = "/proc");

  bool v2() const { return v2_; }
  // The kernel keeps pressure per group.
  bool HasPressure() const { return pressure_; }
  // NotFound when the group is not there, or went away meanwhile: nothing of it counts then. What
  // this kernel does not have stays 0.
  absl::Status ReadUsage(const std::string& group, unsigned parts, CgroupUsage& out) const;
  absl::Status ReadLimits(const std::string& group, CgroupLimits& out) const;
  CgroupPulseFiles OpenPulse(const std::string& group) const;
  // When it was made, as far as the file system tells (v1: the smaller time of the directory and
  // of cgroup.clone_children).
  absl::StatusOr<base::WallTime> MadeAt(const std::string& group) const;
  bool Exists(const std::string& group) const;
  // Members of the group itself. Empty also when it is not there.
  std::vector<int> Processes(const std::string& group) const;
  // Names of the groups below it; as it has them in the memory (v1) or the only tree.
  std::vector<std::string> Children(const std::string& group) const;

 private:
  struct Files;
  void ReadCpu(Files& files, unsigned parts, CgroupUsage& out) const;
  bool ReadMemory(Files& files, unsigned parts, CgroupUsage& out) const;
  void ReadIo(Files& files, bool root, CgroupUsage& out) const;
  uint64_t SwapInUse() const;

  std::shared_ptr<const void> open_;  // the descriptors below
  // Whether the scheduler BFQ counts traffic (v1): as the root group said when it was last read.
  std::shared_ptr<std::atomic<bool>> bfq_ = std::make_shared<std::atomic<bool>>(true);
  std::string proc_;
  bool v2_ = false, pressure_ = false;
  int cpu_ = -1, cpuacct_ = -1, memory_ = -1, pids_ = -1, io_ = -1;
};

}  // namespace kubelet::os
