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

struct WalkOptions {
  int threads = 1;  // of the calling process; more than one only in a child
  // A file that notes which directories are through, so that a walk which was killed goes on from
  // there. Gone when the walk has ended, or needs none; for another group or volume it starts anew.
  // Empty: none.
  std::string journal;
};

struct WalkCounts {
  uint64_t seen = 0, changed = 0;
  uint64_t resumed = 0;  // directories that an earlier walk had done with all that is in them
  bool skipped = false;  // the root matched
  uint64_t failed =
      0;  // what could not be changed, as an immutable file: passed over, as upstream does
  std::string first_failure;
};

// Everything in `dir`, itself last: group; files at least g+rw (g+r when read only), directories
// g+x, u+x and set-group-id besides. What is right already is only looked at. Links are not
// followed, and what is changed is held by a descriptor, so that whoever writes there meanwhile
// leads nowhere else; what went away meanwhile is no error. Blocking; an error when a directory
// cannot be read.
//
// OnRootMismatch: nothing is done when the root is right, as upstream; but then a sample of what
// lies in it is looked at, and when all of that is root's alone, it was never given to anybody and
// the walk is done after all.
absl::Status ApplyFsGroup(const std::string& dir, const FsGroup& wanted,
                          const WalkOptions& options = {}, WalkCounts* counts = nullptr);

}  // namespace kubelet::volume
