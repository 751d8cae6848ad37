#include "runtime/decision.h"

#include <algorithm>

#include "kubelet/api/containers.h"
#include "kubelet/api/pod.h"

namespace kubelet::runtime {
namespace {

using ContainerSpec = api::core::Container;

// The exit before an instance that is now killed for its probes: as upstream, its back-off counts
// from there, so a container that ran for a while starts again at once.
base::WallTime ExitBefore(const ObservedPod& observed, const std::string& name) {
  for (const auto& container : observed.containers) {
    if (container.name == name && container.state == ContainerState::kExited) return container.finished_at;
  }
  return {};
}

const char* Title(ContainerKind kind) { return kind == ContainerKind::kSidecar ? "Init container " : "Container "; }

// What a running container is killed for; empty when it may go on.
ContainerToKill WhyKill(const Facts& facts, const ContainerSpec& spec, ContainerKind kind,
                        const ContainerStatus& status) {
  ContainerToKill kill;
  const std::string who = Title(kind) + spec.name();
  ContainerHealth health = facts.HealthOf(status);
  bool resized = false;
  kill.restart = RestartPolicyOf(facts.pod, spec) != "Never";
  if (DefinitionChanged(spec, status)) {
    kill.message = who + " definition changed";
    kill.restart = true;
  } else if (health.liveness_failed) {
    kill.message = who + " failed liveness probe";
    kill.reason = KillReason::kLivenessProbe;
  } else if (health.startup_failed) {
    kill.message = who + " failed startup probe";
    kill.reason = KillReason::kStartupProbe;
  } else if (facts.known.resized.contains(status.id)) {
    kill.message = "Container " + spec.name() + " resize requires restart";
    kill.restart = resized = true;
  } else {
    return kill;
  }
  kill.id = status.id;
  kill.name = spec.name();
  if (kill.restart && !resized && kind != ContainerKind::kSidecar) kill.message += ", will be restarted";
  return kill;
}

// A container that is neither running nor ended: one left Created never ran, it is removed and made
// again; of an unknown one nobody knows whether it runs.
ContainerToKill ClearAway(const ContainerSpec& spec, ContainerKind kind, const ContainerStatus& status) {
  ContainerToKill kill;
  kill.id = status.id;
  kill.name = spec.name();
  kill.restart = true;
  if (status.state == ContainerState::kCreated) {
    kill.reason = KillReason::kNeverRan;
    kill.message = Title(kind) + spec.name() + " was created but never started";
  } else {
    const char* who = kind == ContainerKind::kInit || kind == ContainerKind::kSidecar ? "Init container" : "Container";
    kill.message = std::string(who) + " is in \"unknown\" state, try killing it before restart";
  }
  return kill;
}

}  // namespace

bool ConsiderContainer(const Facts& facts, const ContainerSpec& spec, ContainerKind kind, PodActions& actions) {
  const ContainerStatus* status = facts.Newest(spec);
  if (Running(status)) {
    ContainerToKill kill = WhyKill(facts, spec, kind, *status);
    if (kill.message.empty()) return true;
    if (kill.restart) {
      actions.start.push_back(MakeStart(facts, spec, kind));
      if (kill.reason != KillReason::kOther) {
        actions.start.back().previous_exit = ExitBefore(facts.observed, spec.name());
      }
    }
    actions.kill.push_back(std::move(kill));
    return true;
  }
  if (!facts.Starts(spec, status)) return false;
  if (status != nullptr && !Exited(status)) actions.kill.push_back(ClearAway(spec, kind, *status));
  actions.start.push_back(MakeStart(facts, spec, kind));
  return true;
}

// A plain init container that is the newest one in its sandbox.
static InitProgress ConsiderPlain(const Facts& facts, const ContainerSpec& spec, PodActions& actions) {
  const ContainerStatus* status = facts.Newest(spec);
  if (Running(status)) return InitProgress::kUnderWay;
  if (Exited(status)) {
    if (status->exit_code == 0) return InitProgress::kDone;
    if (!ShouldRestart(facts.pod, spec, status->exit_code) && !facts.known.stopped.contains(status->id)) {
      return InitProgress::kFailed;
    }
  } else {
    bool unknown = status->state != ContainerState::kCreated;
    if (unknown && RestartPolicyOf(facts.pod, spec) == "Never") return InitProgress::kFailed;
    actions.kill.push_back(ClearAway(spec, ContainerKind::kInit, *status));
  }
  actions.start.push_back(MakeStart(facts, spec, ContainerKind::kInit));
  return InitProgress::kUnderWay;
}

InitProgress ConsiderInit(const Facts& facts, PodActions& actions) {
  const auto& init = facts.pod.spec().init_containers();
  if (init.empty()) return InitProgress::kDone;
  // How far it has come: all before `newest` are done, whether or not they are still on record.
  int newest = init.size();
  if (!HasInitialized(facts.pod, facts.observed)) {
    do {
      --newest;
    } while (newest >= 0 && !facts.InSandbox(facts.Newest(init[newest])));
  }
  for (int i = 0; i < std::min(newest, init.size()); ++i) {
    if (api::IsRestartableInit(init[i])) ConsiderContainer(facts, init[i], ContainerKind::kSidecar, actions);
  }
  if (newest == init.size()) return InitProgress::kDone;
  if (newest >= 0) {
    const ContainerSpec& spec = init[newest];
    const ContainerStatus* status = facts.Newest(spec);
    InitProgress progress = InitProgress::kUnderWay;
    if (api::IsRestartableInit(spec)) {
      ConsiderContainer(facts, spec, ContainerKind::kSidecar, actions);
      if (Running(status) && facts.HealthOf(*status).started) progress = InitProgress::kDone;
    } else {
      progress = ConsiderPlain(facts, spec, actions);
    }
    if (progress != InitProgress::kDone || newest + 1 == init.size()) return progress;
  }
  const ContainerSpec& next = init[newest + 1];
  ContainerKind kind = api::IsRestartableInit(next) ? ContainerKind::kSidecar : ContainerKind::kInit;
  actions.start.push_back(MakeStart(facts, next, kind));
  return InitProgress::kUnderWay;
}

// Once means once: what the API server shows to have ended is not started because the runtime lost
// its record.
void ConsiderEphemeral(const Facts& facts, PodActions& actions) {
  const auto& shown = facts.pod.status().ephemeral_container_statuses();
  for (const auto& ephemeral : facts.pod.spec().ephemeral_containers()) {
    const std::string& name = ephemeral.ephemeral_container_common().name();
    const ContainerStatus* status = facts.observed.Newest(name);
    if (status != nullptr && status->state != ContainerState::kCreated) continue;
    bool ended = std::any_of(shown.begin(), shown.end(),
                             [&](const auto& s) { return s.name() == name && s.state().has_terminated(); });
    if (ended) continue;
    auto spec = std::make_shared<const ContainerSpec>(api::AsContainer(ephemeral));
    if (status != nullptr) actions.kill.push_back(ClearAway(*spec, ContainerKind::kEphemeral, *status));
    ContainerToStart start = MakeStart(facts, *spec, ContainerKind::kEphemeral);
    start.made = spec;
    start.target = ephemeral.target_container_name();
    actions.start.push_back(std::move(start));
  }
}

// Those that asked for it go last: while one of them is there, a kubelet that comes after a crash
// goes on with it.
std::vector<ContainerToReset> ContainersToReset(const Facts& facts) {
  std::vector<ContainerToReset> victims, askers;
  auto add = [&](const auto& specs, std::vector<ContainerToReset>& last) {
    for (const ContainerSpec& spec : specs) {
      for (const auto& status : facts.observed.containers) {
        if (status.name != spec.name()) continue;
        ContainerToReset one;
        one.id = status.id;
        one.name = status.name;
        one.kill = status.state != ContainerState::kExited && status.state != ContainerState::kCreated;
        bool asked = status.state == ContainerState::kExited && RestartsAll(spec, status.exit_code);
        (asked ? last : victims).push_back(std::move(one));
      }
    }
  };
  std::vector<ContainerToReset> init_askers;
  add(facts.pod.spec().containers(), askers);
  add(facts.pod.spec().init_containers(), init_askers);
  victims.insert(victims.end(), askers.begin(), askers.end());
  victims.insert(victims.end(), init_askers.begin(), init_askers.end());
  return victims;
}

}  // namespace kubelet::runtime
