#include "kubelet/runtime/actions.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using ContainerSpec = api::core::Container;
using api::core::Pod;

bool Running(const ContainerStatus* status) { return status != nullptr && status->state == ContainerState::kRunning; }
bool Exited(const ContainerStatus* status) { return status != nullptr && status->state == ContainerState::kExited; }

using Stopped = std::set<ContainerId>;

// An exit that was not the container's own: we stopped it to start it again, or it was of another definition.
bool NotItsOwnExit(const ContainerSpec& spec, const ContainerStatus& status, const Stopped& stopped) {
  return stopped.contains(status.id) || DefinitionChanged(spec, status);
}

ContainerToStart Start(const ContainerSpec& spec, ContainerKind kind, const ContainerStatus* previous,
                       const Stopped& stopped) {
  ContainerToStart start;
  start.spec = &spec;
  start.kind = kind;
  if (previous != nullptr) {
    // One that was created but never started is made again under its own number.
    start.attempt = previous->attempt + (previous->state == ContainerState::kCreated ? 0 : 1);
    if (Exited(previous) && !NotItsOwnExit(spec, *previous, stopped)) start.previous_exit = previous->finished_at;
  }
  return start;
}

// Why the newest sandbox cannot be used; empty when it can.
std::string SandboxProblem(const Pod& pod, const ObservedPod& observed) {
  if (observed.sandboxes.empty()) return "no sandbox yet";
  auto ready = std::count_if(observed.sandboxes.begin(), observed.sandboxes.end(),
                             [](const Sandbox& s) { return s.state == SandboxState::kReady; });
  if (ready > 1) return "more than one sandbox is ready";
  if (observed.ReadySandbox() == nullptr) return "the sandbox is not ready";
  bool host_network = pod.spec().host_network();
  if (host_network != (observed.network == NamespaceMode::kNode)) return "the network mode changed";
  if (!host_network && observed.ips.empty()) return "the sandbox has no IP";
  return "";
}

// A container left Created never ran: it is removed and made again.
void ConsiderContainer(const Pod& pod, const ContainerSpec& spec, ContainerKind kind, const ObservedPod& observed,
                       const Stopped& stopped, PodActions& actions, bool& any_keeps_going) {
  const ContainerStatus* status = observed.Newest(spec.name());
  if (Running(status)) {
    any_keeps_going = true;
    if (DefinitionChanged(spec, *status)) {
      actions.kill.push_back({status->id, spec.name(), "the definition of container " + spec.name() + " changed"});
      actions.start.push_back(Start(spec, kind, status, stopped));
    }
    return;
  }
  bool restart = status == nullptr || status->state != ContainerState::kExited ||
                 NotItsOwnExit(spec, *status, stopped) || ShouldRestart(pod, spec, status->exit_code);
  if (!restart) return;
  any_keeps_going = true;
  if (status != nullptr && status->state != ContainerState::kExited) {
    actions.kill.push_back({status->id, spec.name(), "container " + spec.name() + " was created but never started"});
  }
  actions.start.push_back(Start(spec, kind, status, stopped));
}

// Init containers in order. True when the regular ones may run; otherwise what is needed is in `actions`.
bool ConsiderInit(const Pod& pod, const ObservedPod& observed, const Stopped& stopped, PodActions& actions,
                  bool& failed) {
  // Once a regular container exists in this sandbox, initialisation is history: only sidecars are looked after.
  const Sandbox* sandbox = observed.ReadySandbox();
  auto in_sandbox = [&](const ContainerStatus* status) {
    if (status == nullptr || sandbox == nullptr) return false;
    auto it = observed.sandbox_of.find(status->id);
    return it != observed.sandbox_of.end() && it->second == sandbox->id;
  };
  bool initialized = std::any_of(pod.spec().containers().begin(), pod.spec().containers().end(),
                                 [&](const auto& c) { return in_sandbox(observed.Newest(c.name())); });
  for (const ContainerSpec& spec : pod.spec().init_containers()) {
    const ContainerStatus* status = observed.Newest(spec.name());
    bool current = in_sandbox(status);
    if (api::IsRestartableInit(spec)) {
      bool ignored = false;
      ConsiderContainer(pod, spec, ContainerKind::kSidecar, observed, stopped, actions, ignored);
      if (!initialized && !Running(status)) return false;
      continue;
    }
    if (initialized) continue;
    if (!current) {
      actions.start.push_back(Start(spec, ContainerKind::kInit, status, stopped));
      return false;
    }
    if (Exited(status) && status->exit_code == 0) continue;
    if (Exited(status)) {
      if (ShouldRestart(pod, spec, status->exit_code)) {
        actions.start.push_back(Start(spec, ContainerKind::kInit, status, stopped));
      } else {
        failed = true;
      }
    } else if (!Running(status)) {
      bool ignored = false;
      ConsiderContainer(pod, spec, ContainerKind::kInit, observed, stopped, actions, ignored);
    }
    return false;
  }
  return true;
}

// Whether a pod whose sandbox is gone has work left; a pod that has run to its end gets no new sandbox.
bool AnythingToRun(const Pod& pod, const ObservedPod& observed, const Stopped& stopped) {
  for (const ContainerSpec& spec : pod.spec().containers()) {
    const ContainerStatus* status = observed.Newest(spec.name());
    if (!Exited(status) || NotItsOwnExit(spec, *status, stopped) || ShouldRestart(pod, spec, status->exit_code)) {
      // restartPolicy Never: what once ran is not run again, even when its sandbox vanished under it.
      if (status == nullptr || pod.spec().restart_policy() != "Never") return true;
    }
  }
  return false;
}

bool InitFailedForGood(const Pod& pod, const ObservedPod& observed) {
  for (const ContainerSpec& spec : pod.spec().init_containers()) {
    const ContainerStatus* status = observed.Newest(spec.name());
    if (!api::IsRestartableInit(spec) && Exited(status) && status->exit_code != 0 &&
        !ShouldRestart(pod, spec, status->exit_code)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool ShouldRestart(const Pod& pod, const ContainerSpec& container, int exit_code) {
  const std::string& policy =
      container.has_restart_policy() ? container.restart_policy() : pod.spec().restart_policy();
  if (policy == "Never") return false;
  if (policy == "OnFailure") return exit_code != 0;
  return true;
}

bool DefinitionChanged(const ContainerSpec& spec, const ContainerStatus& status) {
  auto it = status.annotations.find(kHashAnnotation);
  return it != status.annotations.end() && it->second != api::ContainerHash(spec.name(), spec.image());
}

uint32_t AttemptsShown(const Pod& pod, const std::string& container) {
  for (const auto* all : {&pod.status().container_statuses(), &pod.status().init_container_statuses()}) {
    for (const auto& s : *all) {
      if (s.name() != container) continue;
      bool ran = s.state().has_running() || s.state().has_terminated();
      return static_cast<uint32_t>(std::max(s.restart_count(), 0)) + (ran ? 1 : 0);
    }
  }
  return 0;
}

PodActions ComputePodActions(const Pod& pod, const ObservedPod& observed, const Stopped& stopped) {
  PodActions actions;
  if (std::string problem = SandboxProblem(pod, observed); !problem.empty()) {
    actions.reason = problem;
    bool done = !observed.sandboxes.empty() && (!AnythingToRun(pod, observed, stopped) || InitFailedForGood(pod, observed));
    actions.kill_pod = !observed.sandboxes.empty();
    if (done) {
      actions.terminal = true;
      actions.kill_pod = observed.AnyRunning() || observed.ReadySandbox() != nullptr;
      return actions;
    }
    actions.create_sandbox = true;
    if (!observed.sandboxes.empty()) actions.sandbox_attempt = observed.sandboxes.front().attempt + 1;
    return actions;
  }

  bool init_failed = false;
  if (!ConsiderInit(pod, observed, stopped, actions, init_failed)) {
    if (init_failed) {
      actions = {};
      actions.terminal = actions.kill_pod = true;
      actions.reason = "an init container failed and may not restart";
    }
    return actions;
  }
  bool keeps_going = false;
  for (const ContainerSpec& spec : pod.spec().containers()) {
    ConsiderContainer(pod, spec, ContainerKind::kRegular, observed, stopped, actions, keeps_going);
  }
  if (!keeps_going) {
    actions = {};
    actions.terminal = actions.kill_pod = true;
    actions.reason = "all containers have ended";
  }
  return actions;
}

}  // namespace kubelet::runtime
