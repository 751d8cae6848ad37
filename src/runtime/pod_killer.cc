// Taking pods down: the other half of PodSyncer.
#include <algorithm>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "runtime/container_stopper.h"
#include "runtime/sync_pass.h"

namespace kubelet::runtime {

using base::Task;

namespace {
// Sandboxes that hold a container worth keeping stay with it.
std::set<SandboxId> SandboxesInUse(const ObservedPod& pod, const std::set<ContainerId>& removed) {
  std::set<SandboxId> used;
  for (const auto& container : pod.containers) {
    if (removed.contains(container.id)) continue;
    auto it = pod.sandbox_of.find(container.id);
    if (it != pod.sandbox_of.end()) used.insert(it->second);
  }
  return used;
}

// Per container name: what runs, and the newest dead instance, stay.
std::set<ContainerId> DeadBeyondOne(const ObservedPod& pod) {
  std::map<std::string, int> dead;
  std::set<ContainerId> remove;
  for (const auto& container : pod.containers) {
    if (container.state == ContainerState::kExited && ++dead[container.name] > 1) remove.insert(container.id);
  }
  return remove;
}
}  // namespace

Task<void> PodSyncer::RemoveDead(ObservedPodPtr observed) {
  auto remove = DeadBeyondOne(*observed);
  for (const auto& id : remove) {
    auto status = co_await deps_.runtime.RemoveContainer(id);
    if (!status.ok() && !absl::IsNotFound(status)) {
      LOG_WARNING("Cannot remove dead container", "podUID", observed->uid, "containerID", id.str(), "err", status);
    }
  }
  auto used = SandboxesInUse(*observed, remove);
  for (size_t i = 1; i < observed->sandboxes.size(); ++i) {
    const auto& sandbox = observed->sandboxes[i];
    if (sandbox.state == SandboxState::kReady || used.contains(sandbox.id)) continue;
    auto status = co_await deps_.runtime.RemovePodSandbox(sandbox.id);
    if (!status.ok() && !absl::IsNotFound(status)) {
      LOG_WARNING("Cannot remove dead sandbox", "podUID", observed->uid, "sandbox", sandbox.id.str(), "err", status);
    }
  }
}

Task<absl::Status> PodSyncer::Kill(std::string uid, api::PodPtr pod, std::chrono::seconds grace,
                                   std::shared_ptr<Progress> progress) {
  auto observed = co_await deps_.observer.Refresh(uid);
  if (!observed.ok()) co_return base::Annotate(observed.status(), "cannot ask the runtime about the pod");
  bool nothing = !(*observed)->AnyRunning() &&
                 std::none_of((*observed)->sandboxes.begin(), (*observed)->sandboxes.end(),
                              [](const Sandbox& s) { return s.state == SandboxState::kReady; });
  if (nothing) co_return absl::OkStatus();
  Step(*progress, "stopping its containers (grace period " + std::to_string(grace.count()) + " s)");
  auto stopped = co_await StopAll(*observed, pod, grace);
  if (!stopped.ok()) co_return base::Annotate(stopped, "cannot stop the pod");
  observed = co_await deps_.observer.Refresh(uid);
  if (!observed.ok()) co_return base::Annotate(observed.status(), "cannot ask the runtime about the pod");
  for (const auto& container : (*observed)->containers) {
    if (container.state == ContainerState::kRunning) {
      co_return absl::InternalError("CRI violation: container " + container.name + " (" + container.id.str() +
                                    ") is still running after the pod was stopped");
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> PodSyncer::RemoveHoldings(std::string uid, std::shared_ptr<Progress> progress) {
  Step(*progress, "unmounting its volumes");
  auto volumes = co_await deps_.volumes.Teardown(uid);
  if (!volumes.ok()) co_return base::Annotate(volumes, "cannot tear down volumes");
  Step(*progress, "removing its cgroup");
  auto cgroup = co_await deps_.cgroups.RemovePod(uid);
  if (!cgroup.ok()) co_return base::Annotate(cgroup, "cannot remove the pod cgroup");
  if (deps_.user_namespaces != nullptr) {
    auto ids = co_await deps_.user_namespaces->Release(uid);
    if (!ids.ok()) co_return base::Annotate(ids, "cannot give back its user ids");
  }
  co_return absl::OkStatus();
}

Task<absl::Status> PodSyncer::Retire(std::string uid, std::shared_ptr<Progress> progress) {
  auto released = co_await RemoveHoldings(uid, progress);
  if (released.ok()) Step(*progress, "ended; its containers stay for their logs");
  co_return released;
}

Task<absl::Status> PodSyncer::Remove(std::string uid, std::string name, std::string namespace_,
                                     std::shared_ptr<Progress> progress) {
  Step(*progress, "removing its containers");
  auto observed = co_await deps_.observer.Refresh(uid);
  if (!observed.ok()) co_return base::Annotate(observed.status(), "cannot ask the runtime about the pod");
  for (const auto& container : (*observed)->containers) {
    auto status = co_await deps_.runtime.RemoveContainer(container.id);
    if (!status.ok() && !absl::IsNotFound(status)) co_return base::Annotate(status, "cannot remove " + container.name);
  }
  auto released = co_await RemoveHoldings(uid, progress);
  if (!released.ok()) co_return released;
  Step(*progress, "removing its files");
  auto files = co_await deps_.files.RemovePod(uid, name, namespace_);
  if (!files.ok()) co_return base::Annotate(files, "cannot remove the pod's files");
  // Last of all: while there is a sandbox, a kubelet that starts after a crash knows that there is a pod to clean up.
  for (const auto& sandbox : (*observed)->sandboxes) {
    auto status = co_await deps_.runtime.RemovePodSandbox(sandbox.id);
    if (!status.ok() && !absl::IsNotFound(status)) co_return base::Annotate(status, "cannot remove the sandbox");
  }
  // The observation that nothing is left; what remains is found by the next relist.
  co_await deps_.observer.Refresh(uid);
  co_return absl::OkStatus();
}

void PodSyncer::Forget(const std::string& uid) {
  retry_backoff_.Reset(uid);
  crash_backoff_.ResetPrefix(uid + "/");
  stopped_.erase(uid);
  stopper_->Forget(uid);
  if (resizer_) resizer_->Forget(uid);
  std::erase_if(reset_exits_, [&](const auto& entry) { return entry.first.rfind(uid + "/", 0) == 0; });
  std::erase_if(blocked_, [&](const auto& entry) { return entry.first.rfind(uid + "/", 0) == 0; });
  crash_backoff_.Collect(deps_.clock.Mono());
}

}  // namespace kubelet::runtime
