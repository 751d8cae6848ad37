// Pure decision: desired pod + observed pod -> what to do next. No clock, no I/O: the caller passes the time.
//
// Rules (pkg/kubelet/kuberuntime computePodActions, Kubernetes 1.36):
//   sandbox     a new one when there is none, the newest is not ready, more than one is ready, the network mode
//               changed, or a pod-network sandbox has no IP; unless the pod has run to its end.
//   containers  start what is not running and may (re)start; kill what runs with another definition. An exit of
//               another definition is not this one's: it starts, whatever the policy (upstream loses it when the
//               kubelet dies, or the image is not there, between kill and start).
//   init        one after the other; a sidecar (restartPolicy Always) counts as done once it has started.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::runtime {

enum class ContainerKind { kInit, kSidecar, kRegular };

struct ContainerToStart {
  const api::core::Container* spec = nullptr;  // points into the pod
  ContainerKind kind = ContainerKind::kRegular;
  uint32_t attempt = 0;
  // Exit of the previous instance; the crash back-off counts from here. Epoch zero: none.
  base::WallTime previous_exit;
  bool operator==(const ContainerToStart&) const = default;
};

struct ContainerToKill {
  ContainerId id;
  std::string name;
  std::string reason;  // for the event and the log
  bool operator==(const ContainerToKill&) const = default;
};

struct PodActions {
  bool create_sandbox = false;   // stop what is left of the old one first
  uint32_t sandbox_attempt = 0;
  // Kill everything and stop the sandbox: it cannot be used, or the pod has run to its end.
  bool kill_pod = false;
  std::vector<ContainerToKill> kill;
  std::vector<ContainerToStart> start;
  // The pod's containers have all ended and none may restart (Succeeded or Failed).
  bool terminal = false;
  std::string reason;  // why, in words for `kubelet explain`
  bool Nothing() const { return !create_sandbox && !kill_pod && kill.empty() && start.empty(); }
};

// `stopped` names containers that this kubelet stopped in order to start them again: their exit says nothing, so
// restart policy and back-off do not apply to it.
PodActions ComputePodActions(const api::core::Pod& pod, const ObservedPod& observed,
                             const std::set<ContainerId>& stopped = {});

// Whether a container that ended with `exit_code` starts again under the pod's restart policy
// (Always, OnFailure, Never) or its own (`restartPolicy` of a sidecar).
bool ShouldRestart(const api::core::Pod& pod, const api::core::Container& container, int exit_code);

// The attempt that is next by what the API server shows of a container: for one that the runtime has lost with its
// logs. 0: it has not run.
uint32_t AttemptsShown(const api::core::Pod& pod, const std::string& container);

// `<hash>` annotation of a container differs from the spec's.
bool DefinitionChanged(const api::core::Container& spec, const ContainerStatus& status);

}  // namespace kubelet::runtime
