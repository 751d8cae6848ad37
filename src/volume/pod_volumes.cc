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
#include "volume/steps.h"

namespace kubelet::volume {

using base::Task;

namespace {

constexpr base::Nanos kClaimPatience = std::chrono::seconds(2);

// Where the first step ends: what may hang comes after it, one volume at a time.
struct Local {
  VolumeMap paths;
  std::map<std::string, absl::Status> empty_dirs;   // what became of those that were tried
  std::map<std::string, std::string> mount_points;  // of host paths that have to be looked at
};

absl::StatusOr<Local> SetUpLocal(const VolumePlan& plan, const std::set<std::string>& passed_over,
                                 const std::string& pod_dir) {
  Local out;
  for (const auto& empty_dir : plan.empty_dirs) {
    if (!passed_over.contains(empty_dir.name))
      out.empty_dirs[empty_dir.name] = SetUpEmptyDir(pod_dir, empty_dir);
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

}  // namespace

// One Prepare: what is ready, and what is not.
struct PodVolumes::Round {
  api::PodPtr pod;
  std::shared_ptr<const VolumePlan> plan;
  std::shared_ptr<VolumeMap> paths = std::make_shared<VolumeMap>();
  std::map<std::string, std::string> mount_points;
  absl::Status first;
  std::set<std::string> unmounted;
  void Failed(const std::string& volume, const absl::Status& status) {
    if (status.ok()) return;
    if (first.ok()) first = status;
    unmounted.insert(volume);
  }
};

PodVolumes::PodVolumes(base::Executor executor, base::Clock& clock, base::BlockingPool& pool,
                       VolumeOptions options)
    : executor_(std::move(executor)),
      clock_(clock),
      pool_(pool),
      options_(std::move(options)),
      calls_(executor_, clock_, pool_, options_.children),
      state_(std::make_shared<State>(clock_, options_)) {
  auto answer = [state = std::weak_ptr(state_),
                 on_ready = options_.on_ready](const std::string& uid) {
    auto known = state.lock();
    if (known) known->operations.RetryNow(uid);
    if (on_ready) on_ready(uid);
  };
  places_ = std::make_shared<Places>(executor_, clock_, pool_, calls_, std::move(answer));
}

PodVolumes::~PodVolumes() = default;

std::vector<std::string> PodVolumes::VolumesInUse() const {
  std::set<std::string> all;
  for (const auto& [uid, names] : state_->attachable) all.insert(names.begin(), names.end());
  return {all.begin(), all.end()};
}

absl::StatusOr<VolumePlan> PodVolumes::PlanOfPod(const api::core::Pod& pod) const {
  return PlanVolumes(pod, options_.allocatable ? options_.allocatable().memory_bytes : 0);
}

Task<absl::StatusOr<VolumeMap>> PodVolumes::Prepare(api::PodPtr pod) {
  const std::string uid = pod->metadata().uid();
  auto planned = PlanOfPod(*pod);
  if (!planned.ok()) {
    auto before = state_->operations.MayMount(uid, "");
    if (before == planned.status()) co_return before;
    co_return state_->operations.Mounted(*pod, "", clock_.Mono(), planned.status());
  }
  auto round = std::make_shared<Round>();
  round->pod = pod;
  round->plan = std::make_shared<const VolumePlan>(*std::move(planned));
  const auto& plan = *round->plan;
  if (plan.empty_dirs.empty() && plan.host_paths.empty() && plan.api_volumes.empty() &&
      plan.persistent.empty())
    co_return VolumeMap();
  co_await PrepareLocal(round);
  for (const auto& volume : plan.api_volumes) {
    auto work = FillApiVolume(pod, volume, false, round->paths);
    co_await Attempt(round, volume, std::move(work));
  }
  // What may hang comes last, so that it delays nothing else.
  for (const auto& [volume, mount_point] : round->mount_points) {
    auto work = PrepareHostPath(pod, volume, mount_point, round->paths);
    co_await Attempt(round, volume, std::move(work));
  }
  for (const auto& volume : plan.persistent) {
    auto work = PreparePersistent(pod, volume, round->paths);
    co_await Attempt(round, volume, std::move(work));
    // Nobody tells when a claim is bound.
    if (state_->unbound.contains({uid, volume}))
      state_->operations.RetryWithin(uid, volume, kClaimPatience);
  }
  state_->operations.Waits(*pod, round->unmounted, round->first);
  if (!round->first.ok()) co_return round->first;
  co_return *round->paths;
}

// The work is not begun, just dropped, when it is too early for it.
Task<void> PodVolumes::Attempt(std::shared_ptr<Round> round, std::string volume,
                               Task<absl::Status> work) {
  auto status = state_->operations.MayMount(round->pod->metadata().uid(), volume);
  if (status.ok()) {
    auto begun = clock_.Mono();
    status = co_await std::move(work);
    const auto* plan = state_->Persistent(round->pod->metadata().uid(), volume);
    status = VolumeFailed(*round->pod, plan == nullptr ? volume : plan->name,
                          UsedAsDevice(*round->pod, volume), status);
    status = state_->operations.Mounted(*round->pod, volume, begun, status);
  }
  round->Failed(volume, status);
}

Task<void> PodVolumes::PrepareLocal(std::shared_ptr<Round> round) {
  const auto& pod = *round->pod;
  const std::string uid = pod.metadata().uid();
  std::set<std::string> passed_over;
  for (const auto& empty_dir : round->plan->empty_dirs) {
    auto status = state_->operations.MayMount(uid, empty_dir.name);
    if (status.ok()) continue;
    round->Failed(empty_dir.name, status);
    passed_over.insert(empty_dir.name);
  }
  auto begun = clock_.Mono();
  std::string kind = "volume";
  std::function<absl::StatusOr<Local>()> work = [plan = round->plan, passed_over,
                                                 pod_dir = PodDir(options_.root_dir, uid)] {
    return SetUpLocal(*plan, passed_over, pod_dir);
  };
  auto local =
      co_await pool_.Run<Local>(std::move(kind), options_.prepare_timeout, std::move(work));
  if (!local.ok()) {
    auto status = base::Annotate(local.status(), "pod " + api::PodKey(pod));
    for (const auto& empty_dir : round->plan->empty_dirs) {
      if (!passed_over.contains(empty_dir.name))
        round->Failed(empty_dir.name,
                      state_->operations.Mounted(pod, empty_dir.name, begun, status));
    }
    for (const auto& host_path : round->plan->host_paths) round->Failed(host_path.name, status);
    co_return;
  }
  for (const auto& [volume, status] : local->empty_dirs) {
    auto failed = VolumeFailed(pod, volume, false, status);
    auto told = state_->operations.Mounted(pod, volume, begun, failed);
    round->Failed(volume, told);
  }
  *round->paths = std::move(local->paths);
  round->mount_points = std::move(local->mount_points);
}

Task<absl::Status> PodVolumes::PrepareHostPath(api::PodPtr pod, std::string volume,
                                               std::string mount_point,
                                               std::shared_ptr<VolumeMap> out) {
  HostPathPlan plan;
  for (const auto& planned : pod->spec().volumes()) {
    if (planned.name() != volume) continue;
    const auto& source = planned.volume_source().host_path();
    plan = HostPathPlan{volume, source.path(), source.type()};
  }
  std::string key = State::MountKey(plan.path, mount_point);
  Place place;
  place.name = key;
  place.path = plan.path;
  std::optional<Places::Question> question(
      places_->Ask(pod->metadata().uid(), volume, std::move(place)));
  auto before_look = options_.before_look;
  // Checked at once where nothing can hang; else what it would hang on.
  std::function<absl::StatusOr<std::optional<os::Mount>>()> work =
      [plan, before_look]() -> absl::StatusOr<std::optional<os::Mount>> {
    ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
    auto mount = os::MayHang(mounts, plan.path);
    if (mount) return mount;
    if (before_look) before_look(plan.path);
    RETURN_IF_ERROR(CheckHostPath(plan));
    return std::nullopt;
  };
  auto mount = co_await LookAt<std::optional<os::Mount>>(std::move(key), std::move(work));
  if (!mount.ok() || !*mount) question->Ended(mount.status());
  question.reset();
  if (!mount.ok()) co_return mount.status();
  if (*mount) {
    std::vector<std::string> args = {plan.path, plan.type};
    std::string call = "check-host-path";
    auto checked =
        co_await CallOn(**mount, pod, volume, std::move(call), std::move(args), plan.path);
    if (!checked.ok()) co_return checked.status();
  }
  (*out)[volume] = VolumePath{plan.path, false};
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::string>> PodVolumes::CallOn(os::Mount mount, api::PodPtr pod,
                                                     std::string volume, std::string call,
                                                     std::vector<std::string> args,
                                                     std::string looked_for) {
  os::ChildCalls::On on;
  on.mount = "the mount " + mount.point + " (" + mount.type + " " + mount.source + ")";
  on.about = "pod " + api::PodKey(*pod) + " volume \"" + volume + "\"";
  Place place;
  place.name = on.mount;
  place.probe = mount.point;
  place.path = std::move(looked_for);
  auto question = places_->Ask(pod->metadata().uid(), volume, std::move(place));
  auto told = co_await calls_.Run(std::move(on), std::move(call), std::move(args),
                                  options_.host_path_timeout);
  question.Ended(told.status());
  co_return told;
}

std::optional<base::MonoTime> PodVolumes::RetryAt(const std::string& uid) const {
  return state_->operations.RetryAt(uid);
}

void PodVolumes::RetryNow(const std::string& uid) { state_->operations.RetryNow(uid); }

std::vector<std::string> PodVolumes::Explain(const std::string& uid) const {
  auto lines = places_->Explain(uid);
  auto failed = state_->operations.Explain(uid);
  lines.insert(lines.end(), failed.begin(), failed.end());
  return lines;
}

std::vector<std::string> PodVolumes::ExplainNode(
    const std::function<bool(const std::string& uid)>& known) const {
  auto lines = state_->operations.ExplainOrphans(known);
  for (const auto& hung : calls_.HungMounts()) {
    lines.push_back("No answer from " + hung.mount + " since " + base::Rfc3339(hung.since) +
                    ", asked for " + hung.about + "; " + std::to_string(hung.children) +
                    (hung.children == 1 ? " process hangs" : " processes hang"));
  }
  return lines;
}

}  // namespace kubelet::volume
