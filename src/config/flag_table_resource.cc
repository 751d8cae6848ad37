// Flags of cgroups, resource managers and eviction. Data only.
#include "config/flag_table.h"

namespace kubelet::config {

const std::vector<FlagSpec>& ResourceFlags() {
  static const auto* flags = new std::vector<FlagSpec>{
      {"cgroup-driver", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "cgroupDriver", "", "cgroupfs or systemd (CRI answer wins)"},
      {"cgroup-root", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "cgroupRoot", "", "root cgroup for pods"},
      {"cgroups-per-qos", 0, FlagType::kBool, FlagGroup::kResources, FlagStatus::kUseConfigFile, "cgroupsPerQOS", "", "QoS cgroup hierarchy"},
      {"cpu-cfs-quota", 0, FlagType::kBool, FlagGroup::kResources, FlagStatus::kUseConfigFile, "cpuCFSQuota", "", "apply CFS quota"},
      {"cpu-cfs-quota-period", 0, FlagType::kDuration, FlagGroup::kResources, FlagStatus::kUseConfigFile, "cpuCFSQuotaPeriod", "", "CFS period"},
      {"cpu-manager-policy", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "cpuManagerPolicy", "", "none or static"},
      {"cpu-manager-policy-options", 0, FlagType::kMapStringStringNoSplit, FlagGroup::kResources, FlagStatus::kUseConfigFile, "cpuManagerPolicyOptions", "", "policy option, one name=value for each use"},
      {"cpu-manager-reconcile-period", 0, FlagType::kDuration, FlagGroup::kResources, FlagStatus::kUseConfigFile, "cpuManagerReconcilePeriod", "", "CPU manager reconcile"},
      {"enforce-node-allocatable", 0, FlagType::kStrings, FlagGroup::kResources, FlagStatus::kUseConfigFile, "enforceNodeAllocatable", "", "enforcement levels"},
      {"eviction-hard", 0, FlagType::kMapLangle, FlagGroup::kEviction, FlagStatus::kUseConfigFile, "evictionHard", "", "hard thresholds signal<value; only a configuration file brings a default set"},
      {"eviction-max-pod-grace-period", 0, FlagType::kInt32, FlagGroup::kEviction, FlagStatus::kUseConfigFile, "evictionMaxPodGracePeriod", "", "cap of grace on soft eviction"},
      {"eviction-minimum-reclaim", 0, FlagType::kMapStringString, FlagGroup::kEviction, FlagStatus::kUseConfigFile, "evictionMinimumReclaim", "", "min reclaim per signal"},
      {"eviction-pressure-transition-period", 0, FlagType::kDuration, FlagGroup::kEviction, FlagStatus::kUseConfigFile, "evictionPressureTransitionPeriod", "", "min time before clearing a pressure condition"},
      {"eviction-soft", 0, FlagType::kMapLangle, FlagGroup::kEviction, FlagStatus::kUseConfigFile, "evictionSoft", "", "soft thresholds"},
      {"eviction-soft-grace-period", 0, FlagType::kMapStringString, FlagGroup::kEviction, FlagStatus::kUseConfigFile, "evictionSoftGracePeriod", "", "grace per soft signal"},
      {"experimental-allocatable-ignore-eviction", 0, FlagType::kBool, FlagGroup::kEviction, FlagStatus::kToBeRemoved, &Flags::allocatable_ignore_eviction, "", "do not subtract hard eviction from allocatable"},
      {"kernel-memcg-notification", 0, FlagType::kBool, FlagGroup::kEviction, FlagStatus::kUseConfigFile, "kernelMemcgNotification", "", "memcg threshold notifications"},
      {"kube-reserved", 0, FlagType::kMapStringString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "kubeReserved", "", "cpu/memory/ephemeral-storage/pid reserved for Kubernetes daemons"},
      {"kube-reserved-cgroup", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "kubeReservedCgroup", "", "cgroup for kube-reserved"},
      {"kubelet-cgroups", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "kubeletCgroups", "", "cgroup to put kubelet in"},
      {"max-open-files", 0, FlagType::kInt64, FlagGroup::kResources, FlagStatus::kUseConfigFile, "maxOpenFiles", "", "RLIMIT_NOFILE"},
      {"memory-manager-policy", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "memoryManagerPolicy", "", "None or Static"},
      {"oom-score-adj", 0, FlagType::kInt32, FlagGroup::kResources, FlagStatus::kUseConfigFile, "oomScoreAdj", "", "kubelet oom_score_adj"},
      {"pod-max-pids", 0, FlagType::kInt64, FlagGroup::kResources, FlagStatus::kUseConfigFile, "podPidsLimit", "", "pids per pod"},
      {"protect-kernel-defaults", 0, FlagType::kBool, FlagGroup::kResources, FlagStatus::kUseConfigFile, "protectKernelDefaults", "", "error instead of fixing kernel tunables"},
      {"qos-reserved", 0, FlagType::kMapStringString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "qosReserved", "", "memory=NN% reserved on QoS level"},
      {"reserved-cpus", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "reservedSystemCPUs", "", "explicit reserved CPU list"},
      {"reserved-memory", 0, FlagType::kReservedMemory, FlagGroup::kResources, FlagStatus::kUseConfigFile, "reservedMemory", "", "NUMA memory reservations N:type=qty,..."},
      {"runtime-cgroups", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kCurrent, &Flags::runtime_cgroups, "", "cgroup of the container runtime process"},
      {"system-cgroups", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "systemCgroups", "", "cgroup for stray processes"},
      {"system-reserved", 0, FlagType::kMapStringString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "systemReserved", "", "cpu/memory/ephemeral-storage/pid reserved for system"},
      {"system-reserved-cgroup", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "systemReservedCgroup", "", "cgroup for system-reserved"},
      {"topology-manager-policy", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "topologyManagerPolicy", "", "topology policy"},
      {"topology-manager-policy-options", 0, FlagType::kMapStringString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "topologyManagerPolicyOptions", "", "policy options"},
      {"topology-manager-scope", 0, FlagType::kString, FlagGroup::kResources, FlagStatus::kUseConfigFile, "topologyManagerScope", "", "container or pod"},
  };
  return *flags;
}

}  // namespace kubelet::config
