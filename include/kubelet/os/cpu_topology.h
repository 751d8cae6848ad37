// How CPUs and memory of this machine lie: sockets, NUMA nodes, cores, caches, out of
// /sys/devices/system under a root directory. Blocks; read once, at the start.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::os {

// A CPU is what the kernel schedules on: a hardware thread.
struct CpuPlace {
  int cpu = 0;
  int core = 0;    // the lowest CPU of its core: numbers of the kernel repeat on other sockets
  int socket = 0;  // physical_package_id
  int numa = 0;    // the socket on a kernel without NUMA
  // Of the last level cache above L2 that does not serve a whole NUMA node; the socket where there
  // is none. By this the Go kubelet knows them (cadvisor, sysinfo.go).
  int uncore = 0;
};

struct NumaNode {
  int id = 0;
  int64_t memory_bytes = 0;               // 0: not known
  std::map<int64_t, int64_t> huge_pages;  // page size in bytes -> pages
  std::vector<int> distances;             // to each node, itself included, by their order
};

struct CpuTopology {
  std::vector<CpuPlace> cpus;   // online ones, ascending
  std::vector<NumaNode> nodes;  // ascending; also those without CPUs
};

// FailedPrecondition names the file without which there is no telling.
absl::StatusOr<CpuTopology> ReadCpuTopology(const std::string& root = "");

}  // namespace kubelet::os
