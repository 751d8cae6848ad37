#include "resource/memory_nodes.h"

#include <algorithm>

namespace kubelet::resource {
namespace {

std::vector<int> Sorted(std::vector<int> nodes) {
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

std::pair<uint64_t, uint64_t> GroupSums(const MemoryNodes& nodes, const MemoryNode& node,
                                        const std::string& type) {
  uint64_t free = 0, reserved = 0;
  for (int id : node.group) {
    auto member = nodes.find(id);
    if (member == nodes.end() || !member->second.tables.contains(type)) continue;
    free += member->second.tables.at(type).free;
    reserved += member->second.tables.at(type).reserved;
  }
  return {free, reserved};
}

}  // namespace

bool TakeMemory(const MemoryBlock& block, uint64_t bytes, MemoryNodes& nodes) {
  for (int id : block.nodes) {
    auto node = nodes.find(id);
    if (node == nodes.end() || !node->second.tables.contains(block.type)) return false;
    ++node->second.assignments;
    node->second.group = block.nodes;
    MemoryTable& table = node->second.tables[block.type];
    uint64_t taken = std::min(bytes, table.free);
    table.reserved += taken;
    table.free -= taken;
    bytes -= taken;
  }
  return true;
}

void ReturnMemory(const MemoryBlock& block, MemoryNodes& nodes) {
  uint64_t bytes = block.bytes;
  for (int id : block.nodes) {
    auto node = nodes.find(id);
    if (node == nodes.end()) continue;
    if (--node->second.assignments == 0) node->second.group = {id};
    MemoryTable& table = node->second.tables[block.type];
    uint64_t back = std::min(bytes, table.reserved);
    table.reserved -= back;
    table.free += back;
    bytes -= back;
  }
}

std::string CompareMemory(const MemoryNodes& a, const MemoryNodes& b) {
  if (a.size() != b.size()) return "the number of NUMA nodes";
  for (const auto& [id, left] : a) {
    std::string where = " of NUMA node " + std::to_string(id);
    auto other = b.find(id);
    if (other == b.end()) return "the set of NUMA nodes";
    const MemoryNode& right = other->second;
    if (left.assignments != right.assignments) return "the number of assignments" + where;
    if (Sorted(left.group) != Sorted(right.group)) return "the group" + where;
    if (left.tables.size() != right.tables.size()) return "the kinds of memory" + where;
    for (const auto& [type, table] : left.tables) {
      auto same = right.tables.find(type);
      if (same == right.tables.end()) return "the kinds of memory" + where;
      const MemoryTable& with = same->second;
      if (table.total != with.total) return "the amount of " + type + where;
      if (table.system_reserved != with.system_reserved) return "the reserved " + type + where;
      if (table.allocatable != with.allocatable) return "the allocatable " + type + where;
    }
  }
  for (const auto& [id, node] : a) {
    for (const auto& [type, table] : node.tables) {
      if (GroupSums(a, node, type) != GroupSums(b, b.at(id), type))
        return "the free " + type + " of NUMA node " + std::to_string(id);
    }
  }
  return "";
}

}  // namespace kubelet::resource
