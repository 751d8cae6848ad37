// What the runtime is told of CPU, memory and huge pages (pkg/kubelet/kuberuntime
// calculateLinuxResources, 1.36).
#pragma once

#include "kubelet/api/types.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/model.h"

namespace kubelet::runtime {

// A limit that the container lacks is the pod's (spec.resources), huge pages too.
// `container`: of this pod, or as a resize makes it.
LinuxResources MakeContainerResources(const api::core::Pod& pod,
                                      const api::core::Container& container, int64_t oom_score_adj,
                                      const NodeContext& node);
// Of the whole pod without its overhead, for the runtime's information.
LinuxResources MakeSandboxResources(const api::core::Pod& pod, const NodeContext& node);
// Requested and limited alike; nothing for a pod without.
LinuxResources MakeOverhead(const api::core::Pod& pod, const NodeContext& node);

}  // namespace kubelet::runtime
