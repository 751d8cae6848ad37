// PodVolumes: what an earlier kubelet left, counted. Metrics as pkg/kubelet/volumemanager/metrics
// of 1.36; nothing is rebuilt here, since the mount table is asked whenever it matters.
#include <algorithm>
#include <array>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "volume/pod_volumes_state.h"
#include "volume/remove.h"

namespace kubelet::volume {

using base::Task;

namespace {

constexpr base::Nanos kPatience = std::chrono::minutes(1);

constexpr std::array kServed = {"kubernetes.io~empty-dir", "kubernetes.io~configmap",
                                "kubernetes.io~secret",    "kubernetes.io~downward-api",
                                "kubernetes.io~projected", "kubernetes.io~local-volume",
                                "kubernetes.io~host-path", "kubernetes.io~nfs"};

struct Left {
  int all = 0;
  std::map<std::string, int> foreign;  // by pod
  std::vector<std::string> idle_devices;
};

absl::StatusOr<Left> LeftBelow(const std::string& root_dir) {
  Left left;
  const std::string pods = root_dir + "/pods";
  for (const auto& uid : DirectoriesIn(pods)) {
    std::string volumes = pods + "/" + uid + "/volumes";
    for (const auto& kind : DirectoriesIn(volumes)) {
      int count = static_cast<int>(DirectoriesIn(volumes + "/" + kind).size());
      left.all += count;
      bool served = std::find(kServed.begin(), kServed.end(), kind) != kServed.end();
      if (!served && count > 0) left.foreign[uid] += count;
    }
  }
  ASSIGN_OR_RETURN(left.idle_devices, IdleDevices(root_dir));
  return left;
}

}  // namespace

Task<void> PodVolumes::CountFound() {
  if (options_.metrics == nullptr) co_return;
  auto& all = options_.metrics->AddCounter(
      "reconstruct_volume_operations_total",
      "The number of volumes that were attempted to be reconstructed from the operating system "
      "during kubelet startup. This includes both successful and failed reconstruction.");
  auto& errors = options_.metrics->AddCounter(
      "reconstruct_volume_operations_errors_total",
      "The number of volumes that failed reconstruction from the operating system during kubelet "
      "startup.");
  all.Only();
  errors.Only();
  CountForced("", true);
  std::string kind = "volume";
  std::function<absl::StatusOr<Left>()> look = [root = options_.root_dir] {
    return LeftBelow(root);
  };
  auto left = co_await pool_.Run<Left>(std::move(kind), kPatience, std::move(look));
  if (!left.ok()) co_return;
  int foreign = 0;
  for (const auto& [uid, count] : left->foreign) {
    LOG_WARNING("Volumes of a kind that is not served here were found", "podUID", uid, "volumes",
                count);
    foreign += count;
  }
  all.Only().Add(left->all);
  errors.Only().Add(foreign);
  state_->foreign = std::move(left->foreign);
  std::string nobody;
  auto released = co_await ReleaseDevices(nobody, left->idle_devices);
  if (!released.ok()) LOG_WARNING("A disk that no pod uses stays mounted", "err", released);
}

void PodVolumes::CountForced(const std::string& uid, bool good) {
  auto found = state_->foreign.find(uid);
  if (options_.metrics == nullptr || (!uid.empty() && found == state_->foreign.end())) return;
  int count = found == state_->foreign.end() ? 0 : found->second;
  options_.metrics
      ->AddCounter("force_cleaned_failed_volume_operations_total",
                   "The number of volumes that were force cleaned after their reconstruction "
                   "failed during kubelet startup. This includes both successful and failed "
                   "cleanups.")
      .Only()
      .Add(count);
  options_.metrics
      ->AddCounter("force_cleaned_failed_volume_operation_errors_total",
                   "The number of volumes that failed force cleanup after their reconstruction "
                   "failed during kubelet startup.")
      .Only()
      .Add(good ? 0 : count);
  if (good && !uid.empty()) state_->foreign.erase(found);
}

}  // namespace kubelet::volume
