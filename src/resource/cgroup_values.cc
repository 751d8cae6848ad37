#include <algorithm>

#include "kubelet/api/quantity.h"
#include "kubelet/resource/cpu.h"
#include "kubelet/resource/pod_cgroups.h"

namespace kubelet::resource {
namespace {

constexpr char kHugePages[] = "hugepages-";

std::optional<int64_t> Less(std::optional<int64_t> capacity, std::optional<int64_t> one,
                            std::optional<int64_t> two) {
  if (!capacity) return std::nullopt;
  return std::max<int64_t>(*capacity - one.value_or(0) - two.value_or(0), 0);
}

// Of every page size the machine has: what `bytes` says, else 0.
void LimitHugePages(const std::map<int64_t, int64_t>& bytes, const PodCgroupOptions& options,
                    os::CgroupValues& values) {
  for (int64_t size : options.huge_page_sizes) {
    auto it = bytes.find(size);
    values.hugetlb_bytes[os::HugetlbSizeName(size)] = it == bytes.end() ? 0 : it->second;
  }
}

NodeAmounts Allocatable(const PodCgroupOptions& options) {
  if (!options.enforce_pods || !options.pods_per_qos) return options.capacity;
  const auto &kube = options.kube_reserved, &system = options.system_reserved;
  NodeAmounts out;
  out.cpu_milli = Less(options.capacity.cpu_milli, kube.cpu_milli, system.cpu_milli);
  out.memory_bytes = Less(options.capacity.memory_bytes, kube.memory_bytes, system.memory_bytes);
  out.pids = Less(options.capacity.pids, kube.pids, system.pids);
  for (const auto& [size, bytes] : options.capacity.huge_pages) {
    auto of = [size = size](const NodeAmounts& amounts) {
      auto it = amounts.huge_pages.find(size);
      return it == amounts.huge_pages.end() ? int64_t{0} : it->second;
    };
    out.huge_pages[size] = std::max<int64_t>(bytes - of(kube) - of(system), 0);
  }
  return out;
}

os::CgroupValues ValuesOf(const NodeAmounts& amounts, const PodCgroupOptions& options) {
  os::CgroupValues values;
  if (amounts.cpu_milli) values.cpu_shares = MilliCpuToShares(*amounts.cpu_milli);
  values.memory_bytes = amounts.memory_bytes;
  values.pids = amounts.pids;
  LimitHugePages(amounts.huge_pages, options, values);
  return values;
}

}  // namespace

os::CgroupValues ComputePodCgroup(const api::core::Pod& pod, const PodCgroupOptions& options,
                                  bool no_cpu_quota) {
  os::CgroupValues values;
  api::QosClass qos = api::ComputeQos(pod);
  auto resources = api::ComputePodResources(pod);
  bool guaranteed = qos == api::QosClass::kGuaranteed,
       best_effort = qos == api::QosClass::kBestEffort;
  values.cpu_shares = best_effort ? kMinShares : MilliCpuToShares(resources.cpu_request_milli);
  int64_t quota = MilliCpuToQuota(resources.cpu_limit_milli, options.quota_period.count());
  if (!best_effort && (guaranteed || resources.all_cpu_limited) && quota > 0) {
    values.cpu_quota_us = options.cpu_cfs_quota && !no_cpu_quota ? quota : -1;
    values.cpu_period_us = static_cast<uint64_t>(options.quota_period.count());
  }
  bool limited = guaranteed || resources.all_memory_limited;
  if (!best_effort && limited && resources.memory_limit > 0)
    values.memory_bytes = resources.memory_limit;
  if (options.pod_pids_limit > 0) values.pids = options.pod_pids_limit;
  std::map<int64_t, int64_t> huge_pages;
  for (const auto& [name, bytes] : resources.hugepage_limits) {
    auto size = api::Quantity::Parse(name.substr(std::min(name.size(), sizeof kHugePages - 1)));
    if (size.ok()) huge_pages[size->Value()] += bytes;
  }
  LimitHugePages(huge_pages, options, values);
  return values;
}

os::CgroupValues ComputeRootCgroup(const PodCgroupOptions& options) {
  return ValuesOf(Allocatable(options), options);
}

os::CgroupValues ComputeReservedCgroup(const NodeAmounts& reserved, Enforcement enforcement,
                                       const PodCgroupOptions& options) {
  os::CgroupValues values;
  if (enforcement == Enforcement::kAll) values = ValuesOf(reserved, options);
  if (enforcement == Enforcement::kCompressible && reserved.cpu_milli) {
    values.cpu_shares = MilliCpuToShares(*reserved.cpu_milli);
  }
  return values;
}

os::CgroupValues ComputeQosCgroup(api::QosClass qos, std::optional<int64_t> burstable_cpu_milli,
                                  const PodCgroupOptions& options) {
  os::CgroupValues values;
  if (qos == api::QosClass::kBestEffort) values.cpu_shares = kMinShares;
  if (qos == api::QosClass::kBurstable && burstable_cpu_milli) {
    values.cpu_shares = MilliCpuToShares(*burstable_cpu_milli);
  }
  for (int64_t size : options.huge_page_sizes) values.hugetlb_bytes[os::HugetlbSizeName(size)] = -1;
  return values;
}

os::CgroupName QosCgroupName(const std::string& cgroup_root, api::QosClass qos) {
  os::CgroupName name = os::ParseCgroupfsPath(cgroup_root);
  name.push_back("kubepods");
  if (qos == api::QosClass::kBurstable) name.push_back("burstable");
  if (qos == api::QosClass::kBestEffort) name.push_back("besteffort");
  return name;
}

os::CgroupName PodCgroupName(const std::string& cgroup_root, api::QosClass qos,
                             const std::string& uid) {
  os::CgroupName name = QosCgroupName(cgroup_root, qos);
  name.push_back("pod" + uid);
  return name;
}

}  // namespace kubelet::resource
