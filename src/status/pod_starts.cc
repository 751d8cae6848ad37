#include "kubelet/status/pod_starts.h"

#include <algorithm>
#include <utility>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/status/status.h"

namespace kubelet::status {
namespace {

double Seconds(base::Nanos d) { return std::chrono::duration<double>(d).count(); }

bool Unschedulable(const api::core::Pod& pod) {
  const auto& conditions = pod.status().conditions();
  return std::any_of(conditions.begin(), conditions.end(), [](const auto& condition) {
    return condition.type() == "PodScheduled" && condition.status() == "False";
  });
}

bool AllRun(const api::core::Pod& pod) {
  const auto& shown = pod.status().container_statuses();
  if (shown.empty() || shown.size() < pod.spec().containers_size()) return false;
  return std::all_of(shown.begin(), shown.end(), [](const auto& container) {
    return container.state().has_running() && container.state().running().has_started_at();
  });
}

// "A pod that mounts at least one volume with sources other than secrets, config maps, downward API
// and empty dir" (the definition of the SLI), and those that are projected out of these.
bool Stateful(const api::core::Pod& pod) {
  const auto& volumes = pod.spec().volumes();
  return std::any_of(volumes.begin(), volumes.end(), [](const auto& volume) {
    const auto& source = volume.volume_source();
    return !source.has_secret() && !source.has_config_map() && !source.has_downward_api() &&
           !source.has_empty_dir() && !source.has_projected();
  });
}

}  // namespace

std::vector<double> PodStartBuckets() {
  return {0.5, 1,   2,   3,   4,   5,   6,   8,   10,   20,   30,   45,  60,
          120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600};
}

PodStarts::PodStarts(Deps deps)
    : deps_(std::move(deps)),
      total_(deps_.metrics.AddHistogram(
          "kubelet_pod_start_total_duration_seconds",
          "Duration in seconds to start a pod since creation, including time to pull images and "
          "run init containers, measured from pod creation timestamp to when all its containers "
          "are reported as started and observed via watch",
          PodStartBuckets())),
      sli_(deps_.metrics.AddHistogram(
          "kubelet_pod_start_sli_duration_seconds",
          "Duration in seconds to start a pod, excluding time to pull images and run init "
          "containers, measured from pod creation timestamp to when all its containers are "
          "reported as started and observed via watch",
          PodStartBuckets())),
      first_network_(
          deps_.metrics
              .AddGauge("kubelet_first_network_pod_start_sli_duration_seconds",
                        "Duration in seconds to start the first network pod, excluding time to "
                        "pull images and run init containers, measured from pod creation timestamp "
                        "to when all its containers are reported as started and observed via watch")
              .Only()) {}

void PodStarts::Observed(const api::core::Pod& pod) {
  if (api::IsMirror(pod)) return;
  const std::string& uid = pod.metadata().uid();
  if (IsTerminal(pod.status().phase())) {
    pods_.erase(uid);
    return;
  }
  auto it = pods_.find(uid);
  if (it == pods_.end()) {
    if (!pod.status().has_start_time()) pods_[uid].passed_over = Unschedulable(pod);
    return;
  }
  Entry& entry = it->second;
  entry.passed_over = entry.passed_over || Unschedulable(pod);
  if (entry.passed_over || !AllRun(pod)) return;
  Tell(pod, entry);
  pods_.erase(it);
}

void PodStarts::PullBegan(const std::string& uid, const std::string& image) {
  auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  Entry& entry = it->second;
  if (entry.pulling.empty()) entry.pulling_since = deps_.clock.Mono();
  entry.pulling.insert(image);
}

void PodStarts::PullEnded(const std::string& uid, const std::string& image) {
  auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  Entry& entry = it->second;
  if (entry.pulling.erase(image) > 0 && entry.pulling.empty())
    entry.pulled += deps_.clock.Mono() - entry.pulling_since;
}

void PodStarts::Forget(const std::string& uid) { pods_.erase(uid); }

// Of those that ended; sidecars run beside the others and hold nobody up.
base::Nanos PodStarts::InitTime(const api::core::Pod& pod) const {
  base::Nanos sum(0);
  auto observed = deps_.observed ? deps_.observed(pod.metadata().uid()) : nullptr;
  if (!observed) return sum;
  for (const auto& init : pod.spec().init_containers()) {
    if (api::IsRestartableInit(init)) continue;
    for (const auto& container : observed->containers) {
      bool ended = container.state == runtime::ContainerState::kExited &&
                   container.started_at > base::WallTime() &&
                   container.finished_at > container.started_at;
      if (ended && container.name == init.name())
        sum += container.finished_at - container.started_at;
    }
  }
  return sum;
}

// A clock that was set back must not take from the sums.
void PodStarts::Tell(const api::core::Pod& pod, const Entry& entry) {
  int64_t created = pod.metadata().creation_timestamp().seconds();
  base::Nanos total = deps_.clock.Now() - base::WallFromUnixNanos(created * 1'000'000'000);
  total = std::max(total, base::Nanos(0));
  base::Nanos init = InitTime(pod);
  base::Nanos sli = std::max(total - entry.pulled - init, base::Nanos(0));
  bool stateful = Stateful(pod);
  LOG_V(2, "Pod has started", "pod", api::PodKey(pod), "podUID", pod.metadata().uid(), "after",
        base::GoDuration(total), "pulls", base::GoDuration(entry.pulled), "initContainers",
        base::GoDuration(init), "stateful", stateful);
  total_.Only().Observe(Seconds(total));
  if (stateful) return;
  sli_.Only().Observe(Seconds(sli));
  if (pod.spec().host_network() || std::exchange(first_network_told_, true)) return;
  first_network_.Set(Seconds(sli));
}

}  // namespace kubelet::status
