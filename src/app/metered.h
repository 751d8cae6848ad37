// Ports of the runtime room with a clock beside them, for /metrics. Core loop only.
#pragma once

#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::app {

// kubelet_cgroup_manager_duration_seconds of what is done for pods.
class MeteredCgroups : public runtime::Cgroups {
 public:
  MeteredCgroups(runtime::Cgroups& cgroups, base::Clock& clock, base::Registry& metrics);

  base::Task<absl::StatusOr<std::string>> EnsurePod(api::PodPtr pod) override;
  base::Task<absl::Status> RemovePod(std::string uid) override;
  base::Task<absl::Status> LimitPod(api::PodPtr pod, runtime::PodLimits limits) override;
  int64_t OomScoreAdj(const api::core::Pod& pod, const api::core::Container& c) override {
    return cgroups_.OomScoreAdj(pod, c);
  }
  base::Task<absl::StatusOr<runtime::PodLimits>> ReadPod(api::PodPtr pod) override {
    return cgroups_.ReadPod(std::move(pod));
  }
  runtime::PodLimits WantedLimits(const api::core::Pod& pod) override {
    return cgroups_.WantedLimits(pod);
  }
  base::Task<absl::StatusOr<runtime::MemoryUse>> MemoryInUse(
      api::PodPtr pod, std::vector<std::string> containers) override {
    return cgroups_.MemoryInUse(std::move(pod), std::move(containers));
  }

 private:
  void Took(const char* operation, base::MonoTime since);

  runtime::Cgroups& cgroups_;
  base::Clock& clock_;
  base::Family<base::Histogram>& seconds_;
};

}  // namespace kubelet::app
