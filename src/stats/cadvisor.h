// The text of /metrics/cadvisor, and of /metrics/resource. Pure: samples in, text out. Internal to
// the room.
#pragma once

#include <string>

#include "kubelet/base/metric_text.h"
#include "stats/collector.h"

namespace kubelet::stats {

// Facts of the machine that do not change, as labels and values.
struct MachineFacts {
  std::string labels;   // boot_id, machine_id, system_uuid
  std::string version;  // labels of cadvisor_version_info
  uint64_t cpus = 0, cores = 0, sockets = 0, memory = 0, swap = 0;
  base::WallTime at;
};
MachineFacts FactsOf(const os::Machine& machine, const os::CpuLayout& layout, base::WallTime now);

std::string CadvisorText(const Collector& collector, const MachineFacts& machine,
                         base::MetricForm form, base::WallTime now);
std::string ResourceText(const Collector& collector, base::MetricForm form);

}  // namespace kubelet::stats
