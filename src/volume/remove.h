// Taking away what lies in a pod's directory. Blocking.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::volume {

// volumes, volumeDevices, volume-subpaths and plugins of a pod's directory. Files only of volumes
// that are copies or scratch (emptyDir, secret, configMap, projected, downwardAPI, gitRepo);
// FailedPrecondition names a file of another kind, or a mount point, which stay. All else is gone
// by then. Absent is success.
absl::Status RemoveVolumes(const std::string& pod_dir);
// A part of that: false when there is more to do, as os::RemoveTreeUntil.
absl::StatusOr<bool> RemoveVolumesUntil(const std::string& pod_dir,
                                        std::chrono::steady_clock::time_point until);

// The pod's directory with everything in it, by the same rules.
absl::Status RemovePodDir(const std::string& pod_dir);

// Names of directories, unsorted; none when `path` is not there.
std::vector<std::string> DirectoriesIn(const std::string& path);

}  // namespace kubelet::volume
