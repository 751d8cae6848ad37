// What the machine has, whatever runs on it: the families `machine_…` of /metrics/cadvisor, and
// its labels there. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "kubelet/base/clock.h"
#include "kubelet/os/machine.h"
#include "kubelet/os/proc_stats.h"

namespace kubelet::stats {

class FamilyWriter;

// Facts of the machine that do not change, as labels and values.
struct MachineFacts {
  std::string labels;   // boot_id, machine_id, system_uuid
  std::string version;  // labels of cadvisor_version_info
  uint64_t cpus = 0, cores = 0, sockets = 0, memory = 0, swap = 0;
  base::WallTime at;
};
MachineFacts FactsOf(const os::Machine& machine, const os::CpuLayout& layout, base::WallTime now);

void WriteMachine(const MachineFacts& machine, FamilyWriter& out);

}  // namespace kubelet::stats
