// What the containers and files of a pod take, as far as somebody has to choose between pods.
// Plain values; what could not be told is absent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kubelet::runtime {

struct FilesUsage {
  uint64_t bytes = 0, inodes = 0;
};

struct ContainerUsage {
  std::string name;
  std::optional<uint64_t> memory;          // working set, bytes
  std::optional<FilesUsage> rootfs, logs;  // what it wrote beside its image; its log files
};

struct PodUsage {
  std::optional<uint64_t> memory;  // working set of its cgroup, bytes
  uint64_t processes = 0;
  std::vector<ContainerUsage> containers;  // those that run
  std::map<std::string, FilesUsage> volumes;
  // Writable layers, logs, volumes on the node's disk, /etc/hosts: what counts against its limit of
  // ephemeral-storage.
  std::optional<FilesUsage> ephemeral;
};
// By uid; of a pod that is missing nothing is known.
using PodUsages = std::map<std::string, PodUsage>;

}  // namespace kubelet::runtime
