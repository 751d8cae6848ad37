// kubeletCgroups: the group that the kubelet itself is to run in.
#pragma once

#include "app/node.h"
#include "kubelet/config/config.h"

namespace kubelet::app {

// Moves this process there when it is named and not there yet. What does not work is logged; the
// kubelet goes on in the group it was started in, and its statistics tell of that one.
void JoinOwnGroup(const config::LoadedConfig& config, const Node& node);

}  // namespace kubelet::app
