// How much of the machine is left: memory, room in filesystems, process ids; and small facts
// beside. Measured as upstream's cAdvisor and pkg/kubelet/stats/pidlimit do (Kubernetes 1.36).
// Every call blocks for the time a small file takes, ReadFilesystemSpace for as long as a dead
// mount likes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/os/cgroup.h"

namespace kubelet::os {

struct Left {
  int64_t available = 0, capacity = 0;
  bool operator==(const Left&) const = default;
};

// Of the whole machine: `capacity` (MemTotal) less the working set of the root cgroup, that is what
// is in use but for inactive pages of files. Codes of CgroupHierarchy::Read.
absl::StatusOr<Left> ReadMemoryLeft(const CgroupHierarchy& hierarchy, int64_t capacity);
// Of one group, up to its own limit. FailedPrecondition when it has none.
absl::StatusOr<Left> ReadGroupMemoryLeft(const CgroupHierarchy& hierarchy, const std::string& path);

struct FilesystemSpace {
  Left bytes;   // without the blocks reserved for root
  Left inodes;  // all 0 where the filesystem makes them as needed
};
absl::StatusOr<FilesystemSpace> ReadFilesystemSpace(const std::string& path);

// Tasks (threads too) that kernel.pid_max and kernel.threads-max allow. `root` stands for `/`.
absl::StatusOr<Left> ReadTasksLeft(const std::string& root = "");

// The kernel enforces AppArmor profiles.
bool AppArmorEnabled(const std::string& root = "");

}  // namespace kubelet::os
