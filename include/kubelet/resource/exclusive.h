// Who has which CPUs and which memory to itself, to be read by others: the pod resources API and
// whoever creates containers. Core loop only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kubelet/resource/cpu_set.h"

namespace kubelet::resource {

struct MemoryBlock {
  std::vector<int> nodes;  // NUMA nodes it may lie on, ascending
  std::string type;        // memory, hugepages-2Mi
  uint64_t bytes = 0;
  bool operator==(const MemoryBlock&) const = default;
};

class ExclusiveResources {
 public:
  virtual ~ExclusiveResources() = default;
  // Empty: the container has none of its own.
  virtual CpuSet ExclusiveCpus(const std::string& uid, const std::string& container) const = 0;
  virtual std::vector<MemoryBlock> ExclusiveMemory(const std::string& uid,
                                                   const std::string& container) const = 0;
  // What can be given away at all, whether it is or not; nothing with the policies none.
  virtual CpuSet AllocatableCpus() const = 0;
  virtual std::vector<MemoryBlock> AllocatableMemory() const = 0;
};

}  // namespace kubelet::resource
