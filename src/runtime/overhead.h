// What a RuntimeClass costs beside the containers, for the runtime's own sizing of the sandbox
// (pkg/kubelet/kuberuntime/kuberuntime_sandbox_linux.go, 1.36). Pure; internal to the room.
#pragma once

#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {

// spec.overhead as requests that are limits too; nothing when there is none.
LinuxResources OverheadOf(const api::core::Pod& pod, const NodeContext& node);
// The pod's sums without it: the runtime adds the two.
api::PodResources ResourcesWithoutOverhead(const api::core::Pod& pod);

}  // namespace kubelet::runtime
