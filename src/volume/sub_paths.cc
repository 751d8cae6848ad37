// PodVolumes: what a single container needs of volumes that are prepared.
#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "volume/payload.h"
#include "volume/pod_volumes_state.h"
#include "volume/set_up.h"

namespace kubelet::volume {

using api::core::Volume;
using base::Task;

namespace {

constexpr size_t kMaxEnvFile = 1 << 20;

using Mounts = google::protobuf::RepeatedPtrField<api::core::VolumeMount>;

const Mounts* MountsOf(const api::core::Pod& pod, const std::string& container) {
  for (const auto& c : pod.spec().init_containers())
    if (c.name() == container) return &c.volume_mounts();
  for (const auto& c : pod.spec().containers())
    if (c.name() == container) return &c.volume_mounts();
  for (const auto& c : pod.spec().ephemeral_containers()) {
    const auto& common = c.ephemeral_container_common();
    if (common.name() == container) return &common.volume_mounts();
  }
  return nullptr;
}

const Volume* VolumeNamed(const api::core::Pod& pod, const std::string& name) {
  for (const auto& volume : pod.spec().volumes())
    if (volume.name() == name) return &volume;
  return nullptr;
}

bool IsPersistent(const Volume& volume) {
  const auto& source = volume.volume_source();
  return source.has_persistent_volume_claim() || source.has_ephemeral() || source.has_nfs();
}

std::string PathOf(const std::string& pod_dir, const Volume& volume) {
  if (volume.volume_source().has_host_path()) return volume.volume_source().host_path().path();
  std::string plugin = ApiVolumePlugin(volume);
  if (!plugin.empty()) return ApiVolumePath(pod_dir, plugin, volume.name());
  return EmptyDirPath(pod_dir, volume.name());
}

}  // namespace

Task<absl::StatusOr<std::map<int, std::string>>> PodVolumes::PrepareSubPaths(
    api::PodPtr pod, std::string container, std::map<int, std::string> paths) {
  std::map<int, std::string> out;
  const Mounts* mounts = MountsOf(*pod, container);
  for (const auto& [index, path] : paths) {
    bool there = mounts != nullptr && index < mounts->size();
    std::string name = there ? mounts->Get(index).name() : "";
    const Volume* volume = VolumeNamed(*pod, name);
    if (volume == nullptr)
      co_return absl::FailedPreconditionError("cannot find volume \"" + name +
                                              "\" to mount into container \"" + container + "\"");
    std::string target = name + "/" + container + "/" + std::to_string(index);
    auto place = co_await PrepareSubPath(pod, volume, path, std::move(target));
    if (place.ok()) {
      out[index] = *std::move(place);
      continue;
    }
    if (absl::IsUnavailable(place.status()) || absl::IsDeadlineExceeded(place.status()))
      co_return place.status();
    // What lies on the node is not for everybody's eyes.
    LOG_ERROR("Cannot prepare a sub path", "pod", api::PodKey(*pod), "container", container,
              "volume", name, "subPath", path, "err", place.status());
    co_return absl::FailedPreconditionError("failed to prepare subPath for volumeMount \"" + name +
                                            "\" of container \"" + container + "\"");
  }
  co_return out;
}

Task<absl::StatusOr<std::string>> PodVolumes::PrepareSubPath(api::PodPtr pod, const Volume* volume,
                                                             std::string path, std::string target) {
  std::string pod_dir = PodDir(options_.root_dir, pod->metadata().uid());
  std::string volume_path = PathOf(pod_dir, *volume);
  VolumeOptions options = options_;
  bool on_host = volume->volume_source().has_host_path();
  if (IsPersistent(*volume)) {
    const auto* plan = state_->Persistent(pod->metadata().uid(), volume->name());
    if (plan == nullptr) co_return absl::UnavailableError("the volume is not prepared");
    volume_path = PersistentPath(pod_dir, *plan);
    on_host = true;
  }
  std::function<absl::StatusOr<std::string>()> work = [pod_dir, volume_path, path, target, on_host,
                                                       options] {
    if (on_host && options.before_look) options.before_look(volume_path);
    return SetUpSubPath(pod_dir, volume_path, path, target);
  };
  // Inside the volume a link cannot lead elsewhere, but something may be mounted there.
  auto hanging = co_await MayHangAt(volume_path + "/" + path);
  if (!hanging.ok()) co_return hanging.status();
  if (*hanging) {
    std::vector<std::string> args = {pod_dir, volume_path, path, target};
    std::string call = "sub-path", looked_for;
    co_return co_await CallOn(**hanging, pod, volume->name(), std::move(call), std::move(args),
                              std::move(looked_for));
  }
  if (!on_host) {
    std::string kind = "volume";
    co_return co_await pool_.Run<std::string>(std::move(kind), options_.prepare_timeout,
                                              std::move(work));
  }
  Place place;
  place.name = "the path " + volume_path;
  std::string key = place.name;
  auto question = places_->Ask(pod->metadata().uid(), volume->name(), std::move(place));
  auto done = co_await LookAt<std::string>(std::move(key), std::move(work));
  question.Ended(done.status());
  co_return done;
}

Task<absl::StatusOr<std::optional<os::Mount>>> PodVolumes::MayHangAt(std::string path) {
  std::string kind = "volume";
  std::function<absl::StatusOr<std::optional<os::Mount>>()> find =
      [path]() -> absl::StatusOr<std::optional<os::Mount>> {
    ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
    return os::MayHang(mounts, path);
  };
  co_return co_await pool_.Run<std::optional<os::Mount>>(std::move(kind), options_.prepare_timeout,
                                                         std::move(find));
}

Task<absl::StatusOr<std::string>> PodVolumes::ReadFile(api::PodPtr pod, std::string volume,
                                                       std::string path) {
  const Volume* found = VolumeNamed(*pod, volume);
  if (found == nullptr) co_return absl::NotFoundError("volume \"" + volume + "\"");
  std::string pod_dir = PodDir(options_.root_dir, pod->metadata().uid());
  std::string root = PathOf(pod_dir, *found);
  if (IsPersistent(*found)) {
    const auto* plan = state_->Persistent(pod->metadata().uid(), volume);
    if (plan == nullptr) co_return absl::UnavailableError("the volume is not prepared");
    root = PersistentPath(pod_dir, *plan);
  }
  std::function<absl::StatusOr<std::string>()> work = [root, path] {
    return os::ReadFileInside(root, path, kMaxEnvFile);
  };
  auto hanging = co_await MayHangAt(root + "/" + path);
  if (!hanging.ok()) co_return hanging.status();
  if (*hanging) {
    std::vector<std::string> args = {root, path};
    std::string call = "read-file", looked_for;
    co_return co_await CallOn(**hanging, pod, volume, std::move(call), std::move(args),
                              std::move(looked_for));
  }
  // What hangs here hangs with the host paths.
  bool on_host = found->volume_source().has_host_path() || IsPersistent(*found);
  std::string kind = on_host ? "hostPath" : "volume";
  co_return co_await pool_.Run<std::string>(std::move(kind), options_.host_path_timeout,
                                            std::move(work));
}

}  // namespace kubelet::volume
