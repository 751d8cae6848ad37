// The mount table of this process as the kernel tells it (proc(5), /proc/self/mountinfo). Truth
// about what is mounted where: teardown and cgroup detection go by it, not by what an earlier run
// remembers.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::os {

struct Mount {
  int id = 0;
  int parent = 0;
  unsigned major = 0, minor = 0;
  std::string root;     // what of the filesystem is mounted: `/`, or the source of a bind mount
  std::string point;    // where, unescaped
  std::string options;  // per mount: rw,nosuid,…
  bool shared = false;  // in a peer group: what is mounted below it shows in other namespaces
  std::string type;     // ext4, tmpfs, cgroup, …
  std::string source;
  std::string super_options;  // of the filesystem: size=…, controllers of cgroup v1
};

// In the kernel's order: a later mount on the same point hides an earlier one. InvalidArgument
// names the line; one line that is not understood spoils all, since a mount that is not seen could
// cost data.
absl::StatusOr<std::vector<Mount>> ParseMountinfo(const std::string& text);

// Blocks. Unavailable when the table cannot be read.
absl::StatusOr<std::vector<Mount>> ReadMountinfo(const std::string& path = "/proc/self/mountinfo");

// True for `dir` itself and everything under it; by components, so /a/bc is not below /a/b. Both
// absolute and clean.
bool IsBelow(const std::string& path, const std::string& dir);

// The mounts at or below `dir` in the order in which they can be unmounted: last mounted first.
std::vector<Mount> MountsBelow(const std::vector<Mount>& mounts, const std::string& dir);

// The mount that `path` lies on, by names only (no look at the path itself, which may hang); null
// when none.
const Mount* MountOf(const std::vector<Mount>& mounts, const std::string& path);

}  // namespace kubelet::os
