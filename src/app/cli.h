// Subcommands for people at the node: pods, explain, validate, config check.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace kubelet::app {

// Exit code when the first argument is one of ours, nullopt to go on as the daemon.
std::optional<int> RunSubcommand(const std::vector<std::string>& args);

}  // namespace kubelet::app
