#include "kubelet/status/terminations.h"

#include <algorithm>
#include <string>

namespace kubelet::status {
namespace {

using Statuses = google::protobuf::RepeatedPtrField<api::core::ContainerStatus>;

bool EndedIn(const Statuses& statuses, const std::string& name) {
  return std::any_of(statuses.begin(), statuses.end(), [&](const auto& container) {
    return container.name() == name && container.state().has_terminated();
  });
}

void CountOf(const char* type, const Statuses& before, const Statuses& now,
             base::Family<base::Counter>& ended) {
  for (const auto& container : now) {
    if (!container.state().has_terminated() || EndedIn(before, container.name())) continue;
    const auto& end = container.state().terminated();
    ended.With({type, std::to_string(end.exit_code()), end.reason()}).Add();
  }
}

}  // namespace

Terminations::Terminations(base::Registry& metrics)
    : ended_(metrics.AddCounter("kubelet_terminated_containers_total",
                                "Cumulative number of container terminations.",
                                {"container_type", "exit_code", "reason"})) {}

void Terminations::Count(const api::core::PodStatus& before, const api::core::PodStatus& now) {
  CountOf("init_container", before.init_container_statuses(), now.init_container_statuses(),
          ended_);
  CountOf("container", before.container_statuses(), now.container_statuses(), ended_);
  CountOf("ephemeral_container", before.ephemeral_container_statuses(),
          now.ephemeral_container_statuses(), ended_);
}

}  // namespace kubelet::status
