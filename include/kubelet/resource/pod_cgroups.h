// The cgroups above containers: <root>/kubepods with the node's allocatable limits, burstable and
// besteffort below it, and one group a pod, which the runtime gets as cgroup_parent. Facts:
// pkg/kubelet/cm, Kubernetes 1.36.
//
// Core loop object; file work goes to the BlockingPool (kind `cgroup`). Nothing is remembered of
// pods: the file system is asked, so a restart changes nothing. A limit that the kernel refuses is
// logged once and the pod runs without it; a required controller that is missing is an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/types.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/os/cgroup.h"
#include "kubelet/os/cgroup_driver.h"

namespace kubelet::resource {

// Amounts of a node, or of a reservation; what is absent is not limited.
struct NodeAmounts {
  std::optional<int64_t> cpu_milli, memory_bytes, pids;
  std::map<int64_t, int64_t> huge_pages;  // page size -> bytes
};

enum class Enforcement { kNone, kAll, kCompressible };  // compressible: CPU only

struct PodCgroupOptions {
  bool pods_per_qos = true;  // cgroupsPerQOS; false: no groups of ours, cgroup_parent stays empty
  std::string cgroup_root = "/";  // cgroupRoot, with slashes whatever the driver is; must exist
  bool cpu_cfs_quota = true;      // cpuCFSQuota
  std::chrono::microseconds quota_period{100000};  // cpuCFSQuotaPeriod
  int64_t pod_pids_limit = -1;                     // podPidsLimit; not positive: none
  std::set<int64_t>
      huge_page_sizes;      // of the machine, bytes; a pod gets 0 of those it does not ask for
  std::string online_cpus;  // told to systemd on cgroup v2, which would drop the cpuset controller
                            // otherwise
  NodeAmounts capacity, kube_reserved, system_reserved;
  bool enforce_pods =
      true;  // enforceNodeAllocatable has `pods`: limit to capacity less the reserved
  Enforcement enforce_kube = Enforcement::kNone, enforce_system = Enforcement::kNone;
  std::string kube_reserved_cgroup, system_reserved_cgroup;  // in the driver's syntax; must exist
};

// Pure.
// Shares always; a CPU quota and a memory limit only when every container, or the pod, has one.
// `no_cpu_quota`: the pod has CPUs to itself.
os::CgroupValues ComputePodCgroup(const api::core::Pod& pod, const PodCgroupOptions& options,
                                  bool no_cpu_quota = false);
// Of kubepods.
os::CgroupValues ComputeRootCgroup(const PodCgroupOptions& options);
os::CgroupValues ComputeReservedCgroup(const NodeAmounts& reserved, Enforcement enforcement,
                                       const PodCgroupOptions& options);
os::CgroupValues ComputeQosCgroup(api::QosClass qos, std::optional<int64_t> burstable_cpu_milli,
                                  const PodCgroupOptions& options);
os::CgroupName QosCgroupName(const std::string& cgroup_root, api::QosClass qos);
os::CgroupName PodCgroupName(const std::string& cgroup_root, api::QosClass qos,
                             const std::string& uid);

class PodCgroups {
 public:
  PodCgroups(base::BlockingPool& pool, std::shared_ptr<os::CgroupDriver> driver,
             std::shared_ptr<const os::CgroupHierarchy> hierarchy, PodCgroupOptions options);
  ~PodCgroups();

  // Makes kubepods, burstable and besteffort, and limits the reserved groups. FailedPrecondition
  // when a group that has to exist does not, or a required controller is missing: the configuration
  // does not fit this machine.
  base::Task<absl::Status> EnsureRoot();
  // Of kubepods under the cgroup mounts; empty when there are no groups of ours.
  std::string RootPath() const;
  // The cgroup_parent for the pod's sandbox, with the pod's limits. InvalidArgument for a uid that
  // is no name.
  base::Task<absl::StatusOr<std::string>> EnsurePod(api::PodPtr pod, bool no_cpu_quota = false);
  // What a resize changes of the pod's group, as it is now: cpu_shares, quota, period, memory (-1:
  // no limit). On cgroup v2 shares that the weight stands for. NotFound without the group; nothing
  // is set without cgroups per QoS.
  base::Task<absl::StatusOr<os::CgroupValues>> ReadPod(api::PodPtr pod);
  // The values given; Unavailable names what the kernel refused. NotFound without the group.
  base::Task<absl::Status> LimitPod(api::PodPtr pod, os::CgroupValues values);
  // Bytes that the pod uses, under "", and those of its containers, found by the ids in the names
  // of their groups.
  base::Task<absl::StatusOr<std::map<std::string, int64_t>>> MemoryInUse(
      api::PodPtr pod, std::vector<std::string> ids);
  os::CgroupValues Wanted(const api::core::Pod& pod, bool no_cpu_quota = false) const;
  // Kills what is left inside and removes the group; without `qos` in every class. Unavailable
  // names the blocker.
  base::Task<absl::Status> RemovePod(std::string uid, std::optional<api::QosClass> qos);
  // Pods that have a group in any hierarchy.
  base::Task<absl::StatusOr<std::set<std::string>>> ListPods();
  // Once a minute and when pods change: shares of the QoS groups, from the sum of the burstable
  // pods' CPU requests; also what EnsureRoot could not set, such as a memory limit below what is in
  // use. While not all pods are known (after a start, and as long as the API server is away then)
  // the burstable pods' share is only raised: it may be for pods that run. Upstream lowers it.
  base::Task<absl::Status> UpdateQos(int64_t burstable_cpu_milli, bool of_all_pods);

 private:
  struct State;  // shared with work that outlives its deadline
  base::BlockingPool& pool_;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::resource
