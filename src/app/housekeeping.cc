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
  co_await RemoveLogs();
}

// Listed first, judged by what is known then: of a pod or a container that comes meanwhile nothing
// is in the list.
Task<void> Housekeeping::RemoveLogs() {
  constexpr char kKind[] = "pod files";
  constexpr std::chrono::seconds kTime{30};
  std::function<absl::StatusOr<volume::LogNames>()> list = [dirs = deps_.dirs] {
    return absl::StatusOr<volume::LogNames>(volume::ListLogs(dirs));
  };
  auto listed = co_await deps_.pool.Run<volume::LogNames>(kKind, kTime, std::move(list));
  auto live = deps_.live();
  if (!listed.ok() || !live) co_return;
  std::set<std::string> containers;
  for (const auto& pod : deps_.observed()) {
    for (const auto& container : pod->containers)
      if (container.state != runtime::ContainerState::kExited)
        containers.insert(container.id.str());
  }
  auto orphans = volume::OrphanLogs(*std::move(listed), *live, containers);
  if (orphans.pods.empty() && orphans.dead_links.empty()) co_return;
  std::function<absl::Status()> remove = [dirs = deps_.dirs, orphans] {
    volume::RemoveLogs(dirs, orphans);
    return absl::OkStatus();
  };
  (void)co_await deps_.pool.RunStatus(kKind, kTime, std::move(remove));
}

}  // namespace kubelet::app
