#include "runtime/container_stopper.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "runtime/sync_pass.h"

namespace kubelet::runtime {

using base::MonoTime;
using base::Task;
using std::chrono::seconds;

namespace {
// Upstream never gives a container less than this to end (kuberuntime minimumGracePeriodInSeconds).
constexpr seconds kMinimumGrace{2};
}  // namespace

struct ContainerStopper::HookRun {
  HookRun(base::Executor executor, base::Clock& clock) : ended(std::move(executor), clock) {}
  base::WakeEvent ended;
  bool failed_told = false;
};

void ContainerStopper::Event(const StopRequest& request, bool warning, const std::string& reason,
                             const std::string& message) {
  if (!deps_.on_event) return;
  PodEvent event;
  event.warning = warning;
  event.reason = reason;
  event.message = message;
  event.container = request.container->name();
  deps_.on_event(*request.pod, event);
}

// What the hook said may hold secrets: it is for the log, not for the event.
Task<void> ContainerStopper::RunHook(Hook hook, std::shared_ptr<HookRun> run) {
  StopRequest about;
  about.pod = hook.pod;
  about.container = hook.container;
  ContainerId id = hook.id;
  absl::Status status = co_await deps_.hooks.Run(std::move(hook));
  co_await Checkpoint();  // cut short is neither done nor failed
  pre_stopped_[about.pod->metadata().uid()].insert(id);
  if (!status.ok()) {
    LOG_ERROR("PreStop hook failed", "pod", api::PodKey(*about.pod), "podUID", about.pod->metadata().uid(), "container",
              about.container->name(), "containerID", id.str(), "err", status);
    if (!std::exchange(run->failed_told, true)) Event(about, true, "FailedPreStopHook", "PreStopHook failed");
  }
  run->ended.Notify();
}

Task<absl::Status> ContainerStopper::Stop(StopRequest request) {
  const std::string& name = request.container->name();
  const std::string uid = request.pod->metadata().uid();
  Event(request, false, "Killing", request.message.empty() ? "Stopping container " + name : request.message);
  seconds grace = request.grace;
  base::TaskScope scope(deps_.executor);  // what is left of the hook ends with this stop
  auto done = pre_stopped_.find(uid);
  bool hook_done = done != pre_stopped_.end() && done->second.contains(request.id);
  if (request.container->lifecycle().has_pre_stop() && grace > seconds(0) && !hook_done) {
    Hook hook;
    hook.pod = request.pod;
    hook.container = request.container;
    hook.id = request.id;
    hook.handler = request.container->lifecycle().pre_stop();
    hook.pod_ips = request.pod_ips;
    auto run = std::make_shared<HookRun>(deps_.executor, deps_.clock);
    MonoTime begun = deps_.clock.Mono();
    scope.Spawn("preStop hook of " + name, RunHook(std::move(hook), run));
    bool ended = co_await run->ended.Wait(begun + grace);
    if (!ended) {
      LOG_INFO("PreStop hook not completed in grace period", "pod", api::PodKey(*request.pod), "podUID", uid,
               "container", name, "containerID", request.id.str(), "gracePeriod", request.grace.count());
      if (!std::exchange(run->failed_told, true)) Event(request, true, "FailedPreStopHook", "PreStopHook failed");
    }
    grace -= std::chrono::floor<seconds>(deps_.clock.Mono() - begun);
  }
  if (request.order && grace > seconds(0)) {
    MonoTime begun = deps_.clock.Mono();
    co_await request.order->WaitForTurn(name, begun + grace);
    grace -= std::chrono::floor<seconds>(deps_.clock.Mono() - begun);
  }
  grace = std::max(grace, kMinimumGrace);
  LOG_INFO("Killing container with a grace period", "pod", api::PodKey(*request.pod), "podUID", uid, "container", name,
           "containerID", request.id.str(), "gracePeriod", grace.count());
  absl::Status status = co_await deps_.runtime.StopContainer(request.id, grace);
  if (!status.ok() && !absl::IsNotFound(status)) co_return status;
  if (request.order) request.order->Ended(name);
  if (auto it = pre_stopped_.find(uid); it != pre_stopped_.end()) {
    it->second.erase(request.id);
    if (it->second.empty()) pre_stopped_.erase(it);
  }
  co_return absl::OkStatus();
}

}  // namespace kubelet::runtime
