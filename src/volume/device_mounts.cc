// PodVolumes: local volumes on block devices. The filesystem is mounted once for all pods that use
// it, and each has a bind of it.
#include <algorithm>
#include <optional>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "volume/disk_format.h"
#include "volume/persistent.h"
#include "volume/pod_volumes_state.h"
#include "volume/remove.h"
#include "volume/set_up.h"
#include "volume/steps.h"

namespace kubelet::volume {

using base::Task;

namespace {

// Upstream waits for mkfs and fsck for ever. Of a disk of many terabytes they take minutes, and one
// that is killed in the middle has all of it to do again.
constexpr base::Nanos kDiskLimit = std::chrono::minutes(30);

bool ReadOnly(const PersistentPlan& plan) {
  return std::find(plan.options.begin(), plan.options.end(), "ro") != plan.options.end();
}

std::string PlaceOf(const PersistentPlan& plan) { return "the device " + plan.path; }

absl::StatusOr<std::optional<os::Mount>> MountAt(const std::string& point) {
  ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
  std::optional<os::Mount> found;
  for (auto& mount : mounts)
    if (mount.point == point) found = std::move(mount);
  return found;
}

}  // namespace

// One after another for each volume: two pods must not both find the disk empty, and nothing is
// unmounted between a mount and the bind of it.
std::shared_ptr<base::Semaphore> PodVolumes::DeviceTurn(const std::string& volume) {
  auto& turns = state_->device_turns;
  std::erase_if(turns, [](const auto& one) { return one.second.expired(); });
  auto turn = turns[volume].lock();
  if (!turn) turn = std::make_shared<base::Semaphore>(executor_, clock_, 1);
  turns[volume] = turn;
  return turn;
}

Task<absl::Status> PodVolumes::BindDevice(api::PodPtr pod, std::string volume) {
  const std::string uid = pod->metadata().uid();
  const auto* known = state_->Persistent(uid, volume);
  if (known == nullptr) co_return TornDown();
  PersistentPlan plan = *known;
  auto turn = DeviceTurn(plan.name);
  auto permit = co_await turn->Acquire();
  auto status = co_await MountDevice(pod, volume, plan);
  if (!status.ok()) co_return status;
  if (state_->Persistent(uid, volume) == nullptr) {
    status = co_await UnmountDevice(uid, plan.name);
    status.IgnoreError();  // the next that is taken away tries again
    co_return TornDown();
  }
  // The bind has the options of what it is made of.
  plan.path = DevicePoint(options_.root_dir, plan);
  plan.options.clear();
  if (plan.read_only) plan.options.push_back("ro");
  std::function<absl::StatusOr<bool>()> work = [pod_dir = PodDir(options_.root_dir, uid), plan] {
    return BindPersistent(pod_dir, plan);
  };
  std::string kind = "volume";
  auto bound = co_await pool_.Run<bool>(std::move(kind), options_.prepare_timeout, std::move(work));
  co_return bound.status();
}

Task<absl::Status> PodVolumes::MountDevice(api::PodPtr pod, std::string volume,
                                           PersistentPlan plan) {
  MountCall call = DeviceMount(options_.root_dir, plan);
  std::string target = call.target;
  std::function<absl::StatusOr<bool>()> look = [target] { return MountedOrMade(target); };
  std::string kind = "volume";
  auto mounted =
      co_await pool_.Run<bool>(std::move(kind), options_.prepare_timeout, std::move(look));
  if (!mounted.ok()) co_return mounted.status();
  if (*mounted) co_return absl::OkStatus();
  auto status = co_await PrepareDisk(pod, volume, plan);
  if (status.ok()) {
    Place place;
    place.name = PlaceOf(plan);
    place.doing = "mounting " + plan.path;
    auto question = places_->Ask(pod->metadata().uid(), volume, std::move(place));
    std::string about = "pod " + api::PodKey(*pod) + " volume \"" + volume + "\"";
    status = co_await RunMount(std::move(about), call);
    question.Ended(status);
  }
  if (status.ok()) {
    LOG_INFO("A disk was mounted", "device", plan.path, "dir", target, "type", plan.fs_type);
    co_return status;
  }
  std::function<absl::Status()> undo = [target] { return os::RemoveDirectories(target); };
  kind = "volume";
  auto undone =
      co_await pool_.RunStatus(std::move(kind), options_.prepare_timeout, std::move(undo));
  undone.IgnoreError();  // an empty directory
  std::string text = "local: failed to mount device " + plan.path + " at " + target +
                     " (fstype: " + plan.fs_type + "), error " + base::Message(status);
  co_return StepFailed("MountVolume.MountDevice", plan.name, absl::Status(status.code(), text));
}

// A filesystem is there afterwards, and fsck had a look at it.
Task<absl::Status> PodVolumes::PrepareDisk(api::PodPtr pod, std::string volume,
                                           PersistentPlan plan) {
  const std::string& device = plan.path;
  auto program = LookForFormat(device);
  std::string doing;
  auto looked = co_await RunOnDisk(pod, volume, plan, std::move(program), std::move(doing));
  if (!looked.ok())
    co_return base::Annotate(looked.status(), "failed to get disk format of disk " + device);
  auto found = FormatFound(device, *looked);
  if (!found.ok()) co_return found.status();
  if (found->empty()) co_return co_await FormatDisk(pod, volume, plan);
  if (*found != plan.fs_type)
    LOG_WARNING("A disk has another filesystem than its volume says", "device", device, "type",
                *found, "wanted", plan.fs_type);
  if (ReadOnly(plan)) co_return absl::OkStatus();
  doing = "checking the filesystem of " + device;
  program = CheckFilesystem(device);
  auto checked = co_await RunOnDisk(pod, volume, plan, std::move(program), std::move(doing));
  if (checked.ok()) co_return FilesystemChecked(device, *checked);
  if (absl::IsDeadlineExceeded(checked.status()) || absl::IsCancelled(checked.status()) ||
      absl::IsUnavailable(checked.status()))
    co_return checked.status();
  LOG_WARNING("fsck cannot be run; the filesystem is mounted all the same", "device", device, "err",
              checked.status());
  co_return absl::OkStatus();
}

Task<absl::Status> PodVolumes::FormatDisk(api::PodPtr pod, std::string volume,
                                          PersistentPlan plan) {
  const std::string& device = plan.path;
  if (ReadOnly(plan))
    co_return absl::FailedPreconditionError("cannot mount unformatted disk " + device +
                                            " as we are manipulating it in read-only mode");
  os::ChildCalls::On on;
  on.mount = PlaceOf(plan);
  on.about = "pod " + api::PodKey(*pod) + " volume \"" + volume + "\"";
  std::vector<std::string> args = {device};
  std::string call = "read-alone";
  auto alone = co_await calls_.Run(std::move(on), std::move(call), std::move(args),
                                   options_.prepare_timeout);
  if (!alone.ok()) co_return alone.status();
  LOG_INFO("A disk is empty; a filesystem is made on it", "device", device, "type", plan.fs_type,
           "pod", api::PodKey(*pod), "volume", plan.name);
  std::string doing = "making a filesystem (" + plan.fs_type + ") on " + device;
  auto program = MakeFilesystem(device, plan.fs_type);
  auto made = co_await RunOnDisk(pod, volume, plan, std::move(program), std::move(doing));
  if (!made.ok())
    co_return base::Annotate(made.status(), "format of disk \"" + device + "\" failed");
  MountCall mount = DeviceMount(options_.root_dir, plan);
  std::string options;
  for (const auto& one : mount.options) options += (options.empty() ? "" : ",") + one;
  co_return FilesystemMade(device, plan.fs_type, mount.target, options, *made);
}

Task<absl::StatusOr<os::ProcessResult>> PodVolumes::RunOnDisk(api::PodPtr pod, std::string volume,
                                                              PersistentPlan plan,
                                                              DiskProgram program,
                                                              std::string doing) {
  os::ChildCalls::On on;
  on.mount = PlaceOf(plan);
  on.about = "pod " + api::PodKey(*pod) + " volume \"" + volume + "\"";
  if (!doing.empty()) on.slow = kDiskLimit;
  Place place;
  place.name = on.mount;
  place.doing = doing;
  auto question = places_->Ask(pod->metadata().uid(), volume, std::move(place));
  os::ProcessRequest request;
  request.program = program.program;
  request.args = program.args;
  request.environment.push_back("LC_ALL=C");
  request.timeout = doing.empty() ? base::Nanos(options_.prepare_timeout) : kDiskLimit;
  auto result = co_await calls_.RunProgram(std::move(on), std::move(request));
  question.Ended(result.status());
  if (absl::IsDeadlineExceeded(result.status()))
    co_return absl::DeadlineExceededError(program.program +
                                          " was killed: " + base::Message(result.status()));
  if (!result.ok()) co_return base::Annotate(result.status(), program.program);
  co_return result;
}

// By the table alone: also what a kubelet left that was killed in between.
absl::StatusOr<std::vector<std::string>> IdleDevices(const std::string& root_dir) {
  auto names = DirectoriesIn(DevicePoints(root_dir));
  if (names.empty()) return names;
  ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
  std::string pods = RealPodDir(PodDir(root_dir, ""));  // with a slash at its end
  std::erase_if(names, [&](const std::string& name) {
    std::string tail = "/volumes/kubernetes.io~local-volume/" + name;
    return std::any_of(mounts.begin(), mounts.end(), [&](const os::Mount& mount) {
      return mount.point.starts_with(pods) && mount.point.ends_with(tail);
    });
  });
  return names;
}

Task<absl::Status> PodVolumes::ReleaseDevices(std::string uid, std::vector<std::string> names) {
  absl::Status first;
  for (const auto& name : names) {
    if (state_->WantsDevice(name)) continue;
    auto turn = DeviceTurn(name);
    auto permit = co_await turn->Acquire();
    auto status = co_await UnmountDevice(uid, name);
    if (first.ok()) first = status;
  }
  co_return first;
}

// With the turn in hand.
Task<absl::Status> PodVolumes::UnmountDevice(std::string uid, std::string name) {
  std::function<absl::StatusOr<std::optional<os::Mount>>()> look =
      [root = options_.root_dir, name]() -> absl::StatusOr<std::optional<os::Mount>> {
    ASSIGN_OR_RETURN(auto idle, IdleDevices(root));
    if (std::find(idle.begin(), idle.end(), name) == idle.end())
      return absl::AbortedError("another pod has it now");
    return MountAt(RealPodDir(DevicePoints(root) + "/" + name));
  };
  std::string kind = "volume";
  auto mount = co_await pool_.Run<std::optional<os::Mount>>(
      std::move(kind), options_.teardown_timeout, std::move(look));
  if (absl::IsAborted(mount.status()) || state_->WantsDevice(name)) co_return absl::OkStatus();
  if (!mount.ok()) co_return mount.status();
  auto begun = clock_.Mono();
  if (*mount) {
    auto status = co_await UnmountInChild(uid, **mount);
    state_->operations.UnmountedDevice("kubernetes.io/local-volume", begun, status.ok());
    if (!status.ok()) co_return status;
    LOG_INFO("A disk was unmounted", "device", (*mount)->source, "dir", (*mount)->point);
  }
  std::function<absl::Status()> remove = [dir = DevicePoints(options_.root_dir) + "/" + name] {
    return os::RemoveDirectories(dir);
  };
  kind = "volume";
  co_return co_await pool_.RunStatus(std::move(kind), options_.teardown_timeout, std::move(remove));
}

}  // namespace kubelet::volume
