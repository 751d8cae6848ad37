// Pod status out of what is wanted and what the runtime shows. Pure: same input, same status.
// Rules: pkg/kubelet/kubelet_pods.go getPhase and convertStatusToAPIStatus, pkg/kubelet/status/generate.go (1.36).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/runtime/health.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::status {

// Phase Failed with this reason and message, whatever the containers did (but see by_node).
struct Verdict {
  std::string reason, message;
  bool rejected = false;  // never admitted: no containers are shown unless some ran
  std::string disruption = {};  // message of DisruptionTarget, when the node drove it out
  // Preempted, evicted or shut down: judged when nothing runs any more, and what has then succeeded
  // all the same is Succeeded, without reason (pkg/kubelet/kubelet.go SyncTerminatingPod).
  bool by_node = false;
};

struct Input {
  // For a pod of the API its status is what the server shows: conditions of others, fields that are not the
  // kubelet's and a terminal phase come from there.
  const api::core::Pod* pod = nullptr;
  const runtime::ObservedPod* observed = nullptr;  // null: nothing in the runtime
  // What was generated before; after a restart what the API shows. Null: none yet.
  const api::core::PodStatus* previous = nullptr;
  std::map<std::string, runtime::Waiting> waiting;
  std::map<std::string, std::string> termination_messages;  // container id -> message
  // Container id -> what its probes say. One that runs and is not here is started and ready.
  std::map<std::string, runtime::ContainerHealth> health;
  std::string runtime_name;                        // prefix of container ids
  std::vector<std::string> host_ips;
  base::WallTime now;
  bool terminating = false;  // it is to end: nothing restarts, waiting reasons do not count
  bool stopped = false;      // and nothing of it runs any more
  bool finished = false;     // and it is cleaned up: what did not end in sight ended unknown
  std::optional<Verdict> verdict;
  bool stop_signals = false;  // gate ContainerStopSignals: the status names the signal that ends a container
  // `pod` has the resources that it was given. PodResizePending and PodResizeInProgress, as far as they are true; what
  // its containers were last set to (by name, may be null).
  std::vector<api::core::PodCondition> resize_conditions;
  const std::map<std::string, api::core::ResourceRequirements>* actuated = nullptr;
  // Gate InPlacePodLevelResourcesVerticalScaling: the pod's own resources and allocatedResources are shown.
  bool pod_level_resources = false;
  // allocatedResourcesStatus of containers by name (gate ResourceHealthStatus).
  std::map<std::string, std::vector<api::core::ResourceStatus>> resource_health;
};

// Succeeded or Failed.
bool IsTerminal(const std::string& phase);

// Times of conditions move only when their status does; terminal phases never go back; restart counts only grow.
//
// Deviation: the status of a rejected pod has conditions (upstream writes none and so loses PodScheduled).
api::core::PodStatus Generate(const Input& input);

// What the warning HostIPsIPFamilyMismatch says when the node's first address is of another family than the pod's status
// had so far; empty: it is not. Of pkg/kubelet/kubelet_pods.go (generateAPIPodStatus).
std::string FamilyMismatch(const api::core::PodStatus& previous, const std::vector<std::string>& host_ips);

}  // namespace kubelet::status
