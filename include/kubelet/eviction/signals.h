// What a node can run short of: the signals of eviction thresholds, and what was seen of them.
// Facts: pkg/kubelet/eviction (1.36).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace kubelet::eviction {

// In the order of urgency among those of one kind: memory before all others.
enum class Signal {
  kMemoryAvailable,
  kAllocatableMemoryAvailable,  // of the pods' cgroup up to its limit; not for people to set
  kNodeFsAvailable,
  kNodeFsInodesFree,
  kImageFsAvailable,
  kImageFsInodesFree,
  kContainerFsAvailable,
  kContainerFsInodesFree,
  kPidAvailable,
};
// `memory.available` and the like, as configuration and metrics have it.
const char* SignalName(Signal signal);
std::optional<Signal> SignalOf(const std::string& name);

enum class Resource { kMemory, kEphemeralStorage, kInodes, kPids };
const char* ResourceName(Resource resource);  // `memory`, `ephemeral-storage`, `inodes`, `pids`
Resource ResourceOf(Signal signal);

// The three conditions of the node.
struct Pressures {
  bool memory = false, disk = false, pid = false;
  bool Any() const { return memory || disk || pid; }
  bool operator==(const Pressures&) const = default;
};

// Bytes, inodes or process ids.
struct Left {
  int64_t available = 0, capacity = 0;
};
// What is not there could not be observed and is not judged.
using Observations = std::map<Signal, Left>;

// Where the runtime has its images and the writable layers of containers: on the disk of the
// kubelet's root directory (neither), both on one of their own (dedicated), or images only (split
// as well).
struct FsLayout {
  bool dedicated_image_fs = false, split_container_fs = false;
  bool operator==(const FsLayout&) const = default;
};
// containerfs is nodefs, unless containers lie with the images on a disk of theirs.
bool ContainerFsIsImageFs(const FsLayout& layout);

}  // namespace kubelet::eviction
