#include "kubelet/runtime/resize.h"

#include <algorithm>
#include <limits>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"

namespace kubelet::runtime {
namespace {

using api::core::Container;
using api::core::Pod;
using api::core::ResourceRequirements;

constexpr char kCpu[] = "cpu", kMemory[] = "memory";

bool Restarts(const Container& container, const std::string& resource) {
  for (const auto& policy : container.resize_policy()) {
    if (policy.resource_name() == resource) return policy.restart_policy() == "RestartContainer";
  }
  return false;
}

// What runs, as far as the runtime tells; what it does not tell, or tells in the words of
// `desired`, is as desired.
Amounts Reported(const ContainerStatus& status, const Amounts& desired, const NodeContext& node) {
  Amounts out = desired;
  if (!status.resources) return out;
  const LinuxResources& has = *status.resources;
  if (has.cpu_shares > 0 && has.cpu_shares != MilliCpuToShares(desired.cpu_request)) {
    out.cpu_request = (has.cpu_shares * 1000 + 1023) / 1024;
  }
  if (has.cpu_quota > 0 && has.cpu_period > 0 && node.cpu_cfs_quota &&
      has.cpu_quota != MilliCpuToQuota(desired.cpu_limit, has.cpu_period)) {
    out.cpu_limit = has.cpu_quota * 1000 / has.cpu_period;
  }
  if (has.memory_limit_bytes > 0) out.memory_limit = has.memory_limit_bytes;
  return out;
}

void Mark(std::vector<ContainerResize>& list, const ContainerResize& change, int64_t current,
          int64_t desired) {
  list.insert(desired > current ? list.end() : list.begin(), change);
}

struct Compare {
  const Pod& pod;
  const ObservedPod& observed;
  const Actuations& actuated;
  const ResizeOptions& options;
  const NodeContext& node;
  Resize out;

  void Look(const Container& container, bool is_init) {
    if (!api::IsResizable(container, is_init, options.init_containers)) return;
    const ContainerStatus* status = observed.Newest(container.name());
    if (status == nullptr || status->state != ContainerState::kRunning) return;
    Amounts desired = AmountsOf(options.pod_level ? api::EffectiveResources(pod.spec(), container)
                                                  : container.resources());
    const ResourceRequirements* record = actuated.Container(pod.metadata().uid(), container.name());
    Amounts current = record != nullptr ? AmountsOf(*record) : Reported(*status, desired, node);
    if (current == desired) {
      if (record == nullptr) out.unwritten.push_back(&container);
      return;
    }
    bool memory = current.memory_limit != desired.memory_limit ||
                  current.memory_request != desired.memory_request;
    bool cpu = current.cpu_limit != desired.cpu_limit || current.cpu_request != desired.cpu_request;
    if (record != nullptr &&
        ((memory && Restarts(container, kMemory)) || (cpu && Restarts(container, kCpu)))) {
      out.restart.insert(status->id);
      return;
    }
    ContainerResize change{status->id, &container, current, desired};
    if (current.memory_limit != desired.memory_limit) {
      Mark(out.memory, change, current.memory_limit, desired.memory_limit);
    } else if (memory) {
      Mark(out.memory, change, current.memory_request, desired.memory_request);
    }
    if (current.cpu_limit != desired.cpu_limit) {
      Mark(out.cpu, change, current.cpu_limit, desired.cpu_limit);
    } else if (cpu) {
      Mark(out.cpu, change, current.cpu_request, desired.cpu_request);
    }
  }
};

// No limit is more than any.
int64_t Size(const std::optional<int64_t>& limit) {
  return !limit || *limit < 0 ? std::numeric_limits<int64_t>::max() : *limit;
}

}  // namespace

Amounts AmountsOf(const ResourceRequirements& resources) {
  Amounts out;
  out.memory_limit = api::QuantityOf(resources.limits(), kMemory).Value();
  out.memory_request = api::QuantityOf(resources.requests(), kMemory).Value();
  out.cpu_limit = api::QuantityOf(resources.limits(), kCpu).MilliValue();
  out.cpu_request = api::QuantityOf(resources.requests(), kCpu).MilliValue();
  return out;
}

Resize ComputeResize(const Pod& allocated, const ObservedPod& observed, const Actuations& actuated,
                     const ResizeOptions& options, const NodeContext& node) {
  Compare compare{allocated, observed, actuated, options, node, {}};
  for (const auto& c : allocated.spec().init_containers()) compare.Look(c, true);
  for (const auto& c : allocated.spec().containers()) compare.Look(c, false);
  const ResourceRequirements* level = actuated.PodLevel(allocated.metadata().uid());
  // Nothing written down says nothing: the pod's cgroup is compared anyway.
  if (options.pod_level && level != nullptr) {
    compare.out.pod_level = AmountsOf(*level) != AmountsOf(allocated.spec().resources());
  }
  return std::move(compare.out);
}

std::vector<ResizeStep> OrderResize(const Resize& resize, const PodLimits& now,
                                    const PodLimits& wanted) {
  using Kind = ResizeStep::Kind;
  std::vector<ResizeStep> steps;
  auto add = [&](bool wish, Kind kind) {
    if (wish) steps.push_back({kind});
  };
  auto containers = [&](const std::vector<ContainerResize>& list, Kind kind) {
    for (size_t i = 0; i < list.size(); ++i) steps.push_back({kind, i});
  };
  int64_t memory = wanted.memory_bytes ? Size(wanted.memory_bytes) : Size(now.memory_bytes);
  add(memory > Size(now.memory_bytes), Kind::kPodMemoryLimit);
  containers(resize.memory, Kind::kContainerMemory);
  add(memory < Size(now.memory_bytes), Kind::kPodMemoryLimit);

  int64_t quota = wanted.cpu_quota_us ? Size(wanted.cpu_quota_us) : Size(now.cpu_quota_us);
  int64_t shares_now = now.cpu_shares.value_or(0), shares = wanted.cpu_shares.value_or(shares_now);
  // Requests never exceed limits: growing limits first, shrinking requests first.
  add(quota > Size(now.cpu_quota_us), Kind::kPodCpuLimit);
  add(shares > shares_now, Kind::kPodCpuShares);
  containers(resize.cpu, Kind::kContainerCpu);
  add(shares < shares_now, Kind::kPodCpuShares);
  add(quota < Size(now.cpu_quota_us), Kind::kPodCpuLimit);
  return steps;
}

}  // namespace kubelet::runtime
