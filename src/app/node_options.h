// What of the configuration the Node object is made from. No policy.
#pragma once

#include "app/node.h"
#include "kubelet/eviction/evictions.h"
#include "kubelet/node/node_status.h"

namespace kubelet::app {

node::NodeOptions MakeNodeOptions(const config::LoadedConfig& config, const Node& node);
eviction::Evictions::Options MakeEvictionOptions(const config::LoadedConfig& config);
// What is known of the machine alone, without its runtime and addresses.
node::NodeFacts MachineFacts(const config::LoadedConfig& config, const Node& node);

}  // namespace kubelet::app
