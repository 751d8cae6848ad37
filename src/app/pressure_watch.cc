#include "app/pressure_watch.h"

#include "app/node_options.h"
#include "kubelet/base/log.h"
#include "kubelet/os/signals.h"

namespace kubelet::app {

using base::Task;
using std::chrono::seconds;

namespace {

constexpr auto kPeriod = seconds(10);  // pkg/kubelet: evictionMonitoringPeriod
constexpr auto kImageStorePeriod = std::chrono::minutes(10);

// What a pool thread reads; it owns all of it.
struct Sources {
  std::shared_ptr<const os::CgroupHierarchy> hierarchy;
  int64_t memory = 0;
  std::string pods_cgroup, root_dir, image_store;
};

void Add(node::Signals& signals, const char* name, const absl::StatusOr<os::Left>& left) {
  if (left.ok()) {
    signals[name] = {left->available, left->capacity};
  } else {
    LOG_V(2, "No observation for an eviction signal", "signal", name, "err", left.status());
  }
}

void AddFilesystem(node::Signals& signals, const std::string& name, const std::string& path) {
  auto space = os::ReadFilesystemSpace(path);
  if (!space.ok()) {
    LOG_V(2, "No observation for an eviction signal", "signal", name, "err", space.status());
    return;
  }
  signals[name + ".available"] = {space->bytes.available, space->bytes.capacity};
  signals[name + ".inodesFree"] = {space->inodes.available, space->inodes.capacity};
}

absl::StatusOr<node::Signals> Observe(const Sources& sources) {
  node::Signals signals;
  Add(signals, "memory.available", os::ReadMemoryLeft(*sources.hierarchy, sources.memory));
  if (!sources.pods_cgroup.empty()) {
    Add(signals, "allocatableMemory.available",
        os::ReadGroupMemoryLeft(*sources.hierarchy, sources.pods_cgroup));
  }
  Add(signals, "pid.available", os::ReadTasksLeft());
  AddFilesystem(signals, "nodefs", sources.root_dir);
  if (!sources.image_store.empty()) AddFilesystem(signals, "imagefs", sources.image_store);
  return signals;
}

}  // namespace

PressureWatch::PressureWatch(Deps deps)
    : deps_(std::move(deps)),
      pressure_(MakePressureOptions(deps_.config)),
      scope_(deps_.executor) {}

void PressureWatch::Start() {
  if (pressure_.Idle()) return;
  scope_.Spawn("node pressure", Watch());
  if (pressure_.Watches("imagefs.available") || pressure_.Watches("imagefs.inodesFree"))
    scope_.Spawn("image store", FindImageStore());
}

Task<void> PressureWatch::Watch() {
  for (;;) {
    Sources sources{deps_.node.hierarchy, deps_.node.machine.memory_bytes, deps_.pods_cgroup(),
                    deps_.config.flags.root_dir, image_store_};
    std::function<absl::StatusOr<node::Signals>()> work = [sources] { return Observe(sources); };
    auto signals =
        co_await deps_.pool.Run<node::Signals>("node pressure", kPeriod, std::move(work));
    if (signals.ok()) {
      Take(*signals);
    } else {
      LOG_WARNING("Cannot look at what is left of memory and disk", "err", signals.status());
    }
    co_await base::SleepFor(deps_.clock, kPeriod);
  }
}

Task<void> PressureWatch::FindImageStore() {
  for (;;) {
    auto info = co_await deps_.images.ImageFsInfo();
    base::Nanos pause = kPeriod;
    if (info.ok() && !info->image_filesystems.empty()) {
      image_store_ = info->image_filesystems.front().mountpoint;
      pause = kImageStorePeriod;
    }
    co_await base::SleepFor(deps_.clock, pause);
  }
}

void PressureWatch::Take(const node::Signals& signals) {
  auto next = pressure_.Update(signals, deps_.clock.Mono());
  if (next == now_) return;
  now_ = next;
  LOG_INFO("Pressure on the node", "memory", next.memory, "disk", next.disk, "pids", next.pid);
  deps_.on_change();
}

}  // namespace kubelet::app
