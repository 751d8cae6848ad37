// Who gets memory of which nodes, and where it could come from: a part of MemoryManager.
#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/resource/memory_manager.h"
#include "resource/memory_nodes.h"

namespace kubelet::resource {

using api::core::Container;
using api::core::Pod;

namespace {

bool Counts(const std::string& resource) {
  return resource == "memory" || resource.rfind("hugepages-", 0) == 0;
}

bool IsBound(const Pod& pod) {
  return !pod.spec().has_resources() && api::ComputeQos(pod) == api::QosClass::kGuaranteed;
}

BytesByType WantedBy(const Container& container) {
  BytesByType wanted;
  for (const auto& [name, quantity] : container.resources().requests()) {
    int64_t bytes = api::Quantity::From(quantity).Value();
    if (Counts(name) && bytes > 0) wanted[name] = static_cast<uint64_t>(bytes);
  }
  return wanted;
}

// At any time: init containers one after the other, beside the sidecars before them.
BytesByType WantedBy(const Pod& pod) {
  BytesByType sidecars, most, apps;
  for (const auto& init : pod.spec().init_containers()) {
    for (const auto& [type, bytes] : WantedBy(init)) {
      if (api::IsRestartableInit(init)) {
        sidecars[type] += bytes;
      } else {
        most[type] = std::max(most[type], sidecars[type] + bytes);
      }
    }
  }
  for (const auto& container : pod.spec().containers()) {
    for (const auto& [type, bytes] : WantedBy(container)) apps[type] += bytes;
  }
  for (auto& [type, bytes] : apps) bytes = std::max(bytes + sidecars[type], most[type]);
  return apps;
}

NumaMask MaskOf(const std::vector<int>& nodes) {
  NumaMask mask;
  for (int node : nodes) mask.Add(node);
  return mask;
}

const TopologyHint* BestOf(const std::vector<TopologyHint>& hints, NumaMask including) {
  const TopologyHint* best = nullptr;
  for (const auto& hint : hints) {
    if ((*hint.nodes & including) != including) continue;
    bool better = best == nullptr || (hint.preferred && !best->preferred) ||
                  (hint.preferred == best->preferred && hint.nodes->IsNarrowerThan(*best->nodes));
    if (better) best = &hint;
  }
  return best;
}

// A node is used alone, or in one group.
bool MayUse(const MemoryNodes& nodes, NumaMask mask) {
  for (int id : mask.Nodes()) {
    const MemoryNode& node = nodes.at(id);
    if (mask.Count() == 1 && node.group.size() > 1) return false;
    if (mask.Count() > 1 && node.assignments > 0 && MaskOf(node.group) != mask) return false;
  }
  return true;
}

bool IsRegularInit(const Pod& pod, const Container& container) {
  for (const auto& init : pod.spec().init_containers()) {
    if (init.name() == container.name()) return !api::IsRestartableInit(init);
  }
  return false;
}

}  // namespace

uint64_t MemoryManager::FreeOf(NumaMask nodes, const std::string& type) const {
  uint64_t sum = 0;
  for (int id : nodes.Nodes()) {
    auto node = state_->nodes.find(id);
    if (node == state_->nodes.end()) continue;
    auto table = node->second.tables.find(type);
    if (table != node->second.tables.end()) sum += table->second.free;
  }
  return sum;
}

uint64_t MemoryManager::ReusableOf(const std::string& uid, NumaMask nodes,
                                   const std::string& type) const {
  auto left = reuse_.find(nodes.bits());
  if (reuse_uid_ != uid || left == reuse_.end() || !left->second.contains(type)) return 0;
  return left->second.at(type);
}

// Preferred are those of as few nodes as would do on an empty machine.
std::vector<TopologyHint> MemoryManager::FindPlaces(const std::string& uid,
                                                    const BytesByType& wanted) const {
  std::vector<int> ids;
  for (const auto& [id, node] : state_->nodes) ids.push_back(id);
  int fewest = static_cast<int>(ids.size());
  std::vector<TopologyHint> places;
  for (NumaMask mask : Subsets(ids)) {
    bool could = true, has = true;
    for (const auto& [type, bytes] : wanted) {
      uint64_t allocatable = 0;
      for (int id : mask.Nodes()) {
        const auto& tables = state_->nodes.at(id).tables;
        if (auto table = tables.find(type); table != tables.end())
          allocatable += table->second.allocatable;
      }
      could = could && allocatable >= bytes;
      has = has && FreeOf(mask, type) + ReusableOf(uid, mask, type) >= bytes;
    }
    if (!could) continue;
    fewest = std::min(fewest, mask.Count());
    if (has && MayUse(state_->nodes, mask)) places.push_back({mask, false});
  }
  for (auto& place : places) place.preferred = place.nodes->Count() == fewest;
  return places;
}

// Nothing when there is no place: then Allocate says so, in its own words (as upstream).
HintsByResource MemoryManager::HintsFor(const std::string& uid, const BytesByType& wanted,
                                        const std::vector<MemoryBlock>* has) const {
  HintsByResource hints;
  if (has != nullptr) {
    for (const auto& block : *has) {
      auto same = wanted.find(block.type);
      if (has->size() != wanted.size() || same == wanted.end() || same->second != block.bytes)
        return {};
      hints[block.type] = std::vector<TopologyHint>{{MaskOf(block.nodes), true}};
    }
    return hints;
  }
  auto places = FindPlaces(uid, wanted);
  if (places.empty()) return {};
  for (const auto& [type, bytes] : wanted) hints[type] = places;
  return hints;
}

HintsByResource MemoryManager::ContainerHints(const Pod& pod, const Container& container) {
  if (!options_.static_policy || !IsBound(pod)) return {};
  const std::string& uid = pod.metadata().uid();
  return HintsFor(uid, WantedBy(container), Find(uid, container.name()));
}

HintsByResource MemoryManager::PodHints(const Pod& pod) {
  if (!options_.static_policy || !IsBound(pod)) return {};
  const std::string& uid = pod.metadata().uid();
  for (const auto* list : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& container : *list) {
      if (const auto* has = Find(uid, container.name())) return HintsFor(uid, WantedBy(pod), has);
    }
  }
  return HintsFor(uid, WantedBy(pod), nullptr);
}

absl::StatusOr<NumaMask> MemoryManager::Choose(const std::string& uid, const BytesByType& wanted,
                                               const TopologyHint& place) const {
  auto enough = [&](NumaMask nodes) {
    return std::all_of(wanted.begin(), wanted.end(),
                       [&](const auto& item) { return FreeOf(nodes, item.first) >= item.second; });
  };
  TopologyHint chosen = place;
  if (!place.nodes || !enough(*place.nodes)) {
    auto places = FindPlaces(uid, wanted);
    const TopologyHint* best = BestOf(places, place.nodes.value_or(NumaMask()));
    if (best == nullptr) {
      return absl::FailedPreconditionError(
          place.nodes ? "[memorymanager] failed to find NUMA nodes to extend the current topology "
                        "hint"
                      : "[memorymanager] failed to get the default NUMA affinity, no NUMA nodes "
                        "with enough memory is available");
    }
    if (!best->preferred && place.preferred) {
      return absl::FailedPreconditionError("[memorymanager] failed to find the preferred hint");
    }
    chosen = *best;
  }
  // One node that is in a group may be told by others: then it is taken all the same, as upstream.
  if (chosen.nodes->Count() > 1 && !MayUse(state_->nodes, *chosen.nodes)) {
    return absl::FailedPreconditionError(
        "[memorymanager] preferred hint violates NUMA node allocation");
  }
  return *chosen.nodes;
}

absl::Status MemoryManager::Allocate(const Pod& pod, const Container& container,
                                     const TopologyHint& place) {
  if (!options_.static_policy || !IsBound(pod)) return absl::OkStatus();
  const std::string& uid = pod.metadata().uid();
  if (const auto* has = Find(uid, container.name())) {
    Reuse(pod, container, std::vector<MemoryBlock>(*has));
    return absl::OkStatus();
  }
  BytesByType wanted = WantedBy(container);
  if (wanted.empty()) return absl::OkStatus();
  if (requests_ != nullptr) requests_->Only().Add();
  auto nodes = Choose(uid, wanted, place);
  if (!nodes.ok()) {
    if (errors_ != nullptr) errors_->Only().Add();
    return nodes.status();
  }
  Give(pod, container, wanted, *nodes);
  LOG_INFO("Exclusive memory", "pod", api::PodKey(pod), "podUID", uid, "container",
           container.name(), "numaNodes", NodesOf(uid, container.name()));
  Save();
  return absl::OkStatus();
}

void MemoryManager::Give(const Pod& pod, const Container& container, const BytesByType& wanted,
                         NumaMask nodes) {
  const std::string& uid = pod.metadata().uid();
  std::vector<MemoryBlock> blocks;
  for (const auto& [type, bytes] : wanted) {
    blocks.push_back({nodes.Nodes(), type, bytes});
    uint64_t reused = std::min(bytes, ReusableOf(uid, nodes, type));
    TakeMemory(blocks.back(), bytes - reused, state_->nodes);
  }
  state_->entries[uid][container.name()] = blocks;
  Reuse(pod, container, blocks);
  ShrinkInits(pod, container, blocks);
}

// Pods are admitted one after the other: what another left is of no use any more.
void MemoryManager::Reuse(const Pod& pod, const Container& container,
                          const std::vector<MemoryBlock>& blocks) {
  if (reuse_uid_ != pod.metadata().uid()) {
    reuse_uid_ = pod.metadata().uid();
    reuse_.clear();
  }
  bool leaves = IsRegularInit(pod, container);
  for (const auto& block : blocks) {
    uint64_t& left = reuse_[MaskOf(block.nodes).bits()][block.type];
    left = leaves ? std::max(left, block.bytes) : left - std::min(left, block.bytes);
  }
}

// So that the sum over the pod's containers is what the pod has.
void MemoryManager::ShrinkInits(const Pod& pod, const Container& container,
                                const std::vector<MemoryBlock>& blocks) {
  auto& entries = state_->entries[pod.metadata().uid()];
  for (const auto& block : blocks) {
    uint64_t rest = block.bytes;
    for (const auto& init : pod.spec().init_containers()) {
      if (init.name() == container.name()) break;
      auto has = entries.find(init.name());
      if (api::IsRestartableInit(init) || has == entries.end()) continue;
      for (auto& theirs : has->second) {
        if (theirs.type != block.type || theirs.nodes != block.nodes) continue;
        uint64_t taken = std::min(rest, theirs.bytes);
        theirs.bytes -= taken;
        rest -= taken;
      }
    }
  }
}

void MemoryManager::Release(const std::string& uid) {
  auto pod = state_->entries.find(uid);
  if (!options_.static_policy || pod == state_->entries.end()) return;
  for (const auto& [name, blocks] : pod->second) {
    for (const auto& block : blocks) ReturnMemory(block, state_->nodes);
  }
  state_->entries.erase(pod);
  if (reuse_uid_ == uid) reuse_uid_.clear();
  Save();
}

}  // namespace kubelet::resource
