#include "kubelet/resource/alignment.h"

namespace kubelet::resource {

AlignmentCounts::AlignmentCounts(base::Registry& metrics)
    : aligned_(metrics.AddCounter("kubelet_container_aligned_compute_resources_count",
                                  "Cumulative number of aligned compute resources allocated to "
                                  "containers by alignment type.",
                                  {"scope", "boundary"})),
      failed_(metrics.AddCounter("kubelet_container_aligned_compute_resources_failure_count",
                                 "Cumulative number of failures to allocate aligned compute "
                                 "resources to containers by alignment type.",
                                 {"scope", "boundary"})) {}

void AlignmentCounts::Count(bool aligned, const std::string& scope, const std::string& boundary) {
  (aligned ? aligned_ : failed_).With({scope, boundary}).Add();
}

void AlignmentCounts::Show(bool aligned, const std::string& scope, const std::string& boundary) {
  (aligned ? aligned_ : failed_).With({scope, boundary});
}

}  // namespace kubelet::resource
