#include "resource/state_text.h"

#include <algorithm>
#include <functional>

#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"
#include "resource/go_json.h"

namespace kubelet::resource {
namespace {

namespace json = boost::json;

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

// `a:1 b:2`, or `"a":1,"b":2` as JSON.
template <typename Map>
std::string Joined(const Map& map, bool as_json,
                   const std::function<std::string(const typename Map::mapped_type&)>& value) {
  std::vector<std::pair<std::string, std::string>> items;
  for (const auto& [key, item] : map) {
    if constexpr (std::is_same_v<typename Map::key_type, int>) {
      items.emplace_back(std::to_string(key), value(item));
    } else {
      items.emplace_back(key, value(item));
    }
  }
  // As JSON also numbers are sorted by their text.
  if (as_json) std::sort(items.begin(), items.end());
  std::string out;
  for (const auto& [key, text] : items) {
    if (!out.empty()) out += as_json ? "," : " ";
    out += (as_json ? GoQuoted(key) : key) + ":" + text;
  }
  return out;
}

std::string Numbers(const std::vector<int>& numbers, const char* between) {
  std::string out;
  for (int number : numbers) out += (out.empty() ? "" : between) + std::to_string(number);
  return "[" + out + "]";
}

std::string Finish(std::string object, uint32_t checksum) {
  return object + ",\"checksum\":" + std::to_string(checksum) + "}";
}

// Absent and 0: the file is of before there were checksums.
absl::Status CheckSum(const json::object& file, const std::vector<uint32_t>& expected) {
  const auto* sum = file.if_contains("checksum");
  if (sum == nullptr) return absl::OkStatus();
  json::error_code error;
  auto number = sum->to_number<uint64_t>(error);
  if (error) return Bad("`checksum` is no number");
  if (number == 0 || std::find(expected.begin(), expected.end(), number) != expected.end())
    return absl::OkStatus();
  return Bad("checkpoint is corrupted: the checksum is " + std::to_string(number) +
             ", the content's is " + std::to_string(expected.front()));
}

absl::StatusOr<std::string> TextIn(const json::object& object, const char* field) {
  const auto* value = object.if_contains(field);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return Bad(std::string("`") + field + "` is no text");
  return std::string(value->as_string());
}

absl::StatusOr<const json::object*> ObjectIn(const json::object& object, const std::string& field) {
  static const json::object kEmpty;
  const auto* value = object.if_contains(field);
  if (value == nullptr || value->is_null()) return &kEmpty;
  if (!value->is_object()) return Bad("`" + field + "` is no object");
  return &value->as_object();
}

absl::StatusOr<uint64_t> NumberIn(const json::object& object, const std::string& field) {
  const auto* value = object.if_contains(field);
  json::error_code error;
  uint64_t number = value == nullptr ? 0 : value->to_number<uint64_t>(error);
  if (error) return Bad("`" + field + "` is no number");
  return number;
}

absl::StatusOr<std::vector<int>> NodesIn(const json::object& object, const std::string& field) {
  std::vector<int> out;
  const auto* value = object.if_contains(field);
  if (value == nullptr || value->is_null()) return out;
  if (!value->is_array()) return Bad("`" + field + "` is no list");
  for (const auto& item : value->as_array()) {
    json::error_code error;
    int node = item.to_number<int>(error);
    if (error || node < 0 || node > 63) return Bad("`" + field + "` holds what is no NUMA node");
    out.push_back(node);
  }
  return out;
}

uint32_t CpuSum(const std::string& type, const std::string& policy, const CpuState& state) {
  auto containers = [](const std::map<std::string, CpuSet>& pod) {
    return "map[" + Joined(pod, false, [](const CpuSet& cpus) { return cpus.ToString(); }) + "]";
  };
  return base::Fnv1a32(
      "(*state." + type + "){PolicyName:(string)" + policy + " DefaultCPUSet:(string)" +
      state.shared.ToString() + " Entries:(map[string]map[string]string)map[" +
      Joined(state.exclusive, false, containers) + "] Checksum:(checksum.Checksum)0}");
}

std::string DumpTable(const MemoryTable& table) {
  auto field = [](const char* name, uint64_t value) {
    return std::string(name) + ":(uint64)" + std::to_string(value);
  };
  return "<*>{" + field("TotalMemSize", table.total) + " " +
         field("SystemReserved", table.system_reserved) + " " +
         field("Allocatable", table.allocatable) + " " + field("Reserved", table.reserved) + " " +
         field("Free", table.free) + "}";
}

std::string DumpNode(const MemoryNode& node) {
  return "<*>{NumberOfAssignments:(int)" + std::to_string(node.assignments) +
         " MemoryMap:(map[v1.ResourceName]*state.MemoryTable)map[" +
         Joined(node.tables, false, DumpTable) + "] Cells:([]int)" + Numbers(node.group, " ") + "}";
}

std::string DumpBlocks(const std::vector<MemoryBlock>& blocks) {
  std::string out;
  for (const auto& block : blocks) {
    out += (out.empty() ? "" : " ");
    out += "{NUMAAffinity:([]int)" + Numbers(block.nodes, " ") + " Type:(v1.ResourceName)" +
           block.type + " Size:(uint64)" + std::to_string(block.bytes) + "}";
  }
  return "[" + out + "]";
}

uint32_t MemorySum(const std::string& type, const std::string& policy, const MemoryState& state) {
  auto containers = [](const std::map<std::string, std::vector<MemoryBlock>>& pod) {
    return "map[" + Joined(pod, false, DumpBlocks) + "]";
  };
  return base::Fnv1a32(
      "(*state." + type + "){PolicyName:(string)" + policy +
      " MachineState:(state.NUMANodeMap)map[" + Joined(state.nodes, false, DumpNode) +
      "] Entries:(state.ContainerMemoryAssignments)map[" +
      Joined(state.entries, false, containers) + "] Checksum:(checksum.Checksum)0}");
}

std::string TableJson(const MemoryTable& table) {
  auto field = [](const char* name, uint64_t value) {
    return std::string("\"") + name + "\":" + std::to_string(value);
  };
  return "{" + field("total", table.total) + "," + field("systemReserved", table.system_reserved) +
         "," + field("allocatable", table.allocatable) + "," + field("reserved", table.reserved) +
         "," + field("free", table.free) + "}";
}

std::string NodeJson(const MemoryNode& node) {
  return "{\"numberOfAssignments\":" + std::to_string(node.assignments) + ",\"memoryMap\":{" +
         Joined(node.tables, true, TableJson) + "},\"cells\":" + Numbers(node.group, ",") + "}";
}

std::string BlocksJson(const std::vector<MemoryBlock>& blocks) {
  std::string out;
  for (const auto& block : blocks) {
    out += (out.empty() ? "" : ",");
    out += "{\"numaAffinity\":" + Numbers(block.nodes, ",") + ",\"type\":" + GoQuoted(block.type) +
           ",\"size\":" + std::to_string(block.bytes) + "}";
  }
  return "[" + out + "]";
}

absl::StatusOr<MemoryNode> ParseNode(const json::object& object) {
  MemoryNode node;
  ASSIGN_OR_RETURN(uint64_t assignments, NumberIn(object, "numberOfAssignments"));
  node.assignments = static_cast<int>(assignments);
  ASSIGN_OR_RETURN(node.group, NodesIn(object, "cells"));
  ASSIGN_OR_RETURN(const json::object* tables, ObjectIn(object, "memoryMap"));
  for (const auto& item : *tables) {
    if (!item.value().is_object()) return Bad("an entry of `memoryMap` is no object");
    const auto& from = item.value().as_object();
    MemoryTable table;
    ASSIGN_OR_RETURN(table.total, NumberIn(from, "total"));
    ASSIGN_OR_RETURN(table.system_reserved, NumberIn(from, "systemReserved"));
    ASSIGN_OR_RETURN(table.allocatable, NumberIn(from, "allocatable"));
    ASSIGN_OR_RETURN(table.reserved, NumberIn(from, "reserved"));
    ASSIGN_OR_RETURN(table.free, NumberIn(from, "free"));
    node.tables[std::string(item.key())] = table;
  }
  return node;
}

absl::StatusOr<std::vector<MemoryBlock>> ParseBlocks(const json::value& value) {
  std::vector<MemoryBlock> blocks;
  if (!value.is_array()) return Bad("the blocks of a container are no list");
  for (const auto& item : value.as_array()) {
    if (!item.is_object()) return Bad("a block of memory is no object");
    MemoryBlock block;
    ASSIGN_OR_RETURN(block.nodes, NodesIn(item.as_object(), "numaAffinity"));
    ASSIGN_OR_RETURN(block.type, TextIn(item.as_object(), "type"));
    ASSIGN_OR_RETURN(block.bytes, NumberIn(item.as_object(), "size"));
    blocks.push_back(std::move(block));
  }
  return blocks;
}

// Calls `take` for each container of each pod.
absl::Status ForEachEntry(
    const json::object& file,
    const std::function<absl::Status(const std::string& uid, const std::string& container,
                                     const json::value& value)>& take) {
  ASSIGN_OR_RETURN(const json::object* entries, ObjectIn(file, "entries"));
  for (const auto& pod : *entries) {
    if (!pod.value().is_object()) {
      return Bad("`entries` is not by pod and container: it was written by a kubelet before 1.18");
    }
    for (const auto& container : pod.value().as_object()) {
      RETURN_IF_ERROR(
          take(std::string(pod.key()), std::string(container.key()), container.value()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPolicy(const std::string& of_file, const std::string& configured) {
  if (of_file == configured) return absl::OkStatus();
  return absl::FailedPreconditionError("configured policy \"" + configured +
                                       "\" differs from state checkpoint policy \"" + of_file +
                                       "\"");
}

std::string EncodeCpuState(const std::string& policy, const CpuState& state) {
  auto containers = [](const std::map<std::string, CpuSet>& pod) {
    return "{" + Joined(pod, true, [](const CpuSet& cpus) { return GoQuoted(cpus.ToString()); }) +
           "}";
  };
  std::string out = "{\"policyName\":" + GoQuoted(policy) +
                    ",\"defaultCpuSet\":" + GoQuoted(state.shared.ToString());
  if (!state.exclusive.empty())
    out += ",\"entries\":{" + Joined(state.exclusive, true, containers) + "}";
  return Finish(std::move(out), CpuSum("CPUManagerCheckpoint", policy, state));
}

absl::StatusOr<CpuStateFile> DecodeCpuState(const std::string& text) {
  ASSIGN_OR_RETURN(json::object file, ParseObject(text, "the file"));
  CpuStateFile out;
  ASSIGN_OR_RETURN(out.policy, TextIn(file, "policyName"));
  ASSIGN_OR_RETURN(std::string shared, TextIn(file, "defaultCpuSet"));
  auto cpus = CpuSet::Parse(shared);
  if (!cpus.ok()) return Bad("could not parse default cpu set \"" + shared + "\"");
  out.state.shared = *std::move(cpus);
  RETURN_IF_ERROR(ForEachEntry(
      file, [&](const std::string& uid, const std::string& container, const json::value& value) {
        auto own = CpuSet::Parse(value.is_string() ? std::string(value.as_string()) : "?");
        if (!own.ok()) {
          return Bad("could not parse the cpuset for container \"" + container + "\" in pod \"" +
                     uid + "\"");
        }
        out.state.exclusive[uid][container] = *std::move(own);
        return absl::OkStatus();
      }));
  RETURN_IF_ERROR(CheckSum(file, {CpuSum("CPUManagerCheckpoint", out.policy, out.state),
                                  CpuSum("CPUManagerCheckpointV2", out.policy, out.state)}));
  return out;
}

std::string EncodeMemoryState(const std::string& policy, const MemoryState& state) {
  auto containers = [](const std::map<std::string, std::vector<MemoryBlock>>& pod) {
    return "{" + Joined(pod, true, BlocksJson) + "}";
  };
  std::string out = "{\"policyName\":" + GoQuoted(policy) + ",\"machineState\":{" +
                    Joined(state.nodes, true, NodeJson) + "}";
  if (!state.entries.empty())
    out += ",\"entries\":{" + Joined(state.entries, true, containers) + "}";
  return Finish(std::move(out), MemorySum("MemoryManagerCheckpoint", policy, state));
}

absl::StatusOr<MemoryStateFile> DecodeMemoryState(const std::string& text) {
  ASSIGN_OR_RETURN(json::object file, ParseObject(text, "the file"));
  MemoryStateFile out;
  ASSIGN_OR_RETURN(out.policy, TextIn(file, "policyName"));
  ASSIGN_OR_RETURN(const json::object* nodes, ObjectIn(file, "machineState"));
  for (const auto& item : *nodes) {
    auto id = CpuSet::Parse(std::string(item.key()));
    if (!id.ok() || id->size() != 1 || !item.value().is_object())
      return Bad("`machineState` holds what is no NUMA node");
    ASSIGN_OR_RETURN(out.state.nodes[*id->begin()], ParseNode(item.value().as_object()));
  }
  RETURN_IF_ERROR(ForEachEntry(file,
                               [&](const std::string& uid, const std::string& container,
                                   const json::value& value) -> absl::Status {
                                 ASSIGN_OR_RETURN(out.state.entries[uid][container],
                                                  ParseBlocks(value));
                                 return absl::OkStatus();
                               }));
  RETURN_IF_ERROR(CheckSum(file, {MemorySum("MemoryManagerCheckpoint", out.policy, out.state),
                                  MemorySum("MemoryManagerCheckpointV1", out.policy, out.state)}));
  return out;
}

}  // namespace kubelet::resource
