// PodVolumes: claims, and what stands behind them.
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "kubelet/os/process.h"
#include "volume/block.h"
#include "volume/claims.h"
#include "volume/persistent.h"
#include "volume/pod_volumes_state.h"
#include "volume/set_up.h"
#include "volume/steps.h"

namespace kubelet::volume {

using base::Task;

namespace {

// A server may think about a mount for a while, and a filesystem about its journal.
constexpr auto kSlowMount = std::chrono::seconds(10);

// As pkg/util mount-utils words it.
std::string MountFailure(const MountCall& call, const std::string& program,
                         const os::ProcessResult& result) {
  std::string words;
  for (const auto& word : Arguments(call)) words += (words.empty() ? "" : " ") + word;
  return "mount failed: exit status " + std::to_string(result.exit_code) +
         "\nMounting command: " + program + "\nMounting arguments: " + words +
         "\nOutput: " + result.out + result.err;
}

// Of a volume that is for this node.
absl::Status CheckHere(const VolumeOptions& options, const api::core::PersistentVolume& volume,
                       bool device) {
  if (!options.node_labels || !volume.spec().has_node_affinity()) return absl::OkStatus();
  auto labels = options.node_labels();
  absl::Status status = labels.status();
  if (labels.ok()) status = CheckNodeAffinity(volume, *labels);
  const char* step = device ? "MapVolume.NodeAffinity check" : "MountVolume.NodeAffinity check";
  return StepFailed(step, volume.metadata().name(), status);
}

}  // namespace

// What the volume comes to is in the state afterwards, unless the pod was torn down meanwhile.
Task<absl::Status> PodVolumes::PlanOf(api::PodPtr pod, std::string volume) {
  const std::string uid = pod->metadata().uid();
  if (state_->Persistent(uid, volume) != nullptr) co_return absl::OkStatus();
  const api::core::Volume* spec = nullptr;
  for (const auto& one : pod->spec().volumes())
    if (one.name() == volume) spec = &one;
  if (spec == nullptr) co_return absl::FailedPreconditionError("spec.volumes has no such volume");
  auto& slot = state_->writers[uid];
  if (!slot) slot = std::make_shared<base::Semaphore>(executor_, clock_, 1);
  auto writer = slot;
  ClaimedVolume claimed;
  const ClaimedVolume* behind = nullptr;
  if (!ClaimNameOf(*pod, *spec).empty()) {
    Objects* source = ObjectsOf(*pod);
    if (source == nullptr)
      co_return absl::FailedPreconditionError("needs the API server, which is not configured");
    auto found = co_await ResolveClaim(*source, pod, volume);
    if (!state_->IsWriter(uid, writer)) co_return TornDown();
    state_->unbound.erase({uid, volume});
    if (!found.ok()) state_->unbound.emplace(uid, volume);
    if (!found.ok()) co_return found.status();
    claimed = *std::move(found);
    behind = &claimed;
    auto here = CheckHere(options_, *claimed.volume, UsedAsDevice(*pod, volume));
    if (!here.ok()) co_return here;
  }
  auto plan = PlanPersistent(*pod, *spec, behind);
  if (!plan.ok()) co_return plan.status();
  if (!state_->IsWriter(uid, writer)) co_return TornDown();
  state_->persistent[uid][volume] = *std::move(plan);
  co_return absl::OkStatus();
}

Task<absl::Status> PodVolumes::PreparePersistent(api::PodPtr pod, std::string volume,
                                                 std::shared_ptr<VolumeMap> out) {
  const std::string uid = pod->metadata().uid();
  auto status = co_await PlanOf(pod, volume);
  if (!status.ok()) co_return status;
  const auto* known = state_->Persistent(uid, volume);
  if (known == nullptr) co_return TornDown();
  PersistentPlan plan = *known;
  std::string plugin = PersistentPlugin(plan);
  plugin[plugin.find('~')] = '/';
  state_->operations.Name(uid, volume, plugin);
  std::string path = PersistentPath(PodDir(options_.root_dir, uid), plan);
  if (plan.block) path = DeviceLink(PodDir(options_.root_dir, uid), plan.name);
  if (plan.kind == PersistentPlan::Kind::kNfs) {
    status = co_await MountNfs(pod, volume);
  } else if (plan.group && !plan.grouped) {
    status = co_await BindForGroup(pod, volume, path);
  } else {
    status = co_await BindLocal(pod, volume);
  }
  if (!status.ok()) co_return status;
  bool local = plan.kind == PersistentPlan::Kind::kLocal;
  (*out)[volume] = VolumePath{path, local && !plan.read_only && !plan.block, plan.extra_group};
  co_return absl::OkStatus();
}

Task<absl::Status> PodVolumes::BindLocal(api::PodPtr pod, std::string volume) {
  const auto* known = state_->Persistent(pod->metadata().uid(), volume);
  if (known == nullptr) co_return TornDown();
  PersistentPlan plan = *known;
  auto done = co_await BindAtPath(pod, volume, plan);
  if (!done.ok() || *done) co_return done.status();
  co_return co_await BindDevice(pod, volume);
}

Task<absl::Status> PodVolumes::MountNfs(api::PodPtr pod, std::string volume) {
  const auto* known = state_->Persistent(pod->metadata().uid(), volume);
  if (known == nullptr) co_return TornDown();
  MountCall call = NfsMount(PodDir(options_.root_dir, pod->metadata().uid()), *known);
  std::string target = call.target;
  std::function<absl::StatusOr<bool>()> look =
      [target, plan = *known, root = options_.root_dir,
       uid = pod->metadata().uid()]() -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(CheckOnlyPod(root, uid, plan));
    return MountedOrMade(target);
  };
  std::string kind = "volume";
  auto mounted =
      co_await pool_.Run<bool>(std::move(kind), options_.prepare_timeout, std::move(look));
  if (!mounted.ok()) co_return mounted.status();
  if (*mounted) co_return absl::OkStatus();
  std::string about = "pod " + api::PodKey(*pod) + " volume \"" + volume + "\"";
  Place place;
  place.name = call.source;
  place.doing = "mounting " + call.source;
  auto question = places_->Ask(pod->metadata().uid(), volume, std::move(place));
  auto status = co_await RunMount(std::move(about), call);
  question.Ended(status);
  if (status.ok()) co_return status;
  std::function<absl::Status()> undo = [target] { return os::RemoveDirectories(target); };
  kind = "volume";
  auto undone =
      co_await pool_.RunStatus(std::move(kind), options_.prepare_timeout, std::move(undo));
  undone.IgnoreError();  // an empty directory goes with the pod
  co_return status;
}

// A child that can be killed, and no thread of ours, waits for the server.
Task<absl::Status> PodVolumes::RunMount(std::string about, MountCall call) {
  os::ProcessRequest request;
  request.program = options_.mount_program;
  request.args = Arguments(call);
  request.environment.push_back("LC_ALL=C");
  request.timeout = options_.prepare_timeout;
  os::ChildCalls::On on;
  on.mount = call.source;
  on.about = std::move(about);
  on.slow = kSlowMount;
  auto result = co_await calls_.RunProgram(std::move(on), std::move(request));
  if (absl::IsDeadlineExceeded(result.status()))
    co_return absl::DeadlineExceededError(call.source + " does not answer: mount was killed");
  if (!result.ok()) co_return base::Annotate(result.status(), options_.mount_program);
  if (result->exit_code == 0) co_return absl::OkStatus();
  co_return absl::UnavailableError(MountFailure(call, options_.mount_program, *result));
}

}  // namespace kubelet::volume
