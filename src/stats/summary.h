// The document of /stats/summary. Pure: samples in, JSON out. Internal to the room.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "stats/collector.h"
#include "stats/disk.h"

namespace kubelet::stats {

struct SummaryInput {
  bool only_cpu_and_memory = false;
  base::WallTime now, kubelet_started;
  std::optional<base::WallTime> boot;
  DiskView disk;
  OwnView own;
  std::shared_ptr<const RuntimeView> runtime;
  std::optional<os::Filesystem> node_fs;
  std::optional<int64_t> tasks;
};

std::string SummaryJson(const Collector& collector, const SummaryInput& input);

}  // namespace kubelet::stats
