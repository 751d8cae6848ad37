#include "kubelet/status/first_look.h"

#include <algorithm>

#include "kubelet/status/status.h"

namespace kubelet::status {
namespace {

using Statuses = google::protobuf::RepeatedPtrField<api::core::ContainerStatus>;

// These say only that nothing is known, or are computed without a sync.
bool IsReason(const std::string& reason) {
  return !reason.empty() && reason != "ContainerCreating" && reason != "PodInitializing" &&
         reason != "RestartingAllContainers";
}

void Keep(const Statuses& shown, Statuses& now) {
  for (auto& status : now) {
    auto old = std::find_if(shown.begin(), shown.end(),
                            [&](const auto& s) { return s.name() == status.name(); });
    if (old == shown.end() || status.state().has_running()) continue;
    if (!old->state().has_waiting() || !IsReason(old->state().waiting().reason())) continue;
    if (status.state().has_terminated()) *status.mutable_last_state() = status.state();
    *status.mutable_state() = old->state();
  }
}

}  // namespace

api::core::PodStatus KeepWaiting(const api::core::PodStatus& shown, api::core::PodStatus now) {
  if (IsTerminal(now.phase())) return now;
  Keep(shown.init_container_statuses(), *now.mutable_init_container_statuses());
  Keep(shown.container_statuses(), *now.mutable_container_statuses());
  Keep(shown.ephemeral_container_statuses(), *now.mutable_ephemeral_container_statuses());
  return now;
}

}  // namespace kubelet::status
