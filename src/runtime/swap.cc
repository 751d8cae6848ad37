#include "kubelet/runtime/swap.h"

#include <string>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"

namespace kubelet::runtime {

bool MaySwap(const api::core::Pod& pod, const api::core::Container& container) {
  auto request = api::Request(container, "memory");
  auto limit = api::Limit(container, "memory");
  return !api::IsCritical(pod) && api::ComputeQos(pod) == api::QosClass::kBurstable &&
         !(request == limit);
}

int64_t SwapOf(const api::core::Pod& pod, const api::core::Container& container,
               const SwapContext& node) {
  if (!node.limited || !MaySwap(pod, container)) return 0;
  const int64_t request = api::Request(container, "memory").Value();
  if (node.memory_bytes <= 0 || request > node.memory_bytes) {
    LOG_ERROR("The memory request is beyond the node's memory; the container may not swap", "pod",
              api::PodKey(pod), "container", container.name(), "request", request, "memory",
              node.memory_bytes);
    return 0;
  }
  // As upstream computes, so that both give the same file the same number.
  const double share = static_cast<double>(request) / static_cast<double>(node.memory_bytes);
  return static_cast<int64_t>(share * static_cast<double>(node.swap_bytes));
}

void LimitSwap(const api::core::Pod& pod, const api::core::Container& container, bool cgroup_v2,
               const SwapContext& node, LinuxResources& resources) {
  if (!node.controlled) return;
  if (cgroup_v2) {
    resources.unified["memory.swap.max"] = std::to_string(SwapOf(pod, container, node));
  } else {
    resources.memory_swap_limit_bytes =
        resources.memory_limit_bytes;  // of memory and swap together
  }
}

}  // namespace kubelet::runtime
