// Start and state of the memory manager; what is given to whom is in memory_allocate.cc.
#include "kubelet/resource/memory_manager.h"

#include <algorithm>

#include "kubelet/api/quantity.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "resource/memory_nodes.h"
#include "resource/state_text.h"

namespace kubelet::resource {
namespace {

constexpr char kNone[] = "None", kStatic[] = "Static", kMemory[] = "memory";

absl::Status Unusable(const std::string& why) { return absl::FailedPreconditionError(why); }

std::string Amount(uint64_t bytes) {
  return api::Quantity::FromBytes(static_cast<int64_t>(bytes)).ToString();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryManager>> MemoryManager::Create(
    MemoryManagerOptions options, const std::vector<os::NumaNode>& nodes, Deps deps) {
  std::unique_ptr<MemoryManager> manager(
      new MemoryManager(std::move(options), nodes, std::move(deps)));
  RETURN_IF_ERROR(manager->Start());
  return manager;
}

MemoryManager::MemoryManager(MemoryManagerOptions options, const std::vector<os::NumaNode>& nodes,
                             Deps deps)
    : options_(std::move(options)),
      deps_(std::move(deps)),
      machine_(nodes),
      empty_(std::make_unique<MemoryState>()),
      state_(std::make_unique<MemoryState>()) {
  if (deps_.metrics == nullptr) return;
  requests_ =
      &deps_.metrics->AddCounter("kubelet_memory_manager_pinning_requests_total",
                                 "The number of memory pages allocations which required pinning.");
  errors_ = &deps_.metrics->AddCounter(
      "kubelet_memory_manager_pinning_errors_total",
      "The number of memory pages allocations which required pinning that failed.");
  for (auto* family : {requests_, errors_}) family->Only();
}

MemoryManager::~MemoryManager() = default;

absl::Status MemoryManager::Start() {
  if (options_.static_policy) {
    RETURN_IF_ERROR(CheckReserved());
    RETURN_IF_ERROR(MakeNodes());
  }
  auto restored = Restore();
  if (!restored.ok()) {
    return Unusable("could not restore state from checkpoint: " + base::Message(restored) +
                    ", please drain this node and delete the memory manager checkpoint file \"" +
                    deps_.path + "\" before restarting Kubelet");
  }
  if (options_.static_policy) {
    if (state_->nodes.empty() && state_->entries.empty()) *state_ = *empty_;
    if (auto status = CheckState(); !status.ok()) {
      return Unusable("memory manager: " + base::Message(status) +
                      ", please drain this node and delete \"" + deps_.path + "\"");
    }
  }
  Save();
  return absl::OkStatus();
}

absl::Status MemoryManager::CheckReserved() const {
  BytesByType total;
  for (const auto& [node, amounts] : options_.reserved) {
    bool known = std::any_of(machine_.begin(), machine_.end(),
                             [id = node](const auto& machine) { return machine.id == id; });
    if (!known) {
      return Unusable("reservedMemory: the reserved memory configuration references a NUMA node " +
                      std::to_string(node) + " that does not exist on this machine");
    }
    for (const auto& [type, bytes] : amounts) total[type] += bytes;
  }
  BytesByType expected = options_.node_reserved;
  for (const auto& [type, bytes] : total) expected.emplace(type, 0);
  for (const auto& [type, bytes] : expected) {
    uint64_t has = total.contains(type) ? total.at(type) : 0;
    if (has == bytes) continue;
    return Unusable("reservedMemory: the total amount \"" + Amount(has) + "\" of type \"" + type +
                    "\" is not equal to the value \"" + Amount(bytes) +
                    "\" determined by Node Allocatable feature");
  }
  if (total[kMemory] > 0) return absl::OkStatus();
  return Unusable("memoryManagerPolicy: Static needs reservedMemory of type memory");
}

absl::Status MemoryManager::MakeNodes() {
  for (const auto& machine : machine_) {
    MemoryNode& node = empty_->nodes[machine.id];
    node.group = {machine.id};
    uint64_t in_pages = 0;
    std::map<std::string, uint64_t> totals;
    for (const auto& [size, pages] : machine.huge_pages) {
      auto bytes = static_cast<uint64_t>(size * pages);
      totals["hugepages-" + api::Quantity::FromBytes(size).ToString()] = bytes;
      in_pages += bytes;
    }
    totals[kMemory] = static_cast<uint64_t>(machine.memory_bytes);
    for (const auto& [type, total] : totals) {
      MemoryTable& table = node.tables[type];
      table.total = total;
      auto reserved = options_.reserved.find(machine.id);
      if (reserved != options_.reserved.end() && reserved->second.contains(type))
        table.system_reserved = reserved->second.at(type);
      // Memory in huge pages is no memory for anything else.
      uint64_t gone = table.system_reserved + (type == kMemory ? in_pages : 0);
      if (gone > total) {
        return Unusable("reservedMemory: NUMA node " + std::to_string(machine.id) + " has " +
                        Amount(total) + " of " + type + ", less than is reserved");
      }
      table.allocatable = table.free = total - gone;
    }
  }
  return absl::OkStatus();
}

absl::Status MemoryManager::Restore() {
  if (!deps_.saved) return absl::OkStatus();
  ASSIGN_OR_RETURN(MemoryStateFile file, DecodeMemoryState(*deps_.saved));
  deps_.saved.reset();
  RETURN_IF_ERROR(CheckPolicy(file.policy, options_.static_policy ? kStatic : kNone));
  *state_ = std::move(file.state);
  return absl::OkStatus();
}

absl::Status MemoryManager::CheckState() const {
  if (state_->nodes.empty())
    return Unusable("machine state can not be empty when it has memory assignments");
  MemoryNodes expected = empty_->nodes;
  for (const auto& [uid, containers] : state_->entries) {
    for (const auto& [name, blocks] : containers) {
      for (const auto& block : blocks) {
        if (TakeMemory(block, block.bytes, expected)) continue;
        return Unusable("(pod: " + uid + ", container: " + name +
                        ") the memory assignment uses a NUMA node or a memory resource that does "
                        "not exist");
      }
    }
  }
  std::string differs = CompareMemory(state_->nodes, expected);
  if (differs.empty()) return absl::OkStatus();
  return Unusable("the expected machine state is different from the real one: " + differs);
}

void MemoryManager::Save() {
  if (deps_.save) deps_.save(EncodeMemoryState(options_.static_policy ? kStatic : kNone, *state_));
}

const std::vector<MemoryBlock>* MemoryManager::Find(const std::string& uid,
                                                    const std::string& container) const {
  auto pod = state_->entries.find(uid);
  if (!options_.static_policy || pod == state_->entries.end()) return nullptr;
  auto blocks = pod->second.find(container);
  return blocks == pod->second.end() ? nullptr : &blocks->second;
}

std::vector<MemoryBlock> MemoryManager::BlocksOf(const std::string& uid,
                                                 const std::string& container) const {
  const auto* blocks = Find(uid, container);
  return blocks == nullptr ? std::vector<MemoryBlock>() : *blocks;
}

std::string MemoryManager::NodesOf(const std::string& uid, const std::string& container) const {
  std::set<int> nodes;
  for (const auto& block : BlocksOf(uid, container))
    nodes.insert(block.nodes.begin(), block.nodes.end());
  std::string out;
  for (int node : nodes) out += (out.empty() ? "" : ",") + std::to_string(node);
  return out;
}

std::vector<MemoryBlock> MemoryManager::Allocatable() const {
  std::vector<MemoryBlock> out;
  for (const auto& [id, node] : empty_->nodes) {
    for (const auto& [type, table] : node.tables) {
      if (table.allocatable > 0) out.push_back({{id}, type, table.allocatable});
    }
  }
  return out;
}

std::set<std::string> MemoryManager::Pods() const {
  std::set<std::string> uids;
  for (const auto& [uid, containers] : state_->entries) uids.insert(uid);
  return uids;
}

}  // namespace kubelet::resource
