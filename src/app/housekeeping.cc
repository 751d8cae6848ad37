#include "app/housekeeping.h"

#include "kubelet/base/log.h"

namespace kubelet::app {

using base::Task;

Task<void> Housekeeping::Run() {
  for (;;) {
    co_await base::SleepFor(deps_.clock, std::chrono::seconds(deps_.live() ? 60 : 5));
    if (deps_.live()) co_await Once();
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
  for (const auto& uid : gone) {
    // A pod of that uid may come between any two steps: then what is there is its own.
    auto still_gone = [this, &uid] {
      auto now = deps_.live();
      return now && !now->contains(uid);
    };
    if (!still_gone()) continue;
    LOG_INFO("Removing what a pod left behind", "podUID", uid);
    auto status = co_await deps_.adapters.volumes().Teardown(uid);
    if (status.ok() && still_gone()) status = co_await deps_.adapters.cgroups().RemovePod(uid);
    if (status.ok() && still_gone())
      status = co_await deps_.adapters.files().RemovePod(uid, "", "");
    if (!status.ok())
      LOG_WARNING("Cannot remove what a pod left behind", "podUID", uid, "err", status);
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
