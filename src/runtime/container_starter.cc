// Starting containers: back-off, image, configuration, creation, postStart; a part of PodSyncer.
#include <algorithm>

#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "runtime/container_stopper.h"
#include "runtime/image_volumes.h"
#include "runtime/sync_pass.h"

namespace kubelet::runtime {

using base::Message;
using base::MonoTime;
using base::Nanos;
using base::Task;

namespace {

const char* TypeLabel(ContainerKind kind) {
  if (kind == ContainerKind::kRegular) return "container";
  return kind == ContainerKind::kEphemeral ? "ephemeral_container" : "init_container";
}

}  // namespace

std::string BackoffKey(const api::core::Pod& pod, const api::core::Container& container) {
  std::string resources = api::EncodeJson(container.resources());
  return pod.metadata().uid() + "/" + container.name() + "/" + container.image() + "/" +
         std::to_string(base::Fnv1a64(resources));
}

// Of a container that made the whole pod restart nothing is on record; without a back-off it would
// do so in a loop.
base::WallTime PodSyncer::PreviousExit(const api::core::Pod& pod, const ContainerToStart& start) const {
  if (start.previous_exit != base::WallTime{} || reset_exits_.empty()) return start.previous_exit;
  auto it = reset_exits_.find(BackoffKey(pod, *start.spec));
  return it == reset_exits_.end() ? base::WallTime{} : it->second;
}

Task<void> PodSyncer::StartContainers(Pass& pass, const PodActions& actions) {
  for (const auto& start : actions.start) {
    bool go_on = co_await StartOne(pass, start);
    if (!go_on || pass.Done()) co_return;
  }
}

// False ends the pass; a container that has to wait does not.
Task<bool> PodSyncer::StartOne(Pass& pass, const ContainerToStart& start) {
  const auto& pod = pass.pod;
  const std::string& name = start.spec->name();
  const std::string key = BackoffKey(*pod, *start.spec);
  MonoTime now = deps_.clock.Mono();
  if (const Blocked* blocked = BlockedNow(key)) {
    pass.Wait(name, blocked->waiting.reason, blocked->waiting.message, blocked->until);
    pass.result.status = blocked->status;
    co_return true;
  }
  if (base::WallTime previous = PreviousExit(*pod, start); previous != base::WallTime{}) {
    Nanos ago = std::max(Nanos(0), Nanos(deps_.clock.Now() - previous));
    MonoTime exit = now - ago;
    if (auto until = crash_backoff_.BlockedUntil(key, exit, now)) {
      std::string who =
          pod->metadata().name() + "_" + pod->metadata().namespace_() + "(" + pod->metadata().uid() + ")";
      std::string text = "back-off " + base::GoDuration(crash_backoff_.Get(key, exit)) +
                         " restarting failed container=" + name + " pod=" + who;
      pass.Wait(name, WaitingReason::kCrashLoopBackOff, text, *until);
      Step(*pass.progress, text);
      Event(*pod, true, "BackOff", "Back-off restarting failed container " + name + " in pod " + who, name);
      co_return true;
    }
  }
  if (pass.sandbox.uid.empty()) {
    bool ready = co_await Prepare(pass);
    if (!ready) co_return false;
    uint32_t attempt = pass.observed->sandboxes.front().attempt;
    auto sandbox = SandboxFor(pass, attempt);
    if (!sandbox.ok()) {
      Fail(pass, sandbox.status(), "sandbox");
      co_return false;
    }
    pass.sandbox = *std::move(sandbox);
  }
  auto volumes = co_await image_volumes_->Ensure(pod, start.spec, pass.sandbox);
  if (volumes.waits) {
    const auto& waits = *volumes.waits;
    pass.Wait(name, waits.waiting.reason, waits.waiting.message, waits.retry_at.value_or(MonoTime::max()));
    Step(*pass.progress, waits.pulling ? "pulling its image volumes" : waits.waiting.message);
    co_return true;
  }
  pass.image_mounts = std::move(volumes.mounts);
  Step(*pass.progress, "looking for image " + start.spec->image());
  Images::Answer image =
      co_await deps_.images.Ensure(pod, name, start.spec->image(), start.spec->image_pull_policy(), pass.sandbox);
  if (!image.image) {
    pass.Wait(name, image.waiting.reason, image.waiting.message, image.retry_at.value_or(MonoTime::max()));
    Step(*pass.progress, image.pulling ? "pulling image " + start.spec->image() : image.waiting.message);
    // Without its image, too, a start was tried and failed.
    if (!image.pulling && started_containers_ != nullptr) {
      const char* type = TypeLabel(start.kind);
      started_containers_->With({type}).Add();
      started_containers_errors_->With({WaitingReasonName(image.waiting.reason), type}).Add();
    }
    co_return true;
  }
  if (pass.Done()) co_return false;
  co_await CreateAndStart(pass, start, std::move(image));
  co_return true;
}

Task<void> PodSyncer::CreateAndStart(Pass& pass, const ContainerToStart& start, Images::Answer image) {
  const auto& pod = pass.pod;
  const std::string& name = start.spec->name();
  const char* type = TypeLabel(start.kind);
  if (started_containers_ != nullptr) started_containers_->With({type}).Add();
  auto fail = [&](WaitingReason reason, const absl::Status& status, const char* event) {
    Nanos delay = retry_backoff_.Next(pod->metadata().uid(), deps_.clock.Mono());
    pass.Wait(name, reason, Message(status), deps_.clock.Mono() + delay);
    pass.result.status = base::Annotate(status, "container " + name);
    blocked_[BackoffKey(*pod, *start.spec)] = {deps_.clock.Mono() + delay, pass.result.status,
                                               pass.result.waiting[name]};
    Event(*pod, true, event, "Error: " + Message(status), name);
    if (started_containers_errors_ != nullptr)
      started_containers_errors_->With({WaitingReasonName(reason), type}).Add();
    LOG_ERROR("Cannot start container; will retry", "pod", api::PodKey(*pod), "container", name, "reason",
              WaitingReasonName(reason), "after", base::GoDuration(delay), "err", status);
  };

  auto config = co_await ConfigFor(pass, start, std::move(image));
  if (!config.ok()) {
    fail(WaitingReason::kCreateContainerConfigError, config.status(), "Failed");
    co_return;
  }
  if (!start.target.empty()) {
    const ContainerStatus* target = pass.observed->Newest(start.target);
    if (target == nullptr) {
      auto missing = absl::FailedPreconditionError("unable to find target container " + start.target);
      fail(WaitingReason::kCreateContainerConfigError, missing, "Failed");
      co_return;
    }
    config->namespaces.pid = NamespaceMode::kTarget;
    config->namespaces.target_id = target->id.str();
  }
  Step(*pass.progress, "creating container " + name);
  if (base::WallTime previous = PreviousExit(*pod, start); previous != base::WallTime{}) {
    Nanos ago = std::max(Nanos(0), Nanos(deps_.clock.Now() - previous));
    MonoTime now = deps_.clock.Mono();
    crash_backoff_.Next(BackoffKey(*pod, *start.spec), now - ago, now);
    reset_exits_.erase(BackoffKey(*pod, *start.spec));
  }
  SandboxId sandbox = pass.observed->sandboxes.front().id;
  if (resizer_ && start.kind != ContainerKind::kEphemeral) co_await resizer_->Creating(pod, start.spec);
  Pins pins;
  if (deps_.pinning != nullptr) {
    co_await deps_.pinning->Settled();
    pins = deps_.pinning->Of(pod->metadata().uid(), name);
    Pin(pins, config->resources);
  }
  pass.acted = true;
  auto id = co_await deps_.runtime.CreateContainer(sandbox, *config, pass.sandbox);
  image_volumes_->Count(*start.spec, pass.image_mounts, id.status());
  if (!id.ok()) {
    if (absl::IsNotFound(id.status())) deps_.images.Forget(start.spec->image());
    fail(WaitingReason::kCreateContainerError, id.status(), "Failed");
    co_return;
  }
  if (deps_.pinning != nullptr) deps_.pinning->Created(*id, pins);
  Event(*pod, false, "Created", "Container created", name);
  if (!pass.wanted()) co_return;
  Step(*pass.progress, "starting container " + name);
  auto started = co_await deps_.runtime.StartContainer(*id);
  if (!started.ok()) {
    fail(WaitingReason::kRunContainerError, started, "Failed");
    co_return;
  }
  Event(*pod, false, "Started", "Container started", name);
  if (restarts_ != nullptr && config->attempt > 0) restarts_->Only().Add();
  LOG_INFO("Started container", "pod", api::PodKey(*pod), "podUID", pod->metadata().uid(), "container", name, "attempt",
           config->attempt, "containerID", id->str());
  co_await deps_.files.LinkLog(pod, name, id->str(), config->attempt);
  if (start.spec->lifecycle().has_post_start()) co_await PostStart(pass, start, *id);
}

// Later containers of the pod wait for it, as they do upstream: people rely on it. It has no time
// limit.
Task<void> PodSyncer::PostStart(Pass& pass, const ContainerToStart& start, ContainerId id) {
  const auto& pod = pass.pod;
  const std::string& name = start.spec->name();
  if (pass.held) pass.held->Release();
  Step(*pass.progress, "running the postStart hook of container " + name);
  Hook hook;
  hook.pod = pod;
  hook.container = FindContainerSpec(pod, name);
  hook.id = id;
  hook.handler = start.spec->lifecycle().post_start();
  hook.pod_ips = pass.observed->ips;
  auto request = std::make_shared<StopRequest>();
  request->container = hook.container;
  absl::Status status = co_await hooks_->Run(std::move(hook));
  if (status.ok()) co_return;
  co_await Checkpoint();  // cut short, not failed
  LOG_ERROR("Failed to execute PostStartHook", "pod", api::PodKey(*pod), "podUID", pod->metadata().uid(), "container",
            name, "containerID", id.str(), "err", status);
  Event(*pod, true, "FailedPostStartHook", "PostStartHook failed", name);
  if (started_containers_errors_ != nullptr) {
    started_containers_errors_->With({WaitingReasonName(WaitingReason::kPostStartHookError), TypeLabel(start.kind)})
        .Add();
  }
  request->pod = pod;
  request->id = id;
  request->message = "FailedPostStartHook";
  request->grace = GraceFor(*pod, start.spec, KillReason::kOther);
  request->pod_ips = pass.observed->ips;
  auto killed = std::make_shared<absl::Status>();
  co_await StopOne(request, killed);
  pass.Wait(name, WaitingReason::kPostStartHookError, Message(status), deps_.clock.Mono());
  pass.result.status = base::Annotate(killed->ok() ? status : *killed, "container " + name);
}

}  // namespace kubelet::runtime
