// fsGroup: the files of a volume belong to a group that all containers of the pod are in. Facts:
// pkg/volume/volume_linux.go of 1.36.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace kubelet::volume {

struct FsGroup {
  int64_t group = 0;
  bool read_only = false;  // of the volume, not of a mount
  // fsGroupChangePolicy OnRootMismatch, which upstream heeds for volumes that last, not for those
  // that a pod brings along (emptyDir, configMap, secret, downwardAPI, projected).
  bool only_on_root_mismatch = false;
};

// Everything in `dir`, itself last: group; files at least g+rw (g+r when read only), directories
// g+x, u+x and set-group-id besides. Links are not followed, and no name is looked up twice, so
// that whoever writes there meanwhile leads nowhere else. Blocking. The first error ends it; what
// went away meanwhile is none.
absl::Status ApplyFsGroup(const std::string& dir, const FsGroup& wanted);

}  // namespace kubelet::volume
