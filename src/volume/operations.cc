#include "volume/operations.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/base/time.h"
#include "volume/plan.h"
#include "volume/steps.h"

namespace kubelet::volume {
namespace {

std::string Kebab(const std::string& kind) {
  if (kind == "configMap") return "configmap";  // the one name without a dash
  if (kind == "downwardAPI") return "downward-api";
  std::string out;
  for (char c : kind) {
    if (c >= 'A' && c <= 'Z') out += '-';
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return out;
}

const api::core::Volume* VolumeNamed(const api::core::Pod& pod, const std::string& name) {
  for (const auto& volume : pod.spec().volumes())
    if (volume.name() == name) return &volume;
  return nullptr;
}

// Our own messages begin with the pod, which an event names anyway.
std::string EventText(const api::core::Pod& pod, const absl::Status& status) {
  std::string text = base::Message(status), prefix = "pod " + api::PodKey(pod) + ": ";
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

}  // namespace

std::string PluginName(const api::core::Volume& volume) {
  return "kubernetes.io/" + Kebab(VolumeKind(volume));
}

Operations::Operations(base::Clock& clock, base::Registry* metrics, OnEvent on_event)
    : clock_(clock), on_event_(std::move(on_event)) {
  if (metrics == nullptr) return;
  // pkg/volume/util/metrics.go and pkg/kubelet/volumemanager/metrics of 1.36.
  std::vector<double> bounds = {.1, .25, .5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600};
  seconds_ =
      &metrics->AddHistogram("storage_operation_duration_seconds", "Storage operation duration",
                             bounds, {"volume_plugin", "operation_name", "status", "migrated"});
  total_seconds_ = &metrics->AddHistogram("volume_operation_total_seconds",
                                          "Storage operation end to end duration in seconds",
                                          bounds, {"plugin_name", "operation_name"});
  volumes_ = &metrics->AddGauge("volume_manager_total_volumes",
                                "Number of volumes in Volume Manager", {"plugin_name", "state"});
}

absl::Status Operations::MayMount(const std::string& uid, const std::string& volume) const {
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return absl::OkStatus();
  auto it = pod->second.volumes.find(volume);
  if (it == pod->second.volumes.end() || !it->second.failure) return absl::OkStatus();
  return it->second.failure->retry_at > clock_.Mono() ? it->second.failure->status
                                                      : absl::OkStatus();
}

absl::Status Operations::Mounted(const api::core::Pod& pod, const std::string& volume,
                                 base::MonoTime begun, const absl::Status& status) {
  const std::string& uid = pod.metadata().uid();
  if (absl::IsAborted(status) || absl::IsCancelled(status)) return status;
  auto& known = pods_[uid].volumes[volume];
  const auto* spec = VolumeNamed(pod, volume);
  bool first = known.plugin.empty();
  if (first) {
    known.plugin = spec == nullptr ? "N/A" : PluginName(*spec);
    Count(known.plugin, 1, 0);
  }
  known.device = UsedAsDevice(pod, volume);
  bool was_mounted = known.mounted;
  const char* operation = known.device ? "map_volume" : "volume_mount";
  if (!was_mounted) {
    if (!known.first_try) known.first_try = begun;
    Observe(known.plugin, operation, begun, status.ok());
  }
  if (status.ok()) {
    known.mounted = true;
    known.failure.reset();
    if (!was_mounted && !known.device && total_seconds_ != nullptr) {
      std::chrono::duration<double> took = clock_.Mono() - *known.first_try;
      total_seconds_->With({known.plugin, "overall_volume_mount"}).Observe(took.count());
    }
    if (!was_mounted) Count(known.plugin, 0, 1);
    return status;
  }
  Failure failure = known.failure.value_or(Failure());
  failure.delay = failure.count == 0 ? kFirstDelay : std::min(failure.delay * 2, kMaxDelay);
  if (failure.count == 0) failure.since = clock_.Now();
  ++failure.count;
  failure.status = status;
  // An attempt that took long was a wait by itself.
  failure.retry_at = std::max(begun + failure.delay, clock_.Mono() + kFirstDelay);
  known.failure = failure;
  std::string text = EventText(pod, status);
  if (on_event_) on_event_(uid, &pod, FailureReason(known.device, text), text);
  return status;
}

void Operations::Waits(const api::core::Pod& pod, const std::set<std::string>& unmounted,
                       const absl::Status& first) {
  auto it = pods_.find(pod.metadata().uid());
  if (it == pods_.end()) return;
  if (unmounted.empty()) {
    it->second.told.reset();
    return;
  }
  auto now = clock_.Mono();
  if (!it->second.told) it->second.told = now;
  if (now - *it->second.told < kPatience || absl::IsAborted(first)) return;
  it->second.told = now;
  std::string names;
  for (const auto& name : unmounted) names += (names.empty() ? "" : " ") + name;
  if (on_event_) {
    on_event_(
        pod.metadata().uid(), &pod, "FailedMount",
        "Unable to attach or mount volumes: unmounted volumes=[" + names +
            "], unattached volumes=[], failed to process volumes=[]: context deadline exceeded");
  }
}

std::optional<base::MonoTime> Operations::RetryAt(const std::string& uid) const {
  std::optional<base::MonoTime> earliest;
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return earliest;
  for (const auto& [name, volume] : pod->second.volumes) {
    if (volume.failure && (!earliest || volume.failure->retry_at < *earliest))
      earliest = volume.failure->retry_at;
  }
  return earliest;
}

void Operations::RetryNow(const std::string& uid) {
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return;
  for (auto& [name, volume] : pod->second.volumes)
    if (volume.failure) volume.failure->retry_at = clock_.Mono();
}

void Operations::Leave(const std::string& uid) {
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return;
  for (const auto& [name, volume] : pod->second.volumes) {
    Count(volume.plugin, -1, volume.mounted ? -1 : 0);
    if (volume.mounted) pod->second.leaving.emplace_back(volume.plugin, volume.device);
  }
  pod->second.volumes.clear();
  pod->second.told.reset();
  if (!pod->second.teardown && pod->second.leaving.empty()) pods_.erase(pod);
}

void Operations::TornDown(const std::string& uid, base::MonoTime begun,
                          const absl::Status& status) {
  if (absl::IsCancelled(status)) return;
  auto pod = pods_.find(uid);
  if (pod != pods_.end()) {
    for (const auto& [plugin, device] : pod->second.leaving)
      Observe(plugin, device ? "unmap_volume" : "volume_unmount", begun, status.ok());
  }
  if (status.ok()) {
    Leave(uid);
    pods_.erase(uid);
    return;
  }
  auto& failure = pods_[uid].teardown;
  if (!failure) {
    failure = Failure{};
    failure->since = clock_.Now();
  }
  ++failure->count;
  bool news = failure->status != status;
  failure->status = status;
  LOG_WARNING("Cannot take the volumes of a pod away", "podUID", uid, "since",
              base::Rfc3339(failure->since), "attempts", std::to_string(failure->count), "err",
              status);
  if (news && on_event_) on_event_(uid, nullptr, "FailedUnMount", base::Message(status));
}

std::string Operations::Line(const std::string& what, const Failure& failure, bool retry) const {
  std::string out = what + base::Message(failure.status) + "; since " +
                    base::Rfc3339(failure.since) + ", " + std::to_string(failure.count) +
                    (failure.count == 1 ? " attempt" : " attempts");
  auto left = std::chrono::ceil<std::chrono::seconds>(failure.retry_at - clock_.Mono());
  if (retry && left.count() > 0) out += ", next in " + base::GoDuration(left);
  return out;
}

std::vector<std::string> Operations::Explain(const std::string& uid) const {
  std::vector<std::string> lines;
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return lines;
  for (const auto& [name, volume] : pod->second.volumes) {
    if (volume.failure)
      lines.push_back(Line(name.empty() ? "" : name + ": ", *volume.failure, true));
  }
  if (pod->second.teardown) lines.push_back(Line("", *pod->second.teardown, false));
  return lines;
}

std::vector<std::string> Operations::ExplainOrphans(
    const std::function<bool(const std::string& uid)>& known) const {
  std::vector<std::string> lines;
  for (const auto& [uid, pod] : pods_) {
    if (pod.teardown && !known(uid))
      lines.push_back(Line("Orphaned pod " + uid + " found, but its volumes cannot be cleaned up: ",
                           *pod.teardown, false));
  }
  return lines;
}

void Operations::Observe(const std::string& plugin, const char* operation, base::MonoTime begun,
                         bool good) {
  if (seconds_ == nullptr) return;
  std::chrono::duration<double> took = clock_.Mono() - begun;
  seconds_->With({plugin, operation, good ? "success" : "fail-unknown", "false"})
      .Observe(took.count());
}

void Operations::Step(const std::string& uid, const std::string& volume, const char* operation,
                      base::MonoTime begun, bool good) {
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return;
  auto it = pod->second.volumes.find(volume);
  if (it != pod->second.volumes.end()) Observe(it->second.plugin, operation, begun, good);
}

void Operations::UnmountedDevice(const std::string& plugin, base::MonoTime begun, bool good) {
  Observe(plugin, "unmount_device", begun, good);
}

void Operations::RetryWithin(const std::string& uid, const std::string& volume, base::Nanos delay) {
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return;
  auto it = pod->second.volumes.find(volume);
  if (it == pod->second.volumes.end() || !it->second.failure) return;
  auto& at = it->second.failure->retry_at;
  at = std::min(at, clock_.Mono() + delay);
}

void Operations::Name(const std::string& uid, const std::string& volume,
                      const std::string& plugin) {
  auto& known = pods_[uid].volumes[volume];
  if (known.plugin == plugin) return;
  if (!known.plugin.empty()) Count(known.plugin, -1, known.mounted ? -1 : 0);
  known.plugin = plugin;
  Count(plugin, 1, known.mounted ? 1 : 0);
}

void Operations::Count(const std::string& plugin, int wanted, int mounted) {
  if (volumes_ == nullptr) return;
  auto& count = counts_[plugin];
  count.first += wanted;
  count.second += mounted;
  volumes_->With({plugin, "desired_state_of_world"}).Set(count.first);
  volumes_->With({plugin, "actual_state_of_world"}).Set(count.second);
}

}  // namespace kubelet::volume
