// What Collector knows of the machine's filesystems and disks.
#include <filesystem>

#include "stats/collector.h"

namespace kubelet::stats {
namespace {

// Mounts come with reboots.
constexpr base::Nanos kPartitionsAge = std::chrono::minutes(5);

}  // namespace

void Collector::CollectFilesystems() {
  storage_.disks = os::ReadDisks(options_.proc);
  if (!Fresh(partitions_at_, kPartitionsAge)) {
    auto mounts = os::ReadMountinfo(options_.mountinfo);
    if (!mounts.ok()) return;
    partitions_at_ = now_;
    storage_.filesystems.clear();
    // Of containers and pods there are hundreds, and none is the node's.
    std::vector<std::string> without = {options_.root_dir + "/pods", "/run/containerd",
                                        "/var/lib/containers", "/run/containers"};
    // Where the runtime has its socket it has the root filesystems, too.
    std::string runtime = std::filesystem::path(options_.runtime_socket).parent_path();
    if (runtime != "" && runtime != "/" && runtime != "/run" && runtime != "/var/run")
      without.push_back(std::move(runtime));
    for (auto& partition : os::Partitions(*mounts, without)) {
      FilesystemView view;
      view.labels = "device=\"";
      base::AppendLabelValue(partition.device, view.labels);
      view.labels += "\",";
      view.partition = std::move(partition);
      storage_.filesystems.push_back(std::move(view));
    }
  }
  for (auto& view : storage_.filesystems) {
    auto room = os::ReadFilesystem(view.partition.point);
    if (room.ok()) view.room = *room;
    for (const auto& disk : storage_.disks) {
      if (disk.major == view.partition.major && disk.minor == view.partition.minor)
        view.disk = disk;
    }
  }
}

std::string Storage::DeviceName(unsigned major, unsigned minor) const {
  for (const auto& view : filesystems) {
    if (view.partition.major == major && view.partition.minor == minor)
      return view.partition.device;
  }
  for (const auto& disk : disks) {
    if (disk.major == major && disk.minor == minor) return "/dev/" + disk.name;
  }
  return "";
}

}  // namespace kubelet::stats
