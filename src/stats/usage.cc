#include "stats/usage.h"

#include <algorithm>

namespace kubelet::stats {
namespace {

runtime::FilesUsage Of(const os::TreeUsage& tree) { return {tree.bytes, tree.inodes}; }

void Add(runtime::FilesUsage& sum, const runtime::FilesUsage& more) {
  sum.bytes += more.bytes;
  sum.inodes += more.inodes;
}

}  // namespace

runtime::PodUsages UsageOfGroups(const Collector& collector) {
  runtime::PodUsages out;
  for (const auto& pod : collector.pods()) {
    bool any = std::any_of(pod.containers.begin(), pod.containers.end(),
                           [](const auto& container) { return container.group != nullptr; });
    if (pod.group == nullptr && !any) continue;
    runtime::PodUsage& usage = out[pod.observed->uid];
    uint64_t sum = 0;
    for (const auto& container : pod.containers) {
      runtime::ContainerUsage one;
      one.name = container.name;
      if (container.group != nullptr) {
        one.memory = container.group->usage.working_set;
        sum += *one.memory;
        usage.processes += container.group->processes;
      }
      usage.containers.push_back(std::move(one));
    }
    // Without a group of its own it is the sum of its containers.
    usage.memory = pod.group != nullptr ? pod.group->usage.working_set : sum;
  }
  return out;
}

runtime::PodUsage UsageOfFiles(const runtime::ObservedPod& pod, const PodDisk& disk,
                               const RuntimeView& runtime) {
  runtime::PodUsage usage;
  runtime::FilesUsage sum;
  for (const auto& container : pod.containers) {
    if (container.state != runtime::ContainerState::kRunning) continue;
    runtime::ContainerUsage one;
    one.name = container.name;
    auto told = runtime.containers.find(container.id.str());
    if (told != runtime.containers.end() && told->second.layer) {
      one.rootfs = {told->second.layer->used_bytes, told->second.layer->inodes_used};
      Add(sum, *one.rootfs);
    }
    auto logs = disk.logs.find(container.name);
    if (logs != disk.logs.end()) {
      one.logs = Of(logs->second);
      Add(sum, *one.logs);
    }
    usage.containers.push_back(std::move(one));
  }
  for (const auto& volume : disk.volumes) {
    usage.volumes[volume.dir.name] = Of(volume.used);
    if (volume.dir.ephemeral) Add(sum, Of(volume.used));
  }
  Add(sum, Of(disk.other_logs));
  Add(sum, Of(disk.etc_hosts));
  usage.ephemeral = sum;
  return usage;
}

}  // namespace kubelet::stats
