// PodVolumes: fsGroup of volumes that may hold millions of files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "volume/pod_volumes_state.h"
#include "volume/set_up.h"

namespace kubelet::volume {

using base::Task;

namespace {

// An attempt that is cut off here goes on in the next.
constexpr auto kWalkLimit = std::chrono::minutes(30);
// pkg/volume/volume_linux.go of 1.36: after this long the user is told.
constexpr auto kTell = std::chrono::seconds(30);

// The journal of the walk is also what is remembered of it: absent, nothing is to be done; empty,
// it is not decided yet who has the volume; else the walk was begun.
std::string NoteOf(const std::string& pod_dir, const std::string& volume) {
  return pod_dir + "/plugins/kubernetes.io~fs-group/" + volume;
}

// Before the bind, so that a kill after it loses nothing. What is bound already has its note, or
// needs none.
absl::Status NoteBind(const std::string& pod_dir, const PersistentPlan& plan,
                      const std::string& note) {
  ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
  std::string point = PersistentPath(RealPodDir(pod_dir), plan);
  bool bound = std::any_of(mounts.begin(), mounts.end(),
                           [&](const os::Mount& mount) { return mount.point == point; });
  if (bound) return absl::OkStatus();
  RETURN_IF_ERROR(os::MakeDirectory(os::DirName(note), 0750));
  int fd = open(note.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return base::ErrnoStatus(errno, "make " + note);
  close(fd);
  return absl::OkStatus();
}

enum class FilesTurn { kNothing, kWalk, kShared };

// By the note, and by who else has the same directory mounted.
absl::StatusOr<FilesTurn> TurnOf(const std::string& pod_dir, const PersistentPlan& plan,
                                 const std::string& note) {
  struct stat info {};
  if (lstat(note.c_str(), &info) != 0) {
    if (errno == ENOENT) return FilesTurn::kNothing;
    return base::ErrnoStatus(errno, "stat " + note);
  }
  if (info.st_size > 0) return FilesTurn::kWalk;
  ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
  std::string real = RealPodDir(pod_dir), pods = os::DirName(real) + "/";
  std::string point = PersistentPath(real, plan);
  const os::Mount* own = nullptr;
  for (const auto& mount : mounts)
    if (mount.point == point) own = &mount;
  if (own == nullptr) return absl::UnavailableError(point + " is not mounted any more");
  bool shared = std::any_of(mounts.begin(), mounts.end(), [&](const os::Mount& mount) {
    return mount.major == own->major && mount.minor == own->minor && mount.root == own->root &&
           mount.point.starts_with(pods) && !os::IsBelow(mount.point, real);
  });
  if (shared) return FilesTurn::kShared;
  if (!plan.read_only) return FilesTurn::kWalk;
  if (unlink(note.c_str()) != 0) return base::ErrnoStatus(errno, "remove " + note);
  return FilesTurn::kNothing;
}

}  // namespace

// With the turn in hand: whoever finds the volume with another pod finds its files given away.
Task<absl::Status> PodVolumes::BindForGroup(api::PodPtr pod, std::string volume, std::string dir) {
  const std::string uid = pod->metadata().uid();
  const auto* known = state_->Persistent(uid, volume);
  if (known == nullptr) co_return TornDown();
  auto turn = DeviceTurn("files of " + known->name);
  auto permit = co_await turn->Acquire();
  known = state_->Persistent(uid, volume);
  if (known == nullptr) co_return TornDown();
  std::string pod_dir = PodDir(options_.root_dir, uid), kind = "volume";
  std::function<absl::Status()> note = [pod_dir, plan = *known, file = NoteOf(pod_dir, volume)] {
    return NoteBind(pod_dir, plan, file);
  };
  auto status =
      co_await pool_.RunStatus(std::move(kind), options_.prepare_timeout, std::move(note));
  if (status.ok()) status = co_await BindLocal(pod, volume);
  if (status.ok()) status = co_await SettleGroup(pod, volume, dir);
  auto* now = state_->Persistent(uid, volume);
  if (now != nullptr) now->grouped = status.ok();
  co_return status;
}

Task<absl::Status> PodVolumes::SettleGroup(api::PodPtr pod, std::string volume, std::string dir) {
  const std::string uid = pod->metadata().uid();
  const auto* known = state_->Persistent(uid, volume);
  if (known == nullptr) co_return TornDown();
  std::string pod_dir = PodDir(options_.root_dir, uid), kind = "volume";
  std::function<absl::StatusOr<FilesTurn>()> look = [pod_dir, plan = *known,
                                                     file = NoteOf(pod_dir, volume)] {
    return TurnOf(pod_dir, plan, file);
  };
  auto turn =
      co_await pool_.Run<FilesTurn>(std::move(kind), options_.prepare_timeout, std::move(look));
  if (!turn.ok()) co_return turn.status();
  if (*turn == FilesTurn::kWalk) co_return co_await GiveToGroup(pod, volume, dir);
  if (*turn == FilesTurn::kShared) co_return co_await TellGroup(pod, volume, dir);
  co_return absl::OkStatus();
}

Task<absl::Status> PodVolumes::TellGroup(api::PodPtr pod, std::string volume, std::string dir) {
  const std::string uid = pod->metadata().uid();
  const auto* known = state_->Persistent(uid, volume);
  if (known == nullptr) co_return TornDown();
  std::string name = known->name, wanted = std::to_string(known->group.value_or(0));
  os::ChildCalls::On on;
  on.mount = "the volume " + dir;
  on.about = "pod " + api::PodKey(*pod) + " volume \"" + volume + "\"";
  std::vector<std::string> args = {dir};
  std::string call = "group-of";
  auto has = co_await calls_.Run(std::move(on), std::move(call), std::move(args),
                                 options_.host_path_timeout);
  if (!has.ok()) co_return has.status();
  if (*has != wanted && options_.on_event)
    options_.on_event(uid, pod.get(), "AlreadyMountedVolume",
                      "The requested fsGroup is " + wanted + ", but the volume " + name +
                          " has GID " + *has + ". The volume may not be shareable.");
  std::string kind = "volume";
  std::function<absl::Status()> forget =
      [file = NoteOf(PodDir(options_.root_dir, uid), volume)]() -> absl::Status {
    if (unlink(file.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    return base::ErrnoStatus(errno, "remove " + file);
  };
  co_return co_await pool_.RunStatus(std::move(kind), options_.prepare_timeout, std::move(forget));
}

Task<absl::Status> PodVolumes::GiveToGroup(api::PodPtr pod, std::string volume, std::string dir) {
  const auto& security = pod->spec().security_context();
  const std::string uid = pod->metadata().uid();
  bool on_mismatch = security.fs_group_change_policy() == "OnRootMismatch";
  std::vector<std::string> args = {dir, std::to_string(security.fs_group()), "rw",
                                   on_mismatch ? "OnRootMismatch" : "Always",
                                   NoteOf(PodDir(options_.root_dir, uid), volume)};
  os::ChildCalls::On on;
  on.mount = "fsGroup of " + dir;
  on.about = "pod " + api::PodKey(*pod) + " volume \"" + volume + "\"";
  on.slow = kWalkLimit;
  // As upstream words it: what follows the pods directory, and the advice.
  size_t pods = dir.find("/" + uid + "/");
  std::string shown = pods == std::string::npos ? dir : dir.substr(pods + 1);
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
