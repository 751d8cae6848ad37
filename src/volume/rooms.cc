// PodVolumes: how much room there is on what a pod has mounted, for statistics.
#include <algorithm>
#include <chrono>
#include <sstream>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "volume/block.h"
#include "volume/claims.h"
#include "volume/pod_volumes_state.h"
#include "volume/set_up.h"

namespace kubelet::volume {

using base::Task;

namespace {

constexpr base::Nanos kPatience = std::chrono::seconds(5);

struct Device {
  uint64_t bytes = 0;
  base::Nanos took{};
};

// What of a pod is mounted, and which devices it has, by name.
struct Found {
  std::string pod_dir;  // without links
  std::vector<os::Mount> mounts;
  std::map<std::string, Device> devices;
};

absl::StatusOr<Found> Find(const std::string& pod_dir) {
  Found found;
  ASSIGN_OR_RETURN(auto table, os::ReadMountinfo());
  found.pod_dir = RealPodDir(pod_dir);
  found.mounts = os::MountsBelow(table, found.pod_dir + "/volumes");
  for (const auto& device : DevicesOf(pod_dir)) {
    auto begun = std::chrono::steady_clock::now();
    auto bytes = os::ReadDeviceBytes(DeviceLink(pod_dir, device));
    if (bytes.ok())
      found.devices[device] = Device{*bytes, std::chrono::steady_clock::now() - begun};
  }
  return found;
}

// Of the child's `statfs`: block size, blocks, free, available, inodes, free inodes.
absl::StatusOr<os::Filesystem> ParseRoom(const std::string& text) {
  std::istringstream in(text);
  uint64_t unit = 0;
  os::Filesystem room;
  if (!(in >> unit >> room.capacity >> room.free >> room.available >> room.inodes >>
        room.inodes_free))
    return absl::InternalError("statfs: unexpected answer " + text);
  room.capacity *= unit;
  room.free *= unit;
  room.available *= unit;
  return room;
}

// All that can be told of a device is its size.
os::Filesystem WholeDevice(uint64_t bytes) {
  os::Filesystem room;
  room.capacity = bytes;
  room.free = bytes;
  return room;
}

}  // namespace

Task<absl::StatusOr<os::Filesystem>> PodVolumes::RoomOn(os::Mount mount, std::string about) {
  if (os::IsLocal(mount)) {
    std::string kind = "disk usage";
    std::function<absl::StatusOr<os::Filesystem>()> work = [point = mount.point] {
      return os::ReadFilesystem(point);
    };
    co_return co_await pool_.Run<os::Filesystem>(std::move(kind), kPatience, std::move(work));
  }
  os::ChildCalls::On on;
  on.mount = mount.type + " " + mount.source;  // one question for all that have it mounted
  on.about = std::move(about);
  std::vector<std::string> args = {mount.point};
  std::string call = "statfs";
  auto text = co_await calls_.Run(std::move(on), std::move(call), std::move(args), kPatience);
  if (!text.ok()) co_return text.status();
  co_return ParseRoom(*text);
}

Task<absl::StatusOr<PersistentPlan>> PodVolumes::PlanForRoom(api::PodPtr pod, std::string volume) {
  const std::string uid = pod->metadata().uid();
  if (const auto* plan = state_->Persistent(uid, volume)) co_return *plan;
  if (auto known = state_->looked_up.find(uid); known != state_->looked_up.end()) {
    if (auto it = known->second.find(volume); it != known->second.end()) co_return it->second;
  }
  uint64_t before = state_->teardowns;
  const auto& volumes = pod->spec().volumes();
  auto spec = std::find_if(volumes.begin(), volumes.end(),
                           [&](const auto& one) { return one.name() == volume; });
  ClaimedVolume claimed;
  const ClaimedVolume* behind = nullptr;
  if (!ClaimNameOf(*pod, *spec).empty()) {
    Objects* source = ObjectsOf(*pod);
    if (source == nullptr) co_return absl::FailedPreconditionError("there is no API server");
    auto found = co_await ResolveClaim(*source, pod, volume);
    if (!found.ok()) co_return found.status();
    claimed = *std::move(found);
    behind = &claimed;
  }
  auto plan = PlanPersistent(*pod, *spec, behind);
  if (plan.ok() && state_->teardowns == before) state_->looked_up[uid][volume] = *plan;
  co_return plan;
}

Task<std::vector<PodVolumes::Room>> PodVolumes::Rooms(api::PodPtr pod) {
  std::vector<Room> out;
  const std::string uid = pod->metadata().uid();
  bool any = false;
  for (const auto& volume : pod->spec().volumes())
    any |= volume.volume_source().has_nfs() || !ClaimNameOf(*pod, volume).empty();
  if (!any) co_return out;
  std::string pod_dir = PodDir(options_.root_dir, uid), kind = "disk usage";
  std::function<absl::StatusOr<Found>()> find = [pod_dir] { return Find(pod_dir); };
  auto found = co_await pool_.Run<Found>(std::move(kind), kPatience, std::move(find));
  if (!found.ok() || (found->mounts.empty() && found->devices.empty())) co_return out;
  for (const auto& volume : pod->spec().volumes()) {
    Room room;
    room.volume = volume.name();
    room.claim = ClaimNameOf(*pod, volume);
    if (room.claim.empty() && !volume.volume_source().has_nfs()) continue;
    auto plan = co_await PlanForRoom(pod, volume.name());
    // Upstream has no figures of host paths.
    if (!plan.ok() || plan->kind == PersistentPlan::Kind::kHostPath) continue;
    if (plan->block) {
      auto device = found->devices.find(plan->name);
      if (device == found->devices.end()) continue;
      room.room = WholeDevice(device->second.bytes);
      room.device = true;
      room.took = device->second.took;
      out.push_back(std::move(room));
      continue;
    }
    std::string point = PersistentPath(found->pod_dir, *plan);
    auto mount = std::find_if(found->mounts.begin(), found->mounts.end(),
                              [&](const auto& one) { return one.point == point; });
    if (mount == found->mounts.end()) continue;
    std::string about = "statistics of pod " + api::PodKey(*pod);
    auto begun = clock_.Mono();
    auto there = co_await RoomOn(*mount, std::move(about));
    if (!there.ok()) continue;
    room.room = *there;
    room.took = clock_.Mono() - begun;
    out.push_back(std::move(room));
  }
  co_return out;
}

}  // namespace kubelet::volume
