// The parts out of which ComputeNode puts a Node together. Pure; internal to the room.
#pragma once

#include <string>
#include <vector>

#include "kubelet/api/quantity.h"
#include "kubelet/node/node_status.h"

namespace kubelet::node {

inline constexpr char kCpu[] = "cpu";
inline constexpr char kMemory[] = "memory";
inline constexpr char kPods[] = "pods";
inline constexpr char kEphemeralStorage[] = "ephemeral-storage";

// Of an eviction threshold, `100Mi` or `10%`; zero for one that is switched off (0%, 100%).
api::Quantity Threshold(const std::string& text, const api::Quantity& capacity);
bool IsHugePages(const std::string& resource);
// Named with a domain that is not Kubernetes' own.
bool IsExtendedResource(const std::string& resource);

void SetResources(core::NodeStatus& status, const NodeFacts& facts, const NodeOptions& options);
// After SetResources: a node without the basic capacities is not ready.
void SetConditions(core::NodeStatus& status, const NodeFacts& facts, const NodeOptions& options,
                   base::WallTime now, std::vector<NodeEvent>& events);

// `Node n1 status is now: NodeReady`
NodeEvent StatusEvent(const std::string& node_name, const std::string& reason);

}  // namespace kubelet::node
