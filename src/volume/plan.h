// What a pod needs of its volumes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"

namespace kubelet::volume {

struct EmptyDirPlan {
  std::string name;
  enum class Medium { kDisk, kMemory, kHugePages } medium = Medium::kDisk;
  int64_t size_bytes = 0;        // of memory; 0: the kernel's default
  int64_t page_bytes = 0;        // of huge pages
  std::optional<int64_t> group;  // fsGroup
};

struct HostPathPlan {
  std::string name, path, type;
};

struct VolumePlan {
  std::vector<EmptyDirPlan> empty_dirs;
  std::vector<HostPathPlan> host_paths;
  std::vector<std::string> api_volumes;  // names; filled from API objects (payload.h)
  std::vector<std::string> persistent;   // names; claims and nfs volumes (persistent.h)
};

// Of the volumes that a container mounts, or names in its volumeDevices. FailedPrecondition names
// pod, volume and kind; InvalidArgument for names that cannot be path components. `memory_bytes`:
// most that a memory volume may hold, the node's allocatable memory; 0: only what the pod says
// limits it.
absl::StatusOr<VolumePlan> PlanVolumes(const api::core::Pod& pod, int64_t memory_bytes);

// Some container names the volume in its volumeDevices.
bool UsedAsDevice(const api::core::Pod& pod, const std::string& volume);

// `secret`, `persistentVolumeClaim`, … of a volume; `emptyDir` when it says nothing.
std::string VolumeKind(const api::core::Volume& volume);

}  // namespace kubelet::volume
