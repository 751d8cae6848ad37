// In-place resize as a part of PodSyncer::Sync.
#include <utility>

#include "kubelet/base/status.h"
#include "runtime/sync_pass.h"

namespace kubelet::runtime {

using base::Task;

// A resize that fails does not keep containers from starting; it is tried again with the pod's
// back-off.
Task<void> PodSyncer::ResizeInPlace(Pass& pass, const PodActions& actions) {
  // A new sandbox has a cgroup that was just brought to its limits.
  const Sandbox* sandbox = pass.observed->ReadySandbox();
  if (!resizer_ || actions.create_sandbox || sandbox == nullptr) co_return;
  const std::string uid = pass.pod->metadata().uid();
  // What was stopped meanwhile needs no update, but the pod's cgroup follows a restart.
  std::set<ContainerId> stopped;
  for (const auto& container : actions.kill) stopped.insert(container.id);
  Resize resize = resizer_->Compute(*pass.pod, *pass.observed, stopped);
  pass.result.resizing = false;
  if (!resizer_->NeedsRun(uid, resize)) co_return;
  bool changes = resize.Changes();
  if (changes) Step(*pass.progress, "resizing it in place");
  SandboxId id = sandbox->id;
  api::PodPtr pod = pass.pod;
  auto status = co_await resizer_->Run(pod, id, std::move(resize));
  pass.acted = pass.acted || changes;
  if (changes) deps_.observer.Distrust(uid);
  if (status.ok()) co_return;
  pass.result.resizing = true;
  pass.result.resize_error = base::Message(status);
  pass.result.status = base::Annotate(status, "cannot resize");
  auto retry = deps_.clock.Mono() + retry_backoff_.Next(uid, deps_.clock.Mono());
  if (!pass.result.retry_at || retry < *pass.result.retry_at) pass.result.retry_at = retry;
}

}  // namespace kubelet::runtime
