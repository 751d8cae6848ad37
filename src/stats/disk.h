// What the files of pods take: volumes, logs, etc-hosts; and what the runtime has counted. Measured
// now and then, at low priority, and remembered. Internal to the room; core loop only, file work in
// the pool (kind `disk usage`).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/os/disk_usage.h"
#include "kubelet/stats/stats.h"

namespace kubelet::stats {

struct VolumeUsage {
  VolumeDir dir;
  os::TreeUsage used;
  os::Filesystem room;  // of the filesystem it lies on
  base::Nanos took{};   // the walk over it
};

// Of the volumes of one pod that have a filesystem of their own.
struct OwnRooms {
  base::WallTime at;
  std::vector<OwnVolume> volumes;
};

// Of one pod. Immutable once published.
struct PodDisk {
  base::WallTime at;
  base::MonoTime done{};
  base::Nanos took{0};
  std::vector<VolumeUsage> volumes;
  std::map<std::string, os::TreeUsage> logs;  // by container
  os::TreeUsage other_logs, etc_hosts;        // files in the pod's own log directory
};
// By uid.
using DiskView = std::map<std::string, std::shared_ptr<const PodDisk>>;
using OwnView = std::map<std::string, std::shared_ptr<const OwnRooms>>;

// What the runtime said last.
struct RuntimeView {
  std::map<std::string, runtime::ContainerStats> containers;  // by id
  std::map<std::string, os::Filesystem> filesystems;          // by mount point
  // Of images, and of what containers write. A runtime that names only one has both there.
  std::optional<runtime::FilesystemUsage> images, layers;
};

class Disk {
 public:
  Disk(const Stats::Deps& deps, const Stats::Options& options);
  ~Disk();

  // Measures what was not looked at for `disk_period`, and waits for that shortly when there is
  // nothing to show yet.
  base::Task<void> Refresh();
  // The same without waiting.
  void RefreshSoon();
  // Measures those of these pods (empty: all) whose measure is old, as Stats::FilesUsage says, and
  // asks the runtime if told so. Waits shortly; what comes later is there for the next one.
  base::Task<void> RefreshPods(std::set<std::string> uids, bool runtime);
  // How long looks at volumes take, by how that is done, for /metrics.
  void AddMetrics(base::Registry& metrics);
  const DiskView& pods() const { return pods_; }
  // Claims and the like.
  const OwnView& own() const { return own_; }
  // Asks the runtime unless it was asked within `max_age`. What it does not answer stays as it was.
  base::Task<void> AskRuntime();
  // The same, and comes back soon, with an answer or without.
  base::Task<void> AskRuntimeShortly();
  bool RuntimeIsOld() const;
  const std::shared_ptr<const RuntimeView>& runtime() const { return runtime_; }

 private:
  base::Task<void> Walk();
  base::Task<void> WalkSome(std::vector<PodInput> pods);
  bool IsOld(const std::string& uid) const;
  base::Task<void> Await(const int& under_way);
  base::Task<void> WalkPod(PodInput input);
  base::Task<void> AskOwn(api::PodPtr pod);
  void Observe(const char* source, base::Nanos took);

  const Stats::Deps& deps_;
  const Stats::Options& options_;
  DiskView pods_;
  OwnView own_;
  std::shared_ptr<const RuntimeView> runtime_ = std::make_shared<RuntimeView>();
  base::Family<base::Histogram>* looks_ = nullptr;
  std::optional<base::MonoTime> walked_, asked_;
  bool walking_ = false;
  int walking_some_ = 0, asking_soon_ = 0;
  void StartAsking();
  base::Task<void> AskSoon();
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  base::Semaphore asking_;
  base::TaskScope scope_;
};

}  // namespace kubelet::stats
