// What the memory manager remembers: how much of each kind every NUMA node has, and who got it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kubelet/resource/exclusive.h"

namespace kubelet::resource {

// Bytes of one kind (memory, hugepages-2Mi) on one node.
struct MemoryTable {
  uint64_t total = 0, system_reserved = 0, allocatable = 0, reserved = 0, free = 0;
  bool operator==(const MemoryTable&) const = default;
};
struct MemoryNode {
  int assignments = 0;  // blocks that lie here, at least in part
  std::map<std::string, MemoryTable> tables;
  // The nodes that are used together with this one, itself included; one alone as long as nothing
  // spans nodes. A node is in one group only.
  std::vector<int> group;
  bool operator==(const MemoryNode&) const = default;
};
using MemoryNodes = std::map<int, MemoryNode>;

struct MemoryState {
  MemoryNodes nodes;
  // uid -> container -> blocks
  std::map<std::string, std::map<std::string, std::vector<MemoryBlock>>> entries;
};

}  // namespace kubelet::resource
