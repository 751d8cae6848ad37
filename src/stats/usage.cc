#include "stats/usage.h"

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
    if (pod.group == nullptr) continue;
    runtime::PodUsage& usage = out[pod.observed->uid];
    usage.memory = pod.group->usage.working_set;
    for (const auto& container : pod.containers) {
      runtime::ContainerUsage one;
      one.name = container.name;
      if (container.group != nullptr) {
        one.memory = container.group->usage.working_set;
        usage.processes += container.group->processes;
      }
      usage.containers.push_back(std::move(one));
    }
  }
  return out;
}

runtime::PodUsage UsageOfFiles(const runtime::ObservedPod& pod, const PodDisk& disk,
                               const RuntimeDisk& runtime) {
  runtime::PodUsage usage;
  runtime::FilesUsage sum;
  for (const auto& container : pod.containers) {
    if (container.state != runtime::ContainerState::kRunning) continue;
    runtime::ContainerUsage one;
    one.name = container.name;
    auto layer = runtime.layers.find(container.id.str());
    if (layer != runtime.layers.end()) {
      one.rootfs = {layer->second.usage.used_bytes, layer->second.usage.inodes_used};
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
