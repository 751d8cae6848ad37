// How much containers may swap: nothing, unless memorySwap.swapBehavior is LimitedSwap and the
// container is one of those it is for. Pure. (Facts: configureContainerSwapResources,
// pkg/kubelet/kuberuntime/kuberuntime_container_linux.go of 1.36.)
#pragma once

#include <cstdint>

#include "kubelet/api/types.h"
#include "kubelet/runtime/model.h"

namespace kubelet::runtime {

// What is so on this node.
struct SwapContext {
  bool controlled = false;  // the kernel counts swap by cgroup; without it nothing can be limited
  bool limited = false;     // LimitedSwap, and cgroup v2, which alone has it; else NoSwap
  int64_t memory_bytes = 0, swap_bytes = 0;  // of the machine
};

// Whether LimitedSwap is for this container: of a Burstable pod that is not critical, with a memory
// request other than its limit. One that may swap cannot have its memory request resized in place.
bool MaySwap(const api::core::Pod& pod, const api::core::Container& container);

// Bytes that the container may swap, on cgroup v2: its request's share of the node's swap; 0: none.
int64_t SwapOf(const api::core::Pod& pod, const api::core::Container& container,
               const SwapContext& node);

// Adds the limit to what is told of a container; its memory limit has to be there. Nothing where
// swap is not controlled. On cgroup v1 a container without a memory limit cannot be kept from
// swapping.
void LimitSwap(const api::core::Pod& pod, const api::core::Container& container, bool cgroup_v2,
               const SwapContext& node, LinuxResources& resources);

}  // namespace kubelet::runtime
