// How often what a container got lies together as it was asked for:
// kubelet_container_aligned_compute_resources_count and ..._failure_count. Core loop only.
#pragma once

#include <string>

#include "kubelet/base/metrics.h"

namespace kubelet::resource {

inline constexpr char kPhysicalCpuBoundary[] = "physical_cpu";
inline constexpr char kUncoreBoundary[] = "uncore_cache";
inline constexpr char kNumaBoundary[] = "numa_node";

class AlignmentCounts {
 public:
  explicit AlignmentCounts(base::Registry& metrics);
  // `scope`: container, pod; `boundary`: one of those above.
  void Count(bool aligned, const std::string& scope, const std::string& boundary);
  // Shows a series that has counted nothing yet.
  void Show(bool aligned, const std::string& scope, const std::string& boundary);

 private:
  base::Family<base::Counter>&aligned_, &failed_;
};

}  // namespace kubelet::resource
