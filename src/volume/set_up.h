// Making single volumes ready. Blocking.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "volume/plan.h"

namespace kubelet::volume {

std::string PodDir(const std::string& root_dir, const std::string& uid);
// As the mount table has it, which knows no links: the root directory may be one. Blocking.
std::string RealPodDir(const std::string& pod_dir);
std::string EmptyDirPath(const std::string& pod_dir, const std::string& name);

// Directory (0777), tmpfs or hugetlbfs. What is complete already stays, as the mark `ready` tells;
// what is not is completed.
absl::Status SetUpEmptyDir(const std::string& pod_dir, const EmptyDirPlan& plan);

// The type check of a host path, which makes what is to be made.
absl::Status CheckHostPath(const HostPathPlan& plan);

// The directory of an API volume, on a tmpfs of its own when `in_memory`: its path.
absl::StatusOr<std::string> SetUpApiVolume(const std::string& pod_dir, const std::string& plugin,
                                           const std::string& name, bool in_memory);
std::string ApiVolumePath(const std::string& pod_dir, const std::string& plugin,
                          const std::string& name);

// The bind mount of `path` inside a volume, made with the volume's mode when absent. `target` is
// `<volume>/<container>/<index of the mount>`; returns where it lies below the pod's directory.
absl::StatusOr<std::string> SetUpSubPath(const std::string& pod_dir, const std::string& volume_path,
                                         const std::string& path, const std::string& target);

}  // namespace kubelet::volume
