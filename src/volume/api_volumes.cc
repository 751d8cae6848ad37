// PodVolumes: volumes that are filled from objects of the API.
#include <filesystem>

#include "kubelet/api/pod.h"
#include "kubelet/base/status.h"
#include "volume/atomic_writer.h"
#include "volume/payload.h"
#include "volume/pod_volumes_state.h"
#include "volume/set_up.h"

namespace kubelet::volume {

using base::Task;

namespace {

const api::core::Volume* VolumeNamed(const api::core::Pod& pod, const std::string& name) {
  for (const auto& volume : pod.spec().volumes())
    if (volume.name() == name) return &volume;
  return nullptr;
}

}  // namespace

Objects* PodVolumes::ObjectsOf(const api::core::Pod& pod) const {
  bool own = options_.static_objects != nullptr && api::IsStatic(pod);
  return own ? options_.static_objects : options_.objects;
}

Task<absl::Status> PodVolumes::FillApiVolume(api::PodPtr pod, std::string volume,
                                             bool only_existing, std::shared_ptr<VolumeMap> out) {
  const auto* spec = VolumeNamed(*pod, volume);
  if (spec == nullptr) co_return absl::FailedPreconditionError("spec.volumes has no such volume");
  Objects* source = ObjectsOf(*pod);
  if (source == nullptr && !spec->volume_source().has_downward_api())
    co_return absl::FailedPreconditionError("needs the API server, which is not configured");
  const std::string uid = pod->metadata().uid();
  auto& slot = state_->writers[uid];
  if (!slot) slot = std::make_shared<base::Semaphore>(executor_, clock_, 1);
  auto writer = slot;
  auto turn = co_await writer->Acquire();
  if (!state_->IsWriter(uid, writer)) co_return TornDown();
  ObjectSet objects;
  if (source != nullptr) {
    auto fetched = co_await FetchObjects(*source, pod, *spec);
    // While the API was asked the pod may have gone, with all that is kept for it.
    if (!state_->IsWriter(uid, writer)) co_return TornDown();
    if (!fetched.ok()) co_return fetched.status();
    objects = *std::move(fetched);
  }
  api::NodeAllocatable node;
  if (options_.allocatable) node = options_.allocatable();
  auto made = MakePayload(*pod, *spec, objects, node);
  if (!made.ok()) co_return made.status();
  auto payload = std::make_shared<const Payload>(*std::move(made));
  std::string pod_dir = PodDir(options_.root_dir, uid);
  WriteOptions write;
  if (pod->spec().security_context().has_fs_group())
    write.group = pod->spec().security_context().fs_group();
  std::function<absl::StatusOr<VolumeMap>()> work =
      [pod, spec, payload, pod_dir, write, only_existing, volume]() -> absl::StatusOr<VolumeMap> {
    VolumeMap paths;
    std::string plugin = ApiVolumePlugin(*spec);
    std::error_code ec;
    bool there = std::filesystem::exists(ApiVolumePath(pod_dir, plugin, volume), ec);
    if (only_existing && !there) return paths;
    ASSIGN_OR_RETURN(std::string dir, SetUpApiVolume(pod_dir, plugin, volume, InMemory(*spec)));
    RETURN_IF_ERROR(WritePayload(dir, *payload, write).status());
    paths[volume] = {dir, true};
    return paths;
  };
  std::string kind = "volume";
  auto paths =
      co_await pool_.Run<VolumeMap>(std::move(kind), options_.prepare_timeout, std::move(work));
  if (!state_->IsWriter(uid, writer)) co_return TornDown();
  if (!paths.ok()) co_return paths.status();
  if (objects.refresh_at && !paths->empty()) {
    state_->refresh[uid][volume] = *objects.refresh_at;
  } else if (auto it = state_->refresh.find(uid); it != state_->refresh.end()) {
    it->second.erase(volume);
  }
  for (auto& [name, path] : *paths) (*out)[name] = path;
  co_return absl::OkStatus();
}

Task<absl::Status> PodVolumes::Refresh(api::PodPtr pod) {
  auto plan = PlanOfPod(*pod);
  if (!plan.ok()) co_return plan.status();
  absl::Status first;
  auto out = std::make_shared<VolumeMap>();
  for (const auto& volume : plan->api_volumes) {
    auto status = co_await FillApiVolume(pod, volume, true, out);
    if (status.ok()) continue;
    if (state_->writers.count(pod->metadata().uid()) == 0) co_return status;  // torn down
    // What is mounted stays as it is, and is tried again a little later.
    state_->refresh[pod->metadata().uid()][volume] = clock_.Now() + std::chrono::seconds(10);
    if (first.ok()) first = base::Annotate(status, "volume \"" + volume + "\"");
  }
  co_return first;
}

std::optional<base::WallTime> PodVolumes::RefreshAt(const std::string& uid) const {
  std::optional<base::WallTime> earliest;
  auto it = state_->refresh.find(uid);
  if (it == state_->refresh.end()) return earliest;
  for (const auto& [volume, at] : it->second)
    if (!earliest || at < *earliest) earliest = at;
  return earliest;
}

}  // namespace kubelet::volume
