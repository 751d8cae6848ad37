#include "kubelet/os/cgroup_join.h"

#include <fcntl.h>

#include <filesystem>
#include <set>

#include "kubelet/base/status.h"
#include "os/fd.h"

namespace kubelet::os {

absl::Status JoinCgroup(const CgroupHierarchy& hierarchy, const CgroupMounts& mounts,
                        const std::string& path, int pid) {
  // Of those that it knows it fills the cpuset, or enables the controllers.
  auto made = hierarchy.Create(path, {});
  if (!made.ok()) return made.status();
  std::set<std::string> points;
  if (mounts.mode == CgroupMode::kV2) points.insert(mounts.unified);
  for (const auto& [controller, point] : mounts.v1) points.insert(point);
  absl::Status first;
  for (const auto& point : points) {
    const std::string group = point + path, file = group + "/cgroup.procs";
    std::error_code error;
    std::filesystem::create_directories(group, error);
    absl::Status status = error ? base::ErrnoStatus(error.value(), "mkdir " + group)
                                : WriteValue(AT_FDCWD, file, file, std::to_string(pid));
    first.Update(status);
  }
  return first;
}

}  // namespace kubelet::os
