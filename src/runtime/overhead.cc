#include "runtime/overhead.h"

namespace kubelet::runtime {

LinuxResources OverheadOf(const api::core::Pod& pod, const NodeContext& node) {
  LinuxResources out;
  const auto& overhead = pod.spec().overhead();
  if (overhead.empty()) return out;
  auto of = [&](const char* name) {
    auto it = overhead.find(name);
    return it == overhead.end() ? api::Quantity() : api::Quantity::From(it->second);
  };
  int64_t cpu = of("cpu").MilliValue();
  out.cpu_shares = MilliCpuToShares(cpu);
  out.memory_limit_bytes = of("memory").Value();
  if (node.cpu_cfs_quota) {
    out.cpu_period = node.cpu_cfs_quota_period_us;
    out.cpu_quota = MilliCpuToQuota(cpu, node.cpu_cfs_quota_period_us);
  }
  return out;
}

api::PodResources ResourcesWithoutOverhead(const api::core::Pod& pod) {
  if (pod.spec().overhead().empty()) return api::ComputePodResources(pod);
  api::core::Pod bare = pod;
  bare.mutable_spec()->clear_overhead();
  return api::ComputePodResources(bare);
}

}  // namespace kubelet::runtime
