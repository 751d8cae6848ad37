#include "app/eviction_host.h"

#include <set>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/gc/dead_containers.h"
#include "kubelet/os/disk_usage.h"
#include "kubelet/os/signals.h"

namespace kubelet::app {

using base::Task;
using eviction::Observations;
using eviction::Signal;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr auto kLimit = seconds(10);
constexpr auto kStorePeriod = minutes(10);

// What a pool thread reads; it owns all of it.
struct Sources {
  std::shared_ptr<const os::CgroupHierarchy> hierarchy;
  int64_t memory = 0;
  std::string pods_cgroup, root_dir, image_store;
  bool containers_with_images = false;
};

void Add(Observations& out, Signal signal, const absl::StatusOr<os::Left>& left) {
  if (left.ok()) {
    out[signal] = {left->available, left->capacity};
  } else {
    LOG_V(2, "No observation for an eviction signal", "signal", eviction::SignalName(signal), "err",
          left.status());
  }
}

void AddFilesystem(Observations& out, Signal room, Signal inodes, const std::string& path) {
  auto space = os::ReadFilesystemSpace(path);
  if (!space.ok()) {
    LOG_V(2, "No observation for an eviction signal", "signal", eviction::SignalName(room), "err",
          space.status());
    return;
  }
  out[room] = {space->bytes.available, space->bytes.capacity};
  out[inodes] = {space->inodes.available, space->inodes.capacity};
}

absl::StatusOr<Observations> ObserveAll(const Sources& sources) {
  Observations out;
  Add(out, Signal::kMemoryAvailable, os::ReadMemoryLeft(*sources.hierarchy, sources.memory));
  if (!sources.pods_cgroup.empty()) {
    Add(out, Signal::kAllocatableMemoryAvailable,
        os::ReadGroupMemoryLeft(*sources.hierarchy, sources.pods_cgroup));
  }
  Add(out, Signal::kPidAvailable, os::ReadTasksLeft());
  AddFilesystem(out, Signal::kNodeFsAvailable, Signal::kNodeFsInodesFree, sources.root_dir);
  if (sources.image_store.empty()) return out;
  AddFilesystem(out, Signal::kImageFsAvailable, Signal::kImageFsInodesFree, sources.image_store);
  const auto& containers = sources.containers_with_images ? sources.image_store : sources.root_dir;
  AddFilesystem(out, Signal::kContainerFsAvailable, Signal::kContainerFsInodesFree, containers);
  return out;
}

std::string FirstPoint(const std::vector<runtime::FilesystemUsage>& all) {
  return all.empty() ? "" : all.front().mountpoint;
}

bool SameDisk(const os::Filesystem& a, const os::Filesystem& b) {
  return a.major == b.major && a.minor == b.minor;
}

// An error leaves the layout as it was; it is asked for again soon.
absl::StatusOr<eviction::FsLayout> LayoutOf(const std::string& root, const std::string& images,
                                            const std::string& containers) {
  ASSIGN_OR_RETURN(auto node, os::ReadFilesystem(root));
  ASSIGN_OR_RETURN(auto image, os::ReadFilesystem(images));
  eviction::FsLayout layout;
  layout.dedicated_image_fs = !SameDisk(node, image);
  if (containers.empty() || containers == images) return layout;
  ASSIGN_OR_RETURN(auto container, os::ReadFilesystem(containers));
  layout.split_container_fs = !SameDisk(image, container);
  return layout;
}

}  // namespace

EvictionHost::EvictionHost(Deps deps) : deps_(std::move(deps)), scope_(deps_.executor) {}

void EvictionHost::Start() { scope_.Spawn("image store", FindStores()); }

Task<absl::StatusOr<Observations>> EvictionHost::Observe() {
  Sources sources{deps_.node.hierarchy,        deps_.node.machine.memory_bytes, deps_.pods_cgroup(),
                  deps_.config.flags.root_dir, layout_ ? image_store_ : "",     false};
  sources.containers_with_images = layout_ && eviction::ContainerFsIsImageFs(*layout_);
  std::function<absl::StatusOr<Observations>()> work = [sources] { return ObserveAll(sources); };
  co_return co_await deps_.pool.Run<Observations>("node pressure", kLimit, std::move(work));
}

Task<void> EvictionHost::FindStores() {
  for (;;) {
    auto info = co_await deps_.images.ImageFsInfo();
    base::Nanos pause = kLimit;
    if (info.ok() && !info->image_filesystems.empty()) {
      std::string images = FirstPoint(info->image_filesystems);
      std::string containers = FirstPoint(info->container_filesystems);
      std::function<absl::StatusOr<eviction::FsLayout>()> work =
          [root = deps_.config.flags.root_dir, images, containers] {
            return LayoutOf(root, images, containers);
          };
      auto layout =
          co_await deps_.pool.Run<eviction::FsLayout>("node pressure", kLimit, std::move(work));
      if (layout.ok()) {
        image_store_ = std::move(images);
        layout_ = *layout;
        pause = kStorePeriod;
      }
    }
    co_await base::SleepFor(deps_.clock, pause);
  }
}

Task<absl::StatusOr<runtime::PodUsages>> EvictionHost::Usage(eviction::Measure what,
                                                             std::set<std::string> uids) {
  if (what == eviction::Measure::kMemory) co_return co_await deps_.stats.MemoryUsage();
  if (what == eviction::Measure::kProcesses) co_return co_await deps_.stats.ProcessUsage();
  bool layers = what == eviction::Measure::kFiles;
  co_return co_await deps_.stats.FilesUsage(std::move(uids), layers);
}

Task<absl::Status> EvictionHost::RemoveDeadContainers() {
  absl::Status first;
  for (const auto& pod : deps_.pleg.All()) {
    if (pod->provisional) continue;
    auto remains = gc::FindRemains(*pod, deps_.workers.AtRest(pod->uid));
    auto status = co_await gc::RemoveRemains(deps_.runtime, deps_.pool, std::move(remains));
    if (first.ok()) first = status;
  }
  co_return first;
}

Task<absl::Status> EvictionHost::RemoveUnusedImages() { return deps_.image_gc.RemoveUnused(); }

eviction::Pods EvictionHost::ActivePods() {
  eviction::Pods out;
  for (auto& active : deps_.workers.Active()) {
    if (!active.over) out.push_back(std::move(active.pod));
  }
  return out;
}

void EvictionHost::Evict(const eviction::Victim& victim) {
  runtime::PodEvent event;
  event.warning = true;
  event.reason = "Evicted";
  event.message = victim.message;
  deps_.on_event(*victim.pod, event, victim.annotations);
  worker::Verdict verdict{"Evicted", victim.message};
  if (victim.disruption) verdict.disruption = victim.message;
  verdict.by_node = true;
  deps_.workers.End(victim.pod->metadata().uid(), std::move(verdict), victim.grace);
}

bool EvictionHost::CleanedUp(const std::string& uid) {
  return !deps_.workers.Has(uid) || deps_.workers.PodFinished(uid);
}

void EvictionHost::OnPressure(const eviction::Pressures&) { deps_.on_pressure(); }

void EvictionHost::OnShortage(const std::string& resource) {
  deps_.on_node_warning("EvictionThresholdMet", "Attempting to reclaim " + resource);
}

}  // namespace kubelet::app
