// The memory manager: NUMA nodes that the memory of a container is bound to.
//
//   policy None    nobody is bound.
//   policy Static  containers of Guaranteed pods get memory and huge pages of one NUMA node, or of
//   a
//                  group of nodes when one has not enough; a node is used alone or in one group,
//                  not both at a time. App containers take over what the init containers before
//                  them had; what is left of that stays with the pod until it ends (the Go kubelet
//                  gives it back when they have run).
//
// What was given is in <root>/memory_manager_state, in the form of the Go kubelet; a file that does
// not fit this machine and configuration keeps the kubelet from starting, in its words. Facts:
// pkg/kubelet/cm/memorymanager, 1.36. Pods with resources of their own (spec.resources) are not
// bound, as there without the gate PodLevelResourceManagers. Core loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/metrics.h"
#include "kubelet/os/cpu_topology.h"
#include "kubelet/resource/exclusive.h"
#include "kubelet/resource/topology.h"

namespace kubelet::resource {

struct MemoryState;

using BytesByType = std::map<std::string, uint64_t>;  // memory, hugepages-2Mi

struct MemoryManagerOptions {
  bool static_policy = false;           // memoryManagerPolicy
  std::map<int, BytesByType> reserved;  // reservedMemory, by NUMA node
  // kubeReserved, systemReserved and evictionHard together, which `reserved` has to add up to.
  BytesByType node_reserved;
};

class MemoryManager : public HintProvider {
 public:
  struct Deps {
    std::string path;                       // of the state file, for messages
    std::optional<std::string> saved;       // its text; nullopt: there is none
    std::function<void(std::string)> save;  // with every change
    base::Registry* metrics = nullptr;
  };
  // FailedPrecondition in words for whoever starts the kubelet. With policy None the nodes are not
  // looked at.
  static absl::StatusOr<std::unique_ptr<MemoryManager>> Create(
      MemoryManagerOptions options, const std::vector<os::NumaNode>& nodes, Deps deps);
  ~MemoryManager() override;

  HintsByResource ContainerHints(const api::core::Pod& pod,
                                 const api::core::Container& container) override;
  HintsByResource PodHints(const api::core::Pod& pod) override;
  absl::Status Allocate(const api::core::Pod& pod, const api::core::Container& container,
                        const TopologyHint& place) override;
  void Release(const std::string& uid) override;

  std::vector<MemoryBlock> BlocksOf(const std::string& uid, const std::string& container) const;
  // `0,1`; empty: it is not bound.
  std::string NodesOf(const std::string& uid, const std::string& container) const;
  std::vector<MemoryBlock> Allocatable() const;
  std::set<std::string> Pods() const;

 private:
  MemoryManager(MemoryManagerOptions options, const std::vector<os::NumaNode>& nodes, Deps deps);
  absl::Status Start();
  absl::Status CheckReserved() const;
  absl::Status MakeNodes();
  absl::Status Restore();
  absl::Status CheckState() const;
  std::vector<TopologyHint> FindPlaces(const std::string& uid, const BytesByType& wanted) const;
  HintsByResource HintsFor(const std::string& uid, const BytesByType& wanted,
                           const std::vector<MemoryBlock>* has) const;
  absl::StatusOr<NumaMask> Choose(const std::string& uid, const BytesByType& wanted,
                                  const TopologyHint& place) const;
  uint64_t FreeOf(NumaMask nodes, const std::string& type) const;
  uint64_t ReusableOf(const std::string& uid, NumaMask nodes, const std::string& type) const;
  void Give(const api::core::Pod& pod, const api::core::Container& container,
            const BytesByType& wanted, NumaMask nodes);
  void Reuse(const api::core::Pod& pod, const api::core::Container& container,
             const std::vector<MemoryBlock>& blocks);
  void ShrinkInits(const api::core::Pod& pod, const api::core::Container& container,
                   const std::vector<MemoryBlock>& blocks);
  const std::vector<MemoryBlock>* Find(const std::string& uid, const std::string& container) const;
  void Save();

  MemoryManagerOptions options_;
  Deps deps_;
  std::vector<os::NumaNode> machine_;
  std::unique_ptr<MemoryState> empty_;  // with nothing given away
  std::unique_ptr<MemoryState> state_;
  // What init containers of the pod that is being admitted leave to those after them, by nodes.
  std::string reuse_uid_;
  std::map<uint64_t, BytesByType> reuse_;
  base::Family<base::Counter>*requests_ = nullptr, *errors_ = nullptr;
};

}  // namespace kubelet::resource
