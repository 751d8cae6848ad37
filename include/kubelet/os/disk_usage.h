// Room on filesystems and what trees of files take of it, for statistics.
//
// Every call blocks, UsageOfTree for as long as the tree is big, and all of them for as long as a
// dead mount likes: blocking pool only. Thread safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/os/mountinfo.h"

namespace kubelet::os {

struct TreeUsage {
  uint64_t bytes = 0;   // blocks on disk, as du counts them
  uint64_t inodes = 0;  // files and directories, the top included; hard links once
  bool operator==(const TreeUsage&) const = default;
};
// Of the file or directory and everything below it on the same filesystem; links are not followed.
// Files that vanish meanwhile do not count. NotFound when `path` is not there; Aborted when `stop`
// became true.
absl::StatusOr<TreeUsage> UsageOfTree(const std::string& path,
                                      const std::atomic<bool>* stop = nullptr);

struct Filesystem {
  uint64_t capacity = 0, free = 0, available = 0;  // bytes; available: without what is root's
  uint64_t inodes = 0, inodes_free = 0;
  unsigned major = 0, minor = 0;
};
absl::StatusOr<Filesystem> ReadFilesystem(const std::string& path);

// What a block device holds; links are followed. FailedPrecondition: something else is there.
absl::StatusOr<uint64_t> ReadDeviceBytes(const std::string& path);

// A filesystem as upstream lists them: once however often it is bound somewhere.
struct Partition {
  std::string device;  // /dev/sda1; the mount point for a tmpfs; overlay_0-57 for an overlay
  std::string point, type;
  unsigned major = 0, minor = 0;
};
// Of disks, tmpfs and overlays; others have nothing to tell, or may hang (NFS). Those below one of
// `without` are left out: mounts of pods and containers, which come and go by the hundred.
std::vector<Partition> Partitions(const std::vector<Mount>& mounts,
                                  const std::vector<std::string>& without);

}  // namespace kubelet::os
