// Ending containers of a pod, some or all of them; a part of PodSyncer.
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "runtime/container_stopper.h"
#include "runtime/sync_pass.h"

namespace kubelet::runtime {

using base::Task;
using std::chrono::seconds;

namespace {

bool MayRun(const ContainerStatus& status) {
  return status.state != ContainerState::kExited && status.state != ContainerState::kCreated;
}

// What is needed to end a container of a pod that may have been lost, or edited since.
std::shared_ptr<StopRequest> MakeRequest(const api::PodPtr& pod, const ContainerStatus& status) {
  auto request = std::make_shared<StopRequest>();
  request->id = status.id;
  request->pod = pod;
  if (pod) request->container = FindContainerSpec(pod, status.name);
  if (request->container) return request;
  LostSpec lost = RestoreSpec(status);
  request->container = lost.container;
  if (!pod) request->pod = lost.pod;
  return request;
}

const ContainerStatus* ById(const ObservedPod& observed, const ContainerId& id) {
  for (const auto& status : observed.containers) {
    if (status.id == id) return &status;
  }
  return nullptr;
}

}  // namespace

Task<void> PodSyncer::StopOne(std::shared_ptr<StopRequest> request, std::shared_ptr<absl::Status> result) {
  auto status = co_await stopper_->Stop(*request);
  if (!status.ok()) *result = base::Annotate(status, "cannot stop container " + request->container->name());
}

Task<void> PodSyncer::RemoveOne(ContainerId id, std::shared_ptr<absl::Status> result) {
  auto status = co_await deps_.runtime.RemoveContainer(id);
  if (!status.ok() && !absl::IsNotFound(status))
    *result = base::Annotate(status, "cannot remove container " + id.str());
}

Task<absl::Status> PodSyncer::StopAll(ObservedPodPtr observed, api::PodPtr pod, seconds grace) {
  std::set<std::string> running;
  for (const auto& container : observed->containers) {
    if (MayRun(container)) running.insert(container.name);
  }
  std::shared_ptr<TerminationOrder> order;
  if (pod) order = std::make_shared<TerminationOrder>(deps_.executor, deps_.clock, pod, std::move(running));
  auto result = std::make_shared<absl::Status>();
  base::TaskScope all(deps_.executor);
  for (const auto& container : observed->containers) {
    if (!MayRun(container)) continue;
    auto request = MakeRequest(pod, container);
    request->grace = grace;
    request->pod_ips = observed->ips;
    request->order = order;
    all.Spawn("stop container", StopOne(std::move(request), result));
  }
  co_await all.JoinAsPart();
  if (!result->ok()) co_return *result;
  for (const auto& sandbox : observed->sandboxes) {
    auto status = co_await deps_.runtime.StopPodSandbox(sandbox.id);
    if (!status.ok() && !absl::IsNotFound(status)) co_return status;
  }
  co_return absl::OkStatus();
}

Task<void> PodSyncer::KillContainers(Pass& pass, const std::vector<ContainerToKill>& kill) {
  const std::string uid = pass.pod->metadata().uid();
  auto result = std::make_shared<absl::Status>();
  base::TaskScope all(deps_.executor);
  pass.acted = true;
  for (const auto& container : kill) {
    if (container.reason == KillReason::kNeverRan) {
      all.Spawn("remove container", RemoveOne(container.id, result));
      continue;
    }
    bool unhealthy = container.reason != KillReason::kOther;
    if (container.restart) stopped_[uid][container.id] = unhealthy ? StoppedFor::kUnhealthy : StoppedFor::kRestart;
    const ContainerStatus* status = ById(*pass.observed, container.id);
    if (status == nullptr) continue;
    auto request = MakeRequest(pass.pod, *status);
    request->message = container.message;
    request->grace = GraceFor(*pass.pod, request->container.get(), container.reason);
    request->pod_ips = pass.observed->ips;
    Step(*pass.progress, "stopping container " + container.name + ": " + container.message);
    all.Spawn("stop container", StopOne(std::move(request), result));
  }
  co_await all.JoinAsPart();
  if (!result->ok()) Fail(pass, *result, "the containers to kill");
}

// Without a grace period, and so without hooks, as upstream; the logs stay.
Task<void> PodSyncer::ResetContainers(Pass& pass, const std::vector<ContainerToReset>& reset) {
  pass.acted = true;
  Step(*pass.progress, "removing its containers, all of which are to start anew");
  auto result = std::make_shared<absl::Status>();
  base::TaskScope all(deps_.executor);
  for (const auto& container : reset) {
    const ContainerStatus* status = container.kill ? ById(*pass.observed, container.id) : nullptr;
    if (status == nullptr) continue;
    auto request = MakeRequest(pass.pod, *status);
    request->message = "killing";
    request->grace = seconds(0);
    all.Spawn("stop container", StopOne(std::move(request), result));
  }
  co_await all.JoinAsPart();
  for (const auto& container : reset) {
    if (!result->ok() || pass.Done()) break;
    const ContainerStatus* status = ById(*pass.observed, container.id);
    auto spec = FindContainerSpec(pass.pod, container.name);
    if (status != nullptr && spec && status->state == ContainerState::kExited &&
        RestartsAll(*spec, status->exit_code)) {
      reset_exits_[BackoffKey(*pass.pod, *spec)] = status->finished_at;
    }
    co_await RemoveOne(container.id, result);
  }
  if (!result->ok()) Fail(pass, *result, "the restart of all containers");
}

}  // namespace kubelet::runtime
