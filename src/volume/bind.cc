// PodVolumes: the path of a local or hostPath volume is looked at, and bound or mapped. A path that
// may ask another machine is looked at by a child.
#include <algorithm>
#include <optional>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "volume/block.h"
#include "volume/persistent.h"
#include "volume/pod_volumes_state.h"
#include "volume/set_up.h"

namespace kubelet::volume {

using base::Task;

namespace {

using Kind = PersistentPlan::Kind;
using Words = std::vector<std::string>;

constexpr size_t kFixedWords = 8;

struct Spot {
  bool bound = false;              // by an earlier attempt: its path is not looked at
  std::optional<os::Mount> hangs;  // what a look at the path may hang on
  std::string mount_point;         // that the path lies on
};

absl::StatusOr<Spot> SpotOf(const std::string& root_dir, const std::string& uid,
                            const PersistentPlan& plan) {
  RETURN_IF_ERROR(CheckOnlyPod(root_dir, uid, plan));
  ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
  Spot spot;
  if (plan.kind == Kind::kLocal && !plan.block) {
    std::string target = PersistentPath(RealPodDir(PodDir(root_dir, uid)), plan);
    spot.bound = std::any_of(mounts.begin(), mounts.end(),
                             [&](const os::Mount& mount) { return mount.point == target; });
  }
  if (spot.bound) return spot;
  spot.hangs = os::MayHang(mounts, plan.path);
  const auto* mount = os::MountOf(mounts, plan.path);
  spot.mount_point = mount == nullptr ? "/" : mount->point;
  return spot;
}

Words BindWords(const std::string& root_dir, const std::string& uid, const PersistentPlan& plan) {
  Words words{root_dir,
              uid,
              plan.kind == Kind::kHostPath ? "hostPath" : "local",
              plan.name,
              plan.path,
              plan.type,
              plan.read_only ? "ro" : "rw",
              plan.block ? "device" : "directory"};
  words.insert(words.end(), plan.options.begin(), plan.options.end());
  return words;
}

absl::StatusOr<bool> Bind(const std::string& root_dir, const std::string& uid,
                          const PersistentPlan& plan) {
  if (!plan.block) return BindPersistent(PodDir(root_dir, uid), plan);
  RETURN_IF_ERROR(MapBlock(root_dir, uid, plan));
  return true;
}

}  // namespace

absl::StatusOr<std::string> BindVolumeCall(const Words& words) {
  if (words.size() < kFixedWords)
    return absl::InvalidArgumentError(
        "bind-volume ROOT UID hostPath|local NAME PATH TYPE ro|rw device|directory [OPTION...]");
  PersistentPlan plan;
  plan.kind = words[2] == "hostPath" ? Kind::kHostPath : Kind::kLocal;
  plan.name = words[3];
  plan.path = words[4];
  plan.type = words[5];
  plan.read_only = words[6] == "ro";
  plan.block = words[7] == "device";
  plan.options.assign(words.begin() + kFixedWords, words.end());
  ASSIGN_OR_RETURN(bool done, Bind(words[0], words[1], plan));
  return done ? "bound" : "device";
}

Task<absl::StatusOr<bool>> PodVolumes::BindAtPath(api::PodPtr pod, std::string volume,
                                                  PersistentPlan plan) {
  const std::string root = options_.root_dir, uid = pod->metadata().uid();
  std::function<absl::StatusOr<Spot>()> find = [root, uid, plan] {
    return SpotOf(root, uid, plan);
  };
  std::string kind = "volume";
  auto spot = co_await pool_.Run<Spot>(std::move(kind), options_.prepare_timeout, std::move(find));
  if (!spot.ok()) co_return spot.status();
  if (spot->bound) co_return true;
  if (spot->hangs) {
    std::string call = "bind-volume";
    auto words = BindWords(root, uid, plan);
    auto told =
        co_await CallOn(*spot->hangs, pod, volume, std::move(call), std::move(words), plan.path);
    if (!told.ok()) co_return told.status();
    co_return *told == "bound";
  }
  std::string key = State::MountKey(plan.path, spot->mount_point);
  Place place;
  place.name = key;
  place.path = plan.path;
  auto question = places_->Ask(uid, volume, std::move(place));
  auto before_look = options_.before_look;
  std::function<absl::StatusOr<bool>()> work = [root, uid, plan, before_look] {
    if (before_look) before_look(plan.path);
    return Bind(root, uid, plan);
  };
  auto done = co_await LookAt<bool>(std::move(key), std::move(work));
  question.Ended(done.status());
  co_return done;
}

}  // namespace kubelet::volume
