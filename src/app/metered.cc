#include "app/metered.h"

namespace kubelet::app {

using base::Task;

MeteredCgroups::MeteredCgroups(runtime::Cgroups& cgroups, base::Clock& clock,
                               base::Registry& metrics)
    : cgroups_(cgroups),
      clock_(clock),
      seconds_(metrics.AddHistogram(
          "kubelet_cgroup_manager_duration_seconds",
          "Duration in seconds for cgroup manager operations. Broken down by method.",
          base::DefaultBuckets(), {"operation_type"})) {}

void MeteredCgroups::Took(const char* operation, base::MonoTime since) {
  seconds_.With({operation}).Observe(std::chrono::duration<double>(clock_.Mono() - since).count());
}

Task<absl::StatusOr<std::string>> MeteredCgroups::EnsurePod(api::PodPtr pod) {
  auto since = clock_.Mono();
  auto result = co_await cgroups_.EnsurePod(std::move(pod));
  Took("create", since);
  co_return result;
}

Task<absl::Status> MeteredCgroups::RemovePod(std::string uid) {
  auto since = clock_.Mono();
  auto result = co_await cgroups_.RemovePod(std::move(uid));
  Took("destroy", since);
  co_return result;
}

Task<absl::Status> MeteredCgroups::LimitPod(api::PodPtr pod, runtime::PodLimits limits) {
  auto since = clock_.Mono();
  auto result = co_await cgroups_.LimitPod(std::move(pod), std::move(limits));
  Took("update", since);
  co_return result;
}

}  // namespace kubelet::app
