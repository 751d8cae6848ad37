// The port to what the runtime has counted of its containers: what they have written beside their
// images, and what they use. Core loop only; codes as those of ContainerRuntime.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/runtime/container_runtime.h"

namespace kubelet::runtime {

struct CpuStats {
  base::WallTime at;
  uint64_t used_ns = 0;                // since the container was started
  std::optional<uint64_t> nano_cores;  // absent: not known yet
};
// Bytes. What is absent the runtime did not say.
struct MemoryStats {
  base::WallTime at;
  uint64_t working_set = 0, usage = 0, rss = 0, page_faults = 0, major_page_faults = 0;
  std::optional<uint64_t> available;  // below its limit; runtimes say 0 where there is none
};

struct ContainerStats {
  ContainerId container;
  std::optional<FilesystemUsage> layer;
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  uint64_t swap = 0;
};

// Of one interface, as the pod sees it. What is absent the runtime did not say.
struct InterfaceStats {
  std::string name;
  std::optional<uint64_t> rx_bytes, rx_errors, tx_bytes, tx_errors;
};

struct NetworkStats {
  base::WallTime at;
  InterfaceStats main;  // upstream's defaultInterface
  std::vector<InterfaceStats> others;
};

// What a runtime counts of a whole pod and its containers (containerd 1.7, CRI-O 1.23 and later).
struct PodStats {
  SandboxId sandbox;
  std::string pod_uid, pod_name, pod_namespace;
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  std::optional<NetworkStats> network;
  std::optional<uint64_t> processes;
  std::vector<ContainerStats> containers;
};

// A metric that the runtime words for itself, in cAdvisor's names.
struct MetricDescriptor {
  std::string name, help;
  std::vector<std::string> label_keys;
};
struct MetricValue {
  std::string name;
  base::WallTime at;  // the epoch: the runtime did not say
  bool counter = false;
  std::vector<std::string> label_values;  // in the order of the descriptor's keys
  uint64_t value = 0;
};
struct PodMetrics {
  SandboxId sandbox;
  std::vector<MetricValue> values;  // the pod's, then those of its containers
};

class ContainerStatsSource {
 public:
  virtual ~ContainerStatsSource() = default;
  // Of all running containers. Layers are as they were counted last (containerd: every ten
  // seconds).
  virtual Task<absl::StatusOr<std::vector<ContainerStats>>> ListContainerStats() = 0;
};

}  // namespace kubelet::runtime
