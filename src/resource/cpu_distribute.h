// How many CPUs each NUMA node gives when they shall be spread evenly. Pure. Facts:
// pkg/kubelet/cm/cpumanager/cpu_assignment.go, 1.36, and KEP-2902.
#pragma once

#include <vector>

#include "resource/cpu_layout.h"

namespace kubelet::resource {

struct CpuShare {
  int node = 0, cpus = 0;
};

// In the order in which they are to be taken; a node may have two shares. Empty: no even shares are
// possible, or `count` is not made of whole groups.
std::vector<CpuShare> DistributeCpus(const CpuLayout& layout, const CpuSet& available, int count,
                                     int group);

}  // namespace kubelet::resource
