#include "kubelet/resource/oom_score.h"

#include <algorithm>

#include "kubelet/api/pod.h"

namespace kubelet::resource {
namespace {

using api::core::Container;
using api::core::Pod;

constexpr int64_t kGuaranteed = -997;
constexpr int64_t kBestEffort = 1000;
constexpr char kNodeCritical[] = "system-node-critical";

bool IsNodeCritical(const Pod& pod) {
  return api::IsCritical(pod) && pod.spec().priority_class_name() == kNodeCritical;
}

bool HasPodLevelRequests(const Pod& pod) {
  for (const auto& [name, quantity] : pod.spec().resources().requests()) {
    if (name == "cpu" || name == "memory" || name.rfind("hugepages-", 0) == 0) return true;
  }
  return false;
}

int64_t MemoryRequest(const Container& container) {
  return api::Request(container, "memory").Value();
}

// What the pod asks for beyond its containers, divided among all of them.
int64_t UnclaimedShare(const Pod& pod) {
  auto it = pod.spec().resources().requests().find("memory");
  if (it == pod.spec().resources().requests().end()) return 0;
  int64_t of_pod = api::Quantity::From(it->second).Value();
  int64_t count = pod.spec().containers_size() + pod.spec().init_containers_size();
  if (of_pod == 0 || count == 0) return 0;
  Pod without = pod;
  without.mutable_spec()->clear_resources();
  without.mutable_spec()->clear_overhead();
  return (of_pod - api::ComputePodResources(without).memory_request) / count;
}

bool IsSidecar(const Pod& pod, const Container& container) {
  if (!api::IsRestartableInit(container)) return false;
  const auto& inits = pod.spec().init_containers();
  return std::any_of(inits.begin(), inits.end(),
                     [&](const Container& init) { return init.name() == container.name(); });
}

int64_t Score(int64_t request, int64_t capacity) {
  return 1000 - static_cast<int64_t>(static_cast<__int128>(request) * 1000 / capacity);
}

}  // namespace

int64_t ComputeOomScoreAdj(const Pod& pod, const Container& container, int64_t memory_capacity) {
  if (IsNodeCritical(pod)) return kGuaranteed;
  switch (api::ComputeQos(pod)) {
    case api::QosClass::kGuaranteed:
      return kGuaranteed;
    case api::QosClass::kBestEffort:
      return kBestEffort;
    case api::QosClass::kBurstable:
      break;
  }
  if (memory_capacity <= 0) return kBestEffort - 1;
  int64_t unclaimed = HasPodLevelRequests(pod) ? UnclaimedShare(pod) : 0;
  int64_t score = Score(MemoryRequest(container) + unclaimed, memory_capacity);
  if (IsSidecar(pod, container) && pod.spec().containers_size() > 0) {
    int64_t smallest = MemoryRequest(pod.spec().containers(0));
    for (const auto& regular : pod.spec().containers())
      smallest = std::min(smallest, MemoryRequest(regular));
    score = std::min(score, Score(smallest + unclaimed, memory_capacity));
  }
  return std::clamp(score, 1000 + kGuaranteed, kBestEffort - 1);
}

}  // namespace kubelet::resource
