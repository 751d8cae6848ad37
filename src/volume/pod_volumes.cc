#include <algorithm>
#include <boost/asio/post.hpp>
#include <functional>
#include <vector>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "kubelet/volume/volume.h"
#include "volume/plan.h"
#include "volume/pod_volumes_state.h"
#include "volume/remove.h"
#include "volume/set_up.h"

namespace kubelet::volume {

using base::Task;

namespace {

// Where the first step ends: what may hang comes after it, one volume at a time.
struct Local {
  VolumeMap paths;
  std::map<std::string, std::string> mount_points;  // of host paths that have to be looked at
};

absl::Status About(const absl::Status& status, const api::core::Pod& pod,
                   const std::string& volume) {
  return base::Annotate(status, "pod " + api::PodKey(pod) +
                                    ": MountVolume.SetUp failed for volume \"" + volume + "\" ");
}

absl::StatusOr<Local> PrepareLocal(const api::core::Pod& pod, const VolumePlan& plan,
                                   const std::string& pod_dir) {
  Local out;
  for (const auto& empty_dir : plan.empty_dirs) {
    RETURN_IF_ERROR(About(SetUpEmptyDir(pod_dir, empty_dir), pod, empty_dir.name));
    out.paths[empty_dir.name] = {EmptyDirPath(pod_dir, empty_dir.name), true};
  }
  std::vector<os::Mount> mounts;
  for (const auto& host_path : plan.host_paths) {
    out.paths[host_path.name] = {host_path.path, false};
    if (host_path.type.empty()) continue;
    if (mounts.empty()) {
      ASSIGN_OR_RETURN(mounts, os::ReadMountinfo());
    }
    const auto* mount = os::MountOf(mounts, host_path.path);
    out.mount_points[host_path.name] = mount == nullptr ? "/" : mount->point;
  }
  return out;
}

absl::Status TearDownNow(const std::string& pod_dir, bool lazy) {
  RETURN_IF_ERROR(os::UnmountBelow(pod_dir, lazy));
  return RemoveVolumes(pod_dir);
}

}  // namespace

PodVolumes::PodVolumes(base::Executor executor, base::Clock& clock, base::BlockingPool& pool,
                       VolumeOptions options)
    : executor_(std::move(executor)),
      clock_(clock),
      pool_(pool),
      options_(std::move(options)),
      state_(std::make_shared<State>()) {}

PodVolumes::~PodVolumes() = default;

Task<absl::StatusOr<VolumeMap>> PodVolumes::Prepare(api::PodPtr pod) {
  auto planned = PlanVolumes(*pod, options_.memory_bytes);
  if (!planned.ok()) co_return planned.status();
  auto plan = std::make_shared<const VolumePlan>(*std::move(planned));
  if (plan->empty_dirs.empty() && plan->host_paths.empty() && plan->api_volumes.empty())
    co_return VolumeMap();
  std::string pod_dir = PodDir(options_.root_dir, pod->metadata().uid());
  std::string kind = "volume";
  std::function<absl::StatusOr<Local>()> local_work = [pod, plan, pod_dir] {
    return PrepareLocal(*pod, *plan, pod_dir);
  };
  auto local =
      co_await pool_.Run<Local>(std::move(kind), options_.prepare_timeout, std::move(local_work));
  if (absl::IsDeadlineExceeded(local.status())) {
    co_return base::Annotate(local.status(), "pod " + api::PodKey(*pod));
  }
  if (!local.ok()) co_return local.status();
  auto paths = std::make_shared<VolumeMap>(std::move(local->paths));
  auto mount_points = std::move(local->mount_points);
  for (const auto& [volume, mount_point] : mount_points) {
    auto status = co_await PrepareHostPath(pod, volume, mount_point, paths);
    if (!status.ok()) co_return status;
  }
  for (const auto& volume : plan->api_volumes) {
    auto status = co_await FillApiVolume(pod, volume, false, paths);
    if (!status.ok()) co_return About(status, *pod, volume);
  }
  co_return *paths;
}

Task<absl::Status> PodVolumes::PrepareHostPath(api::PodPtr pod, std::string volume,
                                               std::string mount_point,
                                               std::shared_ptr<VolumeMap> out) {
  std::string key = state_->MountKey(*pod, volume, mount_point);
  if (state_->Hangs(key, clock_.Mono())) {
    auto busy = absl::UnavailableError("the mount " + mount_point + " does not answer");
    co_return About(busy, *pod, volume);
  }
  VolumeOptions options = options_;
  std::function<absl::StatusOr<VolumeMap>()> work = [pod, volume,
                                                     options]() -> absl::StatusOr<VolumeMap> {
    ASSIGN_OR_RETURN(auto plan, PlanVolumes(*pod, options.memory_bytes));
    VolumeMap paths;
    for (const auto& host_path : plan.host_paths) {
      if (host_path.name != volume) continue;
      if (options.before_look) options.before_look(host_path.path);
      RETURN_IF_ERROR(CheckHostPath(host_path));
      paths[volume] = {host_path.path, false};
    }
    return paths;
  };
  std::string kind = "hostPath";
  auto paths = co_await Tracked<VolumeMap>(std::move(kind), std::move(key),
                                           options_.host_path_timeout, std::move(work));
  if (!paths.ok()) co_return About(paths.status(), *pod, volume);
  for (auto& [name, path] : *paths) (*out)[name] = path;
  co_return absl::OkStatus();
}

Task<absl::Status> PodVolumes::Teardown(std::string uid) {
  if (!os::IsPathComponent(uid))
    co_return absl::InvalidArgumentError("uid `" + uid + "` is no directory name");
  std::string key = "pod " + uid;
  auto running = state_->running.find(key);
  size_t attempts = running == state_->running.end() ? 0 : running->second.size();
  // One that hangs in an unmount is followed by one that detaches instead; more would only hold
  // threads.
  if (attempts > 1)
    co_return absl::UnavailableError("pod " + uid + ": its volumes are still being removed");
  state_->refresh.erase(uid);
  state_->writers.erase(uid);
  std::string pod_dir = PodDir(options_.root_dir, uid);
  bool lazy = attempts > 0;
  std::function<absl::StatusOr<bool>()> work = [pod_dir, lazy]() -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(TearDownNow(pod_dir, lazy));
    return true;
  };
  std::string kind = "volume";
  auto done = co_await Tracked<bool>(std::move(kind), std::move(key), options_.teardown_timeout,
                                     std::move(work));
  co_return base::Annotate(done.status(), "pod " + uid);
}

Task<absl::StatusOr<std::set<std::string>>> PodVolumes::Orphans(std::set<std::string> live) {
  std::string pods = options_.root_dir + "/pods";
  std::function<absl::StatusOr<std::set<std::string>>()> work =
      [pods, live]() -> absl::StatusOr<std::set<std::string>> {
    std::set<std::string> orphans;
    for (const auto& uid : DirectoriesIn(pods)) {
      if (live.count(uid) == 0) orphans.insert(uid);
    }
    return orphans;
  };
  std::string kind = "volume";
  co_return co_await pool_.Run<std::set<std::string>>(std::move(kind), options_.prepare_timeout,
                                                      std::move(work));
}

}  // namespace kubelet::volume
