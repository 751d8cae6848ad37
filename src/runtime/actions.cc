#include "kubelet/runtime/actions.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "runtime/decision.h"

namespace kubelet::runtime {
namespace {

using ContainerSpec = api::core::Container;
using api::core::Pod;

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

// Whether a pod whose sandbox is gone has work left; a pod that has run to its end gets no new
// sandbox.
bool AnythingToRun(const Facts& facts) {
  for (const ContainerSpec& spec : facts.pod.spec().containers()) {
    const ContainerStatus* status = facts.Newest(spec);
    if (status == nullptr) return true;
    if (!facts.Starts(spec, status)) continue;
    // restartPolicy Never: what once ran is not run again, even when its sandbox vanished under it.
    bool asked_for = Exited(status) && !facts.NotItsOwnExit(spec, *status);
    if (asked_for || RestartPolicyOf(facts.pod, spec) != "Never") return true;
  }
  return false;
}

bool InitFailedForGood(const Facts& facts) {
  const auto& init = facts.pod.spec().init_containers();
  return std::any_of(init.begin(), init.end(), [&](const ContainerSpec& spec) {
    const ContainerStatus* status = facts.Newest(spec);
    return !api::IsRestartableInit(spec) && Exited(status) && status->exit_code != 0 &&
           !ShouldRestart(facts.pod, spec, status->exit_code);
  });
}

PodActions ForSandbox(const Facts& facts, std::string problem) {
  PodActions actions;
  const ObservedPod& observed = facts.observed;
  actions.reason = std::move(problem);
  bool done = !observed.sandboxes.empty() && (!AnythingToRun(facts) || InitFailedForGood(facts));
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

PodActions Over(std::string reason) {
  PodActions actions;
  actions.terminal = actions.kill_pod = true;
  actions.reason = std::move(reason);
  return actions;
}

}  // namespace

bool Running(const ContainerStatus* status) { return status != nullptr && status->state == ContainerState::kRunning; }
bool Exited(const ContainerStatus* status) { return status != nullptr && status->state == ContainerState::kExited; }

ContainerHealth Facts::HealthOf(const ContainerStatus& status) const {
  auto it = known.health.find(status.id);
  if (it != known.health.end()) return it->second;
  ContainerHealth fine;
  fine.started = fine.ready = true;
  return fine;
}

bool Facts::NotItsOwnExit(const ContainerSpec& spec, const ContainerStatus& status) const {
  return known.stopped.contains(status.id) || DefinitionChanged(spec, status);
}

bool Facts::Starts(const ContainerSpec& spec, const ContainerStatus* status) const {
  if (!Exited(status)) return true;
  return NotItsOwnExit(spec, *status) || ShouldRestart(pod, spec, status->exit_code);
}

bool Facts::InSandbox(const ContainerStatus* status) const {
  const Sandbox* sandbox = observed.ReadySandbox();
  if (status == nullptr || sandbox == nullptr) return false;
  auto it = observed.sandbox_of.find(status->id);
  return it != observed.sandbox_of.end() && it->second == sandbox->id;
}

bool HasInitialized(const Pod& pod, const ObservedPod& observed) {
  Knowledge none;
  Facts facts{pod, observed, none};
  const auto& containers = pod.spec().containers();
  return std::any_of(containers.begin(), containers.end(),
                     [&](const ContainerSpec& spec) { return facts.InSandbox(facts.Newest(spec)); });
}

ContainerToStart MakeStart(const Facts& facts, const ContainerSpec& spec, ContainerKind kind) {
  ContainerToStart start;
  start.spec = &spec;
  start.kind = kind;
  const ContainerStatus* previous = facts.Newest(spec);
  if (previous == nullptr) return start;
  // One that was created but never started is made again under its own number.
  start.attempt = previous->attempt + (previous->state == ContainerState::kCreated ? 0 : 1);
  if (!Exited(previous) || DefinitionChanged(spec, *previous)) return start;
  auto stopped = facts.known.stopped.find(previous->id);
  bool for_restart = stopped != facts.known.stopped.end() && stopped->second == StoppedFor::kRestart;
  if (!for_restart) start.previous_exit = previous->finished_at;
  return start;
}

PodActions ComputePodActions(const Pod& pod, const ObservedPod& observed, const Knowledge& known) {
  Facts facts{pod, observed, known};
  if (std::string problem = SandboxProblem(pod, observed); !problem.empty()) {
    return ForSandbox(facts, std::move(problem));
  }
  PodActions actions;
  if (RestartAllWanted(pod, observed, known)) {
    actions.reset = ContainersToReset(facts);
    actions.reason = "a container's exit asks for all of them to restart";
    return actions;
  }
  ConsiderEphemeral(facts, actions);
  switch (ConsiderInit(facts, actions)) {
    case InitProgress::kFailed:
      return Over("an init container failed and may not restart");
    case InitProgress::kUnderWay:
      return actions;
    case InitProgress::kDone:
      break;
  }
  bool goes_on = false;
  for (const ContainerSpec& spec : pod.spec().containers()) {
    if (ConsiderContainer(facts, spec, ContainerKind::kRegular, actions)) goes_on = true;
  }
  return goes_on ? actions : Over("all containers have ended");
}

}  // namespace kubelet::runtime
