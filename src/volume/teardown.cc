// PodVolumes: taking away. The mount table tells what there is.
#include <array>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "volume/block.h"
#include "volume/pod_volumes_state.h"
#include "volume/remove.h"
#include "volume/set_up.h"

namespace kubelet::volume {

using base::Task;

namespace {

constexpr std::array kWays = {"now", "lazy"};

std::string NameOf(const os::Mount& mount) {
  return mount.point + " (" + mount.type + " " + mount.source + ")";
}

// Mounts at or below `dir` whose file system may ask another machine.
absl::StatusOr<std::vector<os::Mount>> Foreign(const std::string& dir) {
  ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
  auto below = os::MountsBelow(mounts, dir);
  std::erase_if(below, [](const os::Mount& mount) { return os::IsLocal(mount); });
  return below;
}

// Names of devices that nobody uses any more.
absl::StatusOr<std::vector<std::string>> UnmountNow(const std::string& root_dir,
                                                    const std::string& uid, bool lazy) {
  std::string pod_dir = PodDir(root_dir, uid);
  // One that hangs must not hang here; it was tried before, in a process of its own.
  std::string real = RealPodDir(pod_dir);
  ASSIGN_OR_RETURN(auto foreign, Foreign(real));
  if (!foreign.empty())
    return absl::UnavailableError(NameOf(foreign.front()) + " is still mounted");
  auto tell = [&pod_dir](const std::string& text) {
    LOG_INFO("A mount of a pod was in use", "dir", pod_dir, "mount", text);
  };
  RETURN_IF_ERROR(os::UnmountBelow(real, lazy, tell));
  RETURN_IF_ERROR(UnmapBlocks(root_dir, uid));
  return IdleDevices(root_dir);
}

// A key of what is under way, for as long as this is there.
template <typename State>
class Held {
 public:
  Held(std::shared_ptr<State> state, std::string key, base::MonoTime now)
      : state_(std::move(state)), key_(std::move(key)), begun_(now) {
    state_->Begin(key_, begun_);
  }
  ~Held() { state_->End(key_, begun_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  std::shared_ptr<State> state_;
  std::string key_;
  base::MonoTime begun_;
};

std::string FilesOf(const std::string& uid) { return "files of pod " + uid; }

}  // namespace

// In turns of a kind of their own: neither does a thread remove files for minutes, nor does work
// on volumes that are wanted wait behind it.
Task<absl::Status> PodVolumes::RemoveFiles(std::string uid) {
  std::string dir = PodDir(options_.root_dir, uid);
  Place place;
  place.name = FilesOf(uid);
  place.doing = "removing its files";
  auto question = places_->Ask(uid, "", std::move(place));
  Held<State> held(state_, FilesOf(uid), clock_.Mono());
  for (;;) {
    std::function<absl::StatusOr<bool>()> work = [dir, turn = options_.removal_turn,
                                                  before_look = options_.before_look] {
      if (before_look) before_look(dir);
      return RemoveVolumesUntil(RealPodDir(dir), std::chrono::steady_clock::now() + turn);
    };
    std::string kind = "volume removal", key = FilesOf(uid);
    auto done = co_await Tracked<bool>(std::move(kind), std::move(key), options_.teardown_timeout,
                                       std::move(work));
    if (done.ok() && !*done) continue;
    question.Ended(done.status());
    co_return done.status();
  }
}

Task<absl::Status> PodVolumes::Teardown(std::string uid) {
  if (!os::IsPathComponent(uid))
    co_return absl::InvalidArgumentError("uid `" + uid + "` is no directory name");
  std::string key = "pod " + uid;
  auto running = state_->running.find(key);
  size_t attempts = running == state_->running.end() ? 0 : running->second.size();
  // One that hangs in an unmount is followed by one that detaches instead; more would only hold
  // threads. A second that removes files would help nobody.
  if (attempts > 1 || state_->running.contains(FilesOf(uid)))
    co_return absl::UnavailableError("pod " + uid + ": its volumes are still being removed");
  state_->refresh.erase(uid);
  state_->writers.erase(uid);
  state_->persistent.erase(uid);
  state_->looked_up.erase(uid);
  ++state_->teardowns;
  std::erase_if(state_->unbound, [&](const auto& one) { return one.first == uid; });
  state_->attachable.erase(uid);
  state_->operations.Leave(uid);
  places_->Forget(uid);
  auto begun = clock_.Mono();
  std::string pod_dir = PodDir(options_.root_dir, uid);
  bool lazy = attempts > 0;
  auto status = co_await UnmountHanging(uid, pod_dir);
  if (status.ok()) {
    using Names = std::vector<std::string>;
    std::function<absl::StatusOr<Names>()> work = [root = options_.root_dir, uid, lazy] {
      return UnmountNow(root, uid, lazy);
    };
    std::string kind = "volume";
    auto done = co_await Tracked<Names>(std::move(kind), std::move(key), options_.teardown_timeout,
                                        std::move(work));
    status = done.status();
    if (done.ok() && !done->empty()) status = co_await ReleaseDevices(uid, *done);
    if (done.ok()) {
      auto removed = co_await RemoveFiles(uid);
      if (!removed.ok()) status = removed;
    }
  }
  state_->looked_up.erase(uid);
  ++state_->teardowns;
  state_->operations.TornDown(uid, begun, status);
  CountForced(uid, status.ok());
  co_return base::Annotate(status, "pod " + uid);
}

Task<absl::StatusOr<std::vector<os::Mount>>> PodVolumes::MountsLeft(std::string dir) {
  std::string kind = "volume";
  std::function<absl::StatusOr<std::vector<os::Mount>>()> work =
      [dir]() -> absl::StatusOr<std::vector<os::Mount>> {
    ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
    return os::MountsBelow(mounts, dir);
  };
  co_return co_await pool_.Run<std::vector<os::Mount>>(std::move(kind), options_.prepare_timeout,
                                                       std::move(work));
}

// Each is unmounted in a child; one that does not end in time is detached by another, which waits
// for nobody. What counts is the mount table: a child may hang with its work done.
Task<absl::Status> PodVolumes::UnmountHanging(std::string uid, std::string pod_dir) {
  std::string kind = "volume";
  std::function<absl::StatusOr<std::vector<os::Mount>>()> work = [pod_dir] {
    return Foreign(RealPodDir(pod_dir));
  };
  auto foreign = co_await pool_.Run<std::vector<os::Mount>>(
      std::move(kind), options_.prepare_timeout, std::move(work));
  if (!foreign.ok()) co_return foreign.status();
  auto mounts = *std::move(foreign);
  for (const auto& mount : mounts) {
    auto status = co_await UnmountInChild(uid, mount);
    if (!status.ok()) co_return status;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> PodVolumes::UnmountInChild(std::string uid, os::Mount mount) {
  Place place;
  place.name = NameOf(mount);
  auto question = places_->Ask(uid, "", std::move(place));
  for (const char* how : kWays) {
    os::ChildCalls::On on;
    on.mount = std::string(how[0] == 'n' ? "unmount " : "detach ") + NameOf(mount);
    on.about = "pod " + uid;
    on.slow = options_.unmount_timeout;
    std::vector<std::string> args = {mount.point, how};
    std::string call = "unmount-below";
    auto told = co_await calls_.Run(std::move(on), std::move(call), std::move(args),
                                    options_.unmount_timeout);
    if (told.ok() && !told->empty())
      LOG_WARNING("A mount of a pod was in use", "podUID", uid, "mount", *told);
    if (told.ok()) break;
    auto left = co_await MountsLeft(mount.point);
    if (left.ok() && left->empty()) break;
    if (how[0] == 'l') co_return told.status();
    LOG_WARNING("Unmount does not end; it is detached", "podUID", uid, "mount", NameOf(mount),
                "err", told.status());
    if (options_.on_event)
      options_.on_event(uid, nullptr, "FailedUnMount",
                        "Unmount of " + NameOf(mount) +
                            " did not end: " + base::Message(told.status()) + "; it is detached");
  }
  co_return absl::OkStatus();
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
