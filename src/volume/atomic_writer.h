// Brings a volume's files to a payload so that a reader sees all of the old ones or all of the new
// ones. Blocking.
//
// The files lie in a directory `..<time>.<random>`; `..data` is a link to it that is exchanged by a
// rename, and what users see are links through `..data`. A crash at any step leaves the old or the
// new state, and what it left lying around goes with the next write. Layout as
// pkg/volume/util/atomic_writer.go (1.36), so either kubelet goes on with what the other made.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "volume/payload.h"

namespace kubelet::volume {

struct WriteOptions {
  std::optional<int64_t> group;  // fsGroup: may read everything
  // Called before each step that changes the directory; false ends there. Tests only.
  std::function<bool()> before_step;
};

// True when something was written. `dir` exists.
absl::StatusOr<bool> WritePayload(const std::string& dir, const Payload& payload,
                                  const WriteOptions& options = {});

}  // namespace kubelet::volume
