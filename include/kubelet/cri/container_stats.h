// The statistics half of CRI v1: runtime::ContainerStatsSource, and what else a runtime counts. See
// container_runtime.h for threads, codes and lifetimes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kubelet/cri/connection.h"
#include "kubelet/runtime/container_stats.h"

namespace kubelet::cri {

class GrpcContainerStats final : public runtime::ContainerStatsSource {
 public:
  // `connection` must outlive the tasks of this object.
  explicit GrpcContainerStats(const CriConnection& connection);
  ~GrpcContainerStats() override;

  template <typename T>
  using Result = base::Task<absl::StatusOr<T>>;

  Result<std::vector<runtime::ContainerStats>> ListContainerStats() override;
  // Internal when the runtime answers without statistics.
  Result<runtime::ContainerStats> ContainerStats(runtime::ContainerId id);

  // Unimplemented by containerd 1.6.
  Result<std::vector<runtime::PodStats>> ListPodSandboxStats();
  Result<runtime::PodStats> PodSandboxStats(runtime::SandboxId id);

  // What the runtime words as metrics; Unimplemented by containerd before 2.2. The descriptors hold
  // for as long as the runtime runs.
  Result<std::vector<runtime::MetricDescriptor>> ListMetricDescriptors();
  Result<std::vector<runtime::PodMetrics>> ListPodSandboxMetrics();

 private:
  std::shared_ptr<CriConnection::Core> core_;
};

}  // namespace kubelet::cri
