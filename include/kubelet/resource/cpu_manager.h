// The CPU manager: CPUs that a container has to itself, and the pool that all others share.
//
//   policy none    nobody is bound to CPUs.
//   policy static  containers of Guaranteed pods that ask for whole CPUs get that many of their own
//                  at admission, and keep them until nothing of the pod is left; everybody else
//                  runs on the shared pool, which shrinks and grows with that. The reserved CPUs
//                  are never given away, but are in the shared pool (unless strict_reservation).
//                  App containers take over the CPUs of the init containers before them.
//
// What was given is in <root>/cpu_manager_state, in the form of the Go kubelet; a file that does
// not fit this machine and configuration keeps the kubelet from starting, in its words. Facts:
// pkg/kubelet/cm/cpumanager, 1.36. Pods with resources of their own (spec.resources) share the
// pool, as they do there without the gate PodLevelResourceManagers. Core loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/metrics.h"
#include "kubelet/os/cpu_topology.h"
#include "kubelet/resource/alignment.h"
#include "kubelet/resource/cpu_set.h"
#include "kubelet/resource/topology.h"

namespace kubelet::resource {

struct CpuState;
class CpuLayout;

struct CpuManagerOptions {
  bool static_policy = false;  // cpuManagerPolicy
  CpuSet reserved;             // reservedSystemCPUs; empty: as many as reserved_milli, rounded up
  int64_t reserved_milli = 0;  // systemReserved.cpu + kubeReserved.cpu
  // cpuManagerPolicyOptions
  bool full_pcpus_only = false, strict_reservation = false, distribute_across_numa = false;
  bool align_by_socket = false, distribute_across_cores = false, prefer_uncore = false;
  bool single_numa_node = false;  // topologyManagerPolicy, which align_by_socket does not go with
};

class CpuManager : public HintProvider {
 public:
  struct Deps {
    std::string path;                       // of the state file, for messages
    std::optional<std::string> saved;       // its text; nullopt: there is none
    std::function<void(std::string)> save;  // with every change
    std::function<void()> on_change;        // the shared pool changed; may be empty
    base::Registry* metrics = nullptr;
    AlignmentCounts* alignment = nullptr;
  };
  // FailedPrecondition in words for whoever starts the kubelet. With policy none the topology is
  // not looked at.
  static absl::StatusOr<std::unique_ptr<CpuManager>> Create(CpuManagerOptions options,
                                                            const os::CpuTopology& topology,
                                                            Deps deps);
  ~CpuManager() override;

  HintsByResource ContainerHints(const api::core::Pod& pod,
                                 const api::core::Container& container) override;
  HintsByResource PodHints(const api::core::Pod& pod) override;
  absl::Status Allocate(const api::core::Pod& pod, const api::core::Container& container,
                        const TopologyHint& place) override;
  void Release(const std::string& uid) override;

  // Where the container may run: its own CPUs, or the shared pool; empty with policy none.
  CpuSet CpusOf(const std::string& uid, const std::string& container) const;
  CpuSet ExclusiveCpus(const std::string& uid, const std::string& container) const;
  bool HasExclusiveCpus(const std::string& uid) const;
  const CpuSet& shared() const;
  CpuSet Allocatable() const;
  std::set<std::string> Pods() const;  // those that have CPUs of their own

  // How many CPUs of its own the container is entitled to by its spec.
  static int ExclusiveCpuCount(const api::core::Pod& pod, const api::core::Container& container);

 private:
  CpuManager(CpuManagerOptions options, const os::CpuTopology& topology, Deps deps);
  absl::Status Start();
  absl::Status Reserve();
  absl::Status Restore();
  absl::Status CheckState() const;
  absl::StatusOr<CpuSet> Take(const CpuSet& available, int count) const;
  absl::StatusOr<CpuSet> TakeAt(const TopologyHint& place, int count, const CpuSet& reusable) const;
  absl::StatusOr<CpuSet> TakeChecked(const TopologyHint& place, int count,
                                     const CpuSet& reusable) const;
  absl::Status CheckCores(int count) const;
  const CpuSet* Find(const std::string& uid, const std::string& container) const;
  CpuSet AllExclusive() const;
  Hints HintsFor(const CpuSet& available, const CpuSet& reusable, int count) const;
  bool FewestSockets(NumaMask nodes, int fewest_nodes) const;
  void Reuse(const api::core::Pod& pod, const api::core::Container& container, const CpuSet& cpus);
  CpuSet ReusableOf(const std::string& uid) const;
  void Save();
  void UpdateGauges();
  void CountAligned(bool aligned, const char* boundary);

  CpuManagerOptions options_;
  Deps deps_;
  std::unique_ptr<CpuLayout> layout_;
  std::unique_ptr<CpuState> state_;
  CpuSet reserved_;
  // What init containers of the pod that is being admitted leave to those after them.
  std::string reuse_uid_;
  CpuSet reuse_;
  base::Family<base::Counter>*requests_ = nullptr, *errors_ = nullptr;
  base::Family<base::Gauge>*pool_size_ = nullptr, *given_ = nullptr, *per_numa_ = nullptr;
};

}  // namespace kubelet::resource
