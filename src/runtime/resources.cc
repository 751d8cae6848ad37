#include "runtime/resources.h"

#include <optional>

#include "kubelet/api/resources.h"
#include "kubelet/runtime/swap.h"

namespace kubelet::runtime {
namespace {

constexpr char kCpu[] = "cpu", kMemory[] = "memory";

// Without a request the limit counts as one.
LinuxResources Calculate(std::optional<int64_t> cpu_request_milli, int64_t cpu_limit_milli,
                         int64_t memory_limit, const NodeContext& node) {
  LinuxResources out;
  out.cpu_shares = MilliCpuToShares(cpu_request_milli.value_or(cpu_limit_milli));
  if (node.cpu_cfs_quota) {
    out.cpu_period = node.cpu_cfs_quota_period_us;
    out.cpu_quota = MilliCpuToQuota(cpu_limit_milli, node.cpu_cfs_quota_period_us);
  }
  out.memory_limit_bytes = memory_limit;
  if (node.cgroup_v2 && !node.single_process_oom_kill) out.unified["memory.oom.group"] = "1";
  return out;
}

std::optional<int64_t> MilliOf(const api::QuantityMap& map) {
  auto it = map.find(kCpu);
  if (it == map.end()) return std::nullopt;
  return it->second.MilliValue();
}

int64_t BytesOf(const api::QuantityMap& map) {
  auto it = map.find(kMemory);
  return it == map.end() ? 0 : it->second.Value();
}

}  // namespace

LinuxResources MakeContainerResources(const api::core::Pod& pod,
                                      const api::core::Container& container, int64_t oom_score_adj,
                                      const NodeContext& node) {
  const auto& spec = pod.spec();
  const auto& own = container.resources();
  std::optional<int64_t> request;
  if (own.requests().contains(kCpu)) request = api::QuantityOf(own.requests(), kCpu).MilliValue();
  LinuxResources out = Calculate(request, api::EffectiveLimit(spec, container, kCpu).MilliValue(),
                                 api::EffectiveLimit(spec, container, kMemory).Value(), node);
  out.oom_score_adj = oom_score_adj;
  LimitSwap(pod, container, node.cgroup_v2, node.swap, out);
  for (const auto& size : node.hugepage_sizes) {
    std::string name =
        "hugepages-" + size.substr(0, size.size() - 1) + "i";  // 2MB -> hugepages-2Mi
    const auto& limits = own.limits().contains(name) ? own.limits() : spec.resources().limits();
    out.hugepage_limits.emplace_back(size,
                                     static_cast<uint64_t>(api::QuantityOf(limits, name).Value()));
  }
  return out;
}

LinuxResources MakeSandboxResources(const api::core::Pod& pod, const NodeContext& node) {
  api::core::PodSpec spec = pod.spec();
  spec.clear_overhead();
  auto limits = api::SumLimits(spec);
  return Calculate(MilliOf(api::SumRequests(spec)), MilliOf(limits).value_or(0), BytesOf(limits),
                   node);
}

LinuxResources MakeOverhead(const api::core::Pod& pod, const NodeContext& node) {
  if (pod.spec().overhead().empty()) return {};
  const auto& overhead = pod.spec().overhead();
  int64_t cpu = api::QuantityOf(overhead, kCpu).MilliValue();
  return Calculate(cpu, cpu, api::QuantityOf(overhead, kMemory).Value(), node);
}

}  // namespace kubelet::runtime
