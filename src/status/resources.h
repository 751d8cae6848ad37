// Resources in the status: what the runtime has of them, where it tells
// (pkg/kubelet/kubelet_pods.go convertContainerStatusResources,
// convertToAPIPodLevelResourcesStatus, 1.36).
#pragma once

#include "kubelet/status/status.h"

namespace kubelet::status {

// resources and allocatedResources of a container. `now` has its id and state already; `old` is
// what was shown before, or null.
void SetContainerResources(const Input& input, const api::core::Container& spec,
                           const runtime::ContainerStatus& seen,
                           const api::core::ContainerStatus* old, api::core::ContainerStatus& now);

// The same of the pod as a whole, when its phase is set. Running: what its cgroup is limited to,
// which are the allocated amounts unless a resize is under way; then what was shown before.
//
// Deviation: upstream reads the cgroup's files and shows amounts as the kernel rounds them.
void SetPodResources(const Input& input, api::core::PodStatus& status);

}  // namespace kubelet::status
