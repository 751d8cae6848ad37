// PodVolumes: fsGroup of volumes that may hold millions of files.
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "volume/pod_volumes_state.h"
#include "volume/set_up.h"

namespace kubelet::volume {

using base::Task;

namespace {

// An attempt that is cut off here goes on in the next.
constexpr auto kWalkLimit = std::chrono::minutes(30);
// pkg/volume/volume_linux.go of 1.36: after this long the user is told.
constexpr auto kTell = std::chrono::seconds(30);

}  // namespace

Task<absl::Status> PodVolumes::GiveToGroup(api::PodPtr pod, std::string volume, std::string dir,
                                           bool read_only) {
  const auto& security = pod->spec().security_context();
  if (!security.has_fs_group()) co_return absl::OkStatus();
  const std::string uid = pod->metadata().uid();
  bool on_mismatch = security.fs_group_change_policy() == "OnRootMismatch";
  std::vector<std::string> args = {
      dir, std::to_string(security.fs_group()), read_only ? "ro" : "rw",
      on_mismatch ? "OnRootMismatch" : "Always",
      PodDir(options_.root_dir, uid) + "/plugins/kubernetes.io~fs-group/" + volume};
  os::ChildCalls::On on;
  on.mount = "fsGroup of " + dir;
  on.about = "pod " + api::PodKey(*pod) + " volume \"" + volume + "\"";
  on.slow = kWalkLimit;
  // As upstream words it: what follows the pods directory, and the advice.
  std::string shown = dir.find(uid) == std::string::npos ? dir : dir.substr(dir.find(uid));
  auto timer = clock_.After(kTell, [pod, shown, on_event = options_.on_event] {
    if (!on_event) return;
    on_event(pod->metadata().uid(), pod.get(), "VolumePermissionChangeInProgress",
             "Setting volume ownership for " + shown +
                 " is taking longer than expected, consider using OnRootMismatch - "
                 "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"
                 "#configure-volume-permission-and-ownership-change-policy-for-pods");
  });
  auto begun = clock_.Mono();
  Place place;
  place.name = on.mount;
  place.doing = "giving its files to group " + args[1];
  auto question = places_->Ask(uid, volume, std::move(place));
  std::string call = "fs-group";
  auto told = co_await calls_.Run(std::move(on), std::move(call), std::move(args), kWalkLimit);
  clock_.Cancel(timer);
  state_->operations.Step(uid, volume, "volume_apply_access_control", begun, told.ok());
  if (!told.ok()) co_return told.status();
  LOG_INFO("Volume given to the pod's group", "pod", api::PodKey(*pod), "volume", volume, "took",
           base::GoDuration(clock_.Mono() - begun), "files", *told);
  co_return absl::OkStatus();
}

}  // namespace kubelet::volume
