// The file graceful_node_shutdown_state, as upstream writes it:
// {"startTime":"2026-01-02T03:04:05.6Z","endTime":"0001-01-01T00:00:00Z"}. Blocking.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"

namespace kubelet::node {

struct ShutdownState {
  std::optional<base::WallTime> start, end;  // nullopt: not yet
};
// Without a file: neither. InvalidArgument: it is no such file.
absl::StatusOr<ShutdownState> LoadShutdownState(const std::string& path);
absl::Status StoreShutdownState(const std::string& path, const ShutdownState& state);

}  // namespace kubelet::node
