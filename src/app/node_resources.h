// The managers of CPU, memory and topology, made as the configuration has them, and their files;
// what they say, for admission and for whoever creates containers. Devices join by topology().
//
// With the policies none nothing is bound: pinning() is null, no timer runs, and all that is left
// are the two small state files that a Go kubelet leaves, too. Core loop only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "app/node.h"
#include "kubelet/admission/admission.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/config/config.h"
#include "kubelet/resource/alignment.h"
#include "kubelet/resource/checkpoint.h"
#include "kubelet/resource/cpu_manager.h"
#include "kubelet/resource/exclusive.h"
#include "kubelet/resource/memory_manager.h"
#include "kubelet/resource/topology_manager.h"
#include "kubelet/runtime/pinning.h"

namespace kubelet::app {

class NodeResources : public runtime::Pinning, public resource::ExclusiveResources {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    const Node& node;
    base::Registry& metrics;
    runtime::ContainerRuntime& runtime;
    std::function<std::vector<runtime::ObservedPodPtr>()> observed;
    // uids of which something is left; nullopt: not known yet.
    std::function<std::optional<std::set<std::string>>()> live;
    // The pod `uid` is ending, and what it has may be promised to the pod `to`.
    std::function<bool(const std::string& uid, const api::core::Pod& to)> gives_way;
  };
  // Reads the state files of an earlier kubelet and the machine's topology, which blocks.
  // FailedPrecondition in words for whoever starts the kubelet.
  static absl::StatusOr<std::unique_ptr<NodeResources>> Create(Deps deps);

  // For those who hand out devices; before the first pod is admitted.
  resource::TopologyManager& topology() { return *topology_; }
  // For the runtime; null: nobody is bound.
  runtime::Pinning* pinning() { return binds_ ? this : nullptr; }

  // At admission. A pod that has been given what it wants keeps it. When there is not enough, it
  // gets what pods that are ending have: they are in Follows then.
  std::optional<admission::Rejection> Assign(const api::core::Pod& pod);
  // A later handler rejected the pod: what Assign just gave it goes back.
  void Unassign(const std::string& uid);
  // The pods that have to have ended before this one, which was assigned last, may start.
  std::set<std::string> Follows(const std::string& uid) const;
  // The pod was let in, perhaps by an earlier kubelet.
  void Admitted(const api::core::Pod& pod);
  // Nothing of it runs any more.
  void Release(const std::string& uid);
  // Pods or containers are known anew: lets go of what belongs to nobody, and sees to the CPUs of
  // all containers.
  void Look();

  runtime::Pins Of(const std::string& uid, const std::string& container) override;
  bool NoCpuQuota(const std::string& uid) override;
  base::Task<void> Settled() override;
  void Created(const runtime::ContainerId& id, const runtime::Pins& pins) override;

  resource::CpuSet ExclusiveCpus(const std::string& uid,
                                 const std::string& container) const override;
  std::vector<resource::MemoryBlock> ExclusiveMemory(const std::string& uid,
                                                     const std::string& container) const override;
  resource::CpuSet AllocatableCpus() const override;
  std::vector<resource::MemoryBlock> AllocatableMemory() const override;

 private:
  explicit NodeResources(Deps deps);
  absl::Status Make();
  absl::Status MakeCpus(const os::CpuTopology& topology, const std::string& reserved);
  absl::Status MakeMemory(const std::vector<os::NumaNode>& nodes);
  void LetGo();
  bool MakeWay(const api::core::Pod& to);
  std::set<std::string> Holders() const;

  Deps deps_;
  bool disable_quota_ = true;  // gate DisableCPUQuotaWithExclusiveCPUs
  resource::AlignmentCounts alignment_;
  resource::Checkpoint cpu_file_, memory_file_;
  std::unique_ptr<resource::CpuManager> cpus_;
  std::unique_ptr<resource::MemoryManager> memory_;
  std::unique_ptr<resource::TopologyManager> topology_;
  std::set<std::string> assigned_;  // uids that went through Assign or Admitted
  // Of the last Assign: who it was, whether that pod got something then, and whose room it was.
  std::string last_;
  bool fresh_ = false;
  std::set<std::string> follows_;
  bool binds_ = false;
  std::unique_ptr<runtime::PinUpdater> pins_;  // null: CPUs of containers do not change
};

}  // namespace kubelet::app
