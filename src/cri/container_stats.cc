#include "kubelet/cri/container_stats.h"

#include "cri/call.h"
#include "cri/convert.h"
#include "cri/list.h"

namespace kubelet::cri {

using Stub = v1::RuntimeService::Stub;

GrpcContainerStats::GrpcContainerStats(const CriConnection& connection)
    : core_(connection.core()) {}
GrpcContainerStats::~GrpcContainerStats() = default;

base::Task<absl::StatusOr<std::vector<runtime::ContainerStats>>>
GrpcContainerStats::ListContainerStats() {
  return ListAll<ContainerStatsList>(core_, v1::ListContainerStatsRequest());
}

base::Task<absl::StatusOr<runtime::ContainerStats>> GrpcContainerStats::ContainerStats(
    runtime::ContainerId id) {
  auto call = NewCall<v1::ContainerStatsRequest, v1::ContainerStatsResponse>();
  call->request.set_container_id(id.str());
  absl::Status status =
      co_await Invoke(core_, "container_stats", core_->runtime.get(),
                      &Stub::PrepareAsyncContainerStats, call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (!call->response.has_stats()) co_return Incomplete("ContainerStats", "statistics");
  co_return FromProto(call->response.stats());
}

base::Task<absl::StatusOr<std::vector<runtime::PodStats>>>
GrpcContainerStats::ListPodSandboxStats() {
  return ListAll<SandboxStatsList>(core_, v1::ListPodSandboxStatsRequest());
}

base::Task<absl::StatusOr<runtime::PodStats>> GrpcContainerStats::PodSandboxStats(
    runtime::SandboxId id) {
  auto call = NewCall<v1::PodSandboxStatsRequest, v1::PodSandboxStatsResponse>();
  call->request.set_pod_sandbox_id(id.str());
  absl::Status status =
      co_await Invoke(core_, "podsandbox_stats", core_->runtime.get(),
                      &Stub::PrepareAsyncPodSandboxStats, call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (!call->response.has_stats()) co_return Incomplete("PodSandboxStats", "statistics");
  co_return FromProto(call->response.stats());
}

base::Task<absl::StatusOr<std::vector<runtime::MetricDescriptor>>>
GrpcContainerStats::ListMetricDescriptors() {
  auto call = NewCall<v1::ListMetricDescriptorsRequest, v1::ListMetricDescriptorsResponse>();
  absl::Status status = co_await Invoke(core_, "list_metric_descriptors", core_->runtime.get(),
                                        &Stub::PrepareAsyncListMetricDescriptors, call,
                                        core_->options.request_timeout);
  if (!status.ok()) co_return status;
  std::vector<runtime::MetricDescriptor> out;
  for (const auto& descriptor : call->response.descriptors()) out.push_back(FromProto(descriptor));
  co_return out;
}

base::Task<absl::StatusOr<std::vector<runtime::PodMetrics>>>
GrpcContainerStats::ListPodSandboxMetrics() {
  return ListAll<SandboxMetricsList>(core_, v1::ListPodSandboxMetricsRequest());
}

}  // namespace kubelet::cri
