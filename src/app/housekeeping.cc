#include "app/housekeeping.h"

#include <algorithm>

#include "kubelet/base/log.h"

namespace kubelet::app {

using base::Task;

namespace {
constexpr std::chrono::seconds kFirst{5}, kMost{60};
}

Housekeeping::Housekeeping(Deps deps) : deps_(std::move(deps)) {
  if (deps_.metrics == nullptr) return;
  // pkg/kubelet/metrics of 1.36.
  cleaned_ = &deps_.metrics->AddGauge(
      "kubelet_orphan_pod_cleaned_volumes",
      "The total number of orphaned Pods whose volumes were cleaned in the last periodic sweep.");
  cleaned_errors_ = &deps_.metrics->AddGauge(
      "kubelet_orphan_pod_cleaned_volumes_errors",
      "The number of orphaned Pods whose volumes failed to be cleaned in the last periodic sweep.");
}

Task<void> Housekeeping::Run() {
  // What a crash left shows up in the first minute, one thing after another.
  for (std::chrono::seconds delay = kFirst;;) {
    co_await base::SleepFor(deps_.clock, delay);
    if (!deps_.live()) continue;
    co_await Once();
    delay = std::min(delay * 2, kMost);
  }
}

Task<void> Housekeeping::Once() {
  auto live = deps_.live();
  if (!live) co_return;
  auto left = co_await deps_.adapters.pod_volumes().Orphans(*live);
  std::set<std::string> gone = left.ok() ? *left : std::set<std::string>();
  auto groups = co_await deps_.adapters.node_cgroups().ListPods();
  if (groups.ok()) {
    for (const auto& uid : *groups) {
      if (!live->contains(uid)) gone.insert(uid);
    }
  }
  int orphans = 0, failed = 0;
  for (const auto& uid : gone) {
    // A pod of that uid may come between any two steps: then what is there is its own.
    auto still_gone = [this, &uid] {
      auto now = deps_.live();
      return now && !now->contains(uid);
    };
    if (!still_gone()) continue;
    LOG_INFO("Removing what a pod left behind", "podUID", uid);
    auto status = co_await deps_.adapters.volumes().Teardown(uid);
    if (left.ok() && left->contains(uid)) ++orphans;
    if (!status.ok()) ++failed;
    if (status.ok() && still_gone()) status = co_await deps_.adapters.cgroups().RemovePod(uid);
    if (status.ok() && still_gone())
      status = co_await deps_.adapters.files().RemovePod(uid, "", "");
    if (!status.ok())
      LOG_WARNING("Cannot remove what a pod left behind", "podUID", uid, "err", status);
  }
  if (cleaned_ != nullptr) {
    cleaned_->Only().Set(orphans);
    cleaned_errors_->Only().Set(failed);
  }
  live = deps_.live();
  if (!live) co_return;
  std::function<absl::Status()> logs = [dirs = deps_.dirs, live = *live] {
    volume::RemoveOrphanLogs(dirs, live);
    return absl::OkStatus();
  };
  (void)co_await deps_.pool.RunStatus("pod files", std::chrono::seconds(30), std::move(logs));
}

}  // namespace kubelet::app
