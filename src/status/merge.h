// What a wanted status becomes beside what the API server has of the pod. Pure functions.
// Rules: pkg/kubelet/status/status_manager.go normalizeStatus, mergePodStatus (1.36).
#pragma once

#include <string>

#include "kubelet/api/types.h"
#include "kubelet/base/time.h"

namespace kubelet::status {

// Succeeded or Failed.
bool IsTerminal(const std::string& phase);
// The condition Ready is True.
bool IsReady(const api::core::PodStatus& status);
// Conditions that only the kubelet writes.
bool IsOwnCondition(const std::string& type);

// Times in whole seconds; containers by name, init containers in the order of the spec; termination
// messages cut so that all of a pod's stay within 12 KiB.
void Normalize(const api::core::Pod& pod, api::core::PodStatus& status);

// `status` follows `before`, of the same pod: lastTransitionTime of a condition of ours whose
// status is as before stays, and so does startTime; restart counts do not go down. True when
// something changed.
bool Follow(const api::core::PodStatus& before, api::core::PodStatus& status);
// A terminal phase in `before` stays, with its reason and message.
void KeepEnd(const api::core::PodStatus& before, api::core::PodStatus& status);

struct MergeRules {
  bool terminal_allowed = false;  // no container can run any more
  base::WallTime now;             // of conditions that turn here
};
// The status to write: `wanted`, with what is not ours as the server has it, a terminal phase only
// when it is allowed and never taken back, Ready False beside a terminal phase, restart counts and
// observedGeneration not below the server's. `wanted` is normalized.
api::core::PodStatus Merge(const api::core::PodStatus& server, api::core::PodStatus wanted,
                           const MergeRules& rules);

}  // namespace kubelet::status
