// Pure decision: desired pod + observed pod -> what to do next. No clock, no I/O: the caller passes
// the time.
//
// Rules (pkg/kubelet/kuberuntime computePodActions, Kubernetes 1.36):
//   sandbox     a new one when there is none, the newest is not ready, more than one is ready, the
//   network mode
//               changed, or a pod-network sandbox has no IP; unless the pod has run to its end.
//   containers  start what is not running and may (re)start; kill what runs with another definition
//   or fails its
//               liveness or startup probe. An exit of another definition is not this one's: it
//               starts, whatever the policy (upstream loses it when the kubelet dies, or the image
//               is not there, between kill and start).
//   init        one after the other; a sidecar (restartPolicy Always) counts as done once it has
//   started. The newest
//               init container that this sandbox knows tells how far it has come: records of
//               earlier ones may have been removed. A regular container in this sandbox says that
//               all is done.
//   sidecars    run until the pod ends, whatever its policy.
//   ephemeral   each is started once, whatever the init containers do.
//   reset       an exit that asks for RestartAllContainers: all containers are removed, those that
//   asked for it last,
//               and the pod begins anew in its sandbox.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/runtime/health.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::runtime {

enum class ContainerKind { kInit, kSidecar, kRegular, kEphemeral };

struct ContainerToStart {
  const api::core::Container* spec = nullptr;  // points into the pod, or to `made`
  ContainerKind kind = ContainerKind::kRegular;
  uint32_t attempt = 0;
  // Exit of the previous instance; the crash back-off counts from here. Epoch zero: none.
  base::WallTime previous_exit;
  // Of an ephemeral container: its spec as a Container, and whose PID namespace it joins (a name,
  // may be empty).
  std::shared_ptr<const api::core::Container> made;
  std::string target;
  bool operator==(const ContainerToStart&) const = default;
};

enum class KillReason { kOther, kNeverRan, kLivenessProbe, kStartupProbe };

struct ContainerToKill {
  ContainerId id;
  std::string name;
  std::string message;  // of the Killing event
  KillReason reason = KillReason::kOther;
  bool restart = false;  // it is to start again, whatever its exit code
  bool operator==(const ContainerToKill&) const = default;
};

struct ContainerToReset {
  ContainerId id;
  std::string name;
  bool kill = false;  // it may run
  bool operator==(const ContainerToReset&) const = default;
};

struct PodActions {
  bool create_sandbox = false;  // stop what is left of the old one first
  uint32_t sandbox_attempt = 0;
  // Kill everything and stop the sandbox: it cannot be used, or the pod has run to its end.
  bool kill_pod = false;
  std::vector<ContainerToReset> reset;  // in this order; nothing else is done besides
  std::vector<ContainerToKill> kill;
  std::vector<ContainerToStart> start;
  // The pod's containers have all ended and none may restart (Succeeded or Failed).
  bool terminal = false;
  std::string reason;  // why, in words for `kubelet explain`
  bool Nothing() const { return !create_sandbox && !kill_pod && reset.empty() && kill.empty() && start.empty(); }
};

// Why this kubelet stopped a container that is to start again: its exit code says nothing, so the
// restart policy does not apply to it. The crash back-off does to an unhealthy one.
enum class StoppedFor { kRestart, kUnhealthy };

// What is known besides the runtime's word.
struct Knowledge {
  std::map<ContainerId, StoppedFor> stopped;
  std::map<ContainerId, ContainerHealth> health;  // of what runs; absent: started, and nothing is wrong
  std::set<ContainerId> resized;  // running, and its new resources want a restart (Resize::restart)
};

PodActions ComputePodActions(const api::core::Pod& pod, const ObservedPod& observed, const Knowledge& known = {});

// The restart policy that counts for a container: its own, else the pod's (empty is Always).
const std::string& RestartPolicyOf(const api::core::Pod& pod, const api::core::Container& container);
// Whether a container that ended with `exit_code` starts again, by the first of its own rules that
// matches, else by its policy (pkg/api/v1/pod ContainerShouldRestart).
bool ShouldRestart(const api::core::Pod& pod, const api::core::Container& container, int exit_code);
// The first rule that matches asks for all containers of the pod to restart.
bool RestartsAll(const api::core::Container& container, int exit_code);
// A container of the pod has such a rule.
bool HasRestartAllRule(const api::core::Pod& pod);
// The newest instance of some container ended with an exit that asks for it, and is not removed
// yet.
bool RestartAllWanted(const api::core::Pod& pod, const ObservedPod& observed, const Knowledge& known = {});

// The pod as the gates ContainerRestartRules (`rules`) and RestartAllContainersOnContainerExits (`restart_all`) let it be
// seen: with a gate off, what it guards is not there. The same object when that changes nothing.
api::PodPtr WithRestartGates(api::PodPtr pod, bool rules, bool restart_all);

// The attempt that is next by what the API server shows of a container: for one that the runtime
// has lost with its logs. 0: it has not run.
uint32_t AttemptsShown(const api::core::Pod& pod, const std::string& container);

// `<hash>` annotation of a container differs from the spec's.
bool DefinitionChanged(const api::core::Container& spec, const ContainerStatus& status);

// A regular container exists in the sandbox of today, so all init containers have done their work.
bool HasInitialized(const api::core::Pod& pod, const ObservedPod& observed);

}  // namespace kubelet::runtime
