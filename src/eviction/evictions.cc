#include "kubelet/eviction/evictions.h"

#include <algorithm>

#include "eviction/parts.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"

namespace kubelet::eviction {

using base::Task;

namespace {

Measure MeasureFor(Signal signal) {
  if (RanksByFiles(signal)) return Measure::kFiles;
  return ResourceOf(signal) == Resource::kMemory ? Measure::kMemory : Measure::kProcesses;
}

std::string LeftText(Signal signal, int64_t amount) {
  bool bytes =
      ResourceOf(signal) == Resource::kMemory || ResourceOf(signal) == Resource::kEphemeralStorage;
  return (bytes ? api::Quantity::FromBytes(amount) : api::Quantity::FromInt(amount)).ToString();
}

}  // namespace

Evictions::Evictions(base::Executor executor, base::Clock& clock, Host& host, Options options,
                     base::Registry* metrics)
    : clock_(clock),
      host_(host),
      options_(std::move(options)),
      watch_(MakeThresholds(options_.config), options_.config.transition),
      wake_(executor, clock),
      scope_(executor) {
  if (metrics == nullptr) return;
  evictions_ = &metrics->AddCounter("kubelet_evictions",
                                    "Cumulative number of pod evictions by eviction signal",
                                    {"eviction_signal"});
  stats_age_ = &metrics->AddHistogram(
      "kubelet_eviction_stats_age_seconds",
      "Time between when stats are collected, and when pod is evicted based on those stats by "
      "eviction signal",
      base::DefaultBuckets(), {"eviction_signal"});
}

Evictions::~Evictions() = default;

void Evictions::Start() {
  if (watch_.Idle() && !options_.storage_limits) return;
  scope_.Spawn("evictions", Run());
}

void Evictions::Alarm() { wake_.Notify(); }

void Evictions::PodGone(const std::string& uid) {
  if (leaving_.contains(uid)) wake_.Notify();
}

Task<void> Evictions::Run() {
  for (;;) {
    base::MonoTime began = clock_.Mono();
    bool evicted = co_await Look();
    if (evicted) {
      co_await AwaitCleanup();
      continue;
    }
    bool alarmed = co_await wake_.Wait(clock_.Mono() + options_.period);
    base::Nanos since = clock_.Mono() - began;
    if (alarmed && since < options_.least_pause)
      co_await base::SleepFor(clock_, options_.least_pause - since);
  }
}

// True when a pod was evicted.
Task<bool> Evictions::Look() {
  TakeLayout();
  ThresholdWatch::Turn turn;
  base::MonoTime seen_at = clock_.Mono();
  if (!watch_.Idle()) {
    auto seen = co_await host_.Observe();
    if (seen.ok()) {
      last_seen_ = *seen;
      turn = watch_.Update(*seen, clock_.Mono());
      SetPressures(turn.pressures);
    } else {
      LOG_WARNING("Cannot look at what is left of memory and disk", "err", seen.status());
    }
  }
  if (options_.storage_limits && layout_known_) {
    bool ended = co_await EnforceLimits();
    if (ended) co_return true;
  }
  if (turn.due.empty()) co_return false;
  co_return co_await Reclaim(std::move(turn.due), last_seen_, seen_at);
}

void Evictions::TakeLayout() {
  auto layout = host_.Layout();
  if (!layout || (layout_known_ && *layout == layout_)) return;
  layout_known_ = true;
  layout_ = *layout;
  watch_.Replace(WithContainerFs(watch_.thresholds(), layout_));
  LOG_V(2, "Filesystems of the runtime", "imagesApart", layout_.dedicated_image_fs,
        "containersApartFromImages", layout_.split_container_fs);
}

void Evictions::SetPressures(const Pressures& next) {
  if (next == pressures_) return;
  pressures_ = next;
  LOG_INFO("Pressure on the node", "memory", next.memory, "disk", next.disk, "pids", next.pid);
  host_.OnPressure(next);
}

Task<bool> Evictions::EnforceLimits() {
  Pods limited;
  std::set<std::string> uids;
  Measure what = Measure::kVolumes;
  for (const auto& pod : host_.ActivePods()) {
    if (api::IsCritical(*pod) || !HasStorageLimit(*pod)) continue;
    limited.push_back(pod);
    uids.insert(pod->metadata().uid());
    if (LimitsContainers(*pod)) what = Measure::kFiles;
  }
  if (limited.empty()) co_return false;
  auto usage = co_await host_.Usage(what, std::move(uids));
  if (!usage.ok()) {
    LOG_WARNING("Cannot tell what pods with limits of storage use", "err", usage.status());
    co_return false;
  }
  auto victims = OverLimits(limited, *usage, layout_);
  for (const auto& victim : victims) Evict(victim);
  co_return !victims.empty();
}

Task<bool> Evictions::Reclaim(std::vector<Threshold> due, Observations seen,
                              base::MonoTime seen_at) {
  Signal starved = due.front().signal;
  const char* resource = ResourceName(ResourceOf(starved));
  LOG_INFO("Attempting to reclaim", "resource", resource, "signal", SignalName(starved),
           "threshold", due.front().value.text());
  host_.OnShortage(resource);
  bool enough = co_await HelpItself(starved);
  if (enough) co_return false;
  std::set<std::string> all;
  auto usage = co_await host_.Usage(MeasureFor(starved), std::move(all));
  if (!usage.ok()) {
    LOG_WARNING("Cannot choose a pod to evict", "resource", resource, "err", usage.status());
    co_return false;
  }
  Shortage shortage;
  shortage.due = std::move(due);
  shortage.observations = std::move(seen);
  shortage.layout = layout_;
  shortage.max_grace = options_.max_pod_grace;
  shortage.pod_level_resources = options_.pod_level_resources;
  auto victim = ChooseVictim(shortage, *usage, host_.ActivePods());
  if (!victim) {
    LOG_WARNING("There is no pod that may be evicted", "resource", resource);
    co_return false;
  }
  std::chrono::duration<double> age = clock_.Mono() - seen_at;
  for (const auto& threshold : shortage.due) {
    if (stats_age_ != nullptr)
      stats_age_->With({SignalName(threshold.signal)}).Observe(age.count());
  }
  Evict(*victim);
  co_return true;
}

// True when what the node removed by itself was enough.
Task<bool> Evictions::HelpItself(Signal signal) {
  NodeReclaim reclaim = ReclaimFor(signal, layout_);
  if (!reclaim.Any()) co_return false;
  absl::Status status;
  if (reclaim.dead_containers) {
    status = co_await host_.RemoveDeadContainers();
    if (!status.ok()) LOG_WARNING("Cannot remove all dead containers", "err", status);
  }
  if (reclaim.unused_images) {
    status = co_await host_.RemoveUnusedImages();
    if (!status.ok()) LOG_WARNING("Cannot remove all unused images", "err", status);
  }
  auto seen = co_await host_.Observe();
  if (!seen.ok()) co_return false;
  bool enough = watch_.Relieved(*seen);
  if (enough)
    LOG_INFO("The node has helped itself; no pod has to go", "signal", SignalName(signal));
  co_return enough;
}

void Evictions::Evict(const Victim& victim) {
  const auto& uid = victim.pod->metadata().uid();
  leaving_.insert(uid);
  last_ = Last{api::PodKey(*victim.pod), victim.signal, clock_.Now()};
  if (evictions_ != nullptr) evictions_->With({victim.signal}).Add();
  LOG_INFO("Evicting pod", "pod", api::PodKey(*victim.pod), "podUID", uid, "signal", victim.signal,
           "grace", victim.grace.count(), "message", victim.message);
  host_.Evict(victim);
}

Task<void> Evictions::AwaitCleanup() {
  base::MonoTime until = clock_.Mono() + options_.cleanup_patience;
  for (;;) {
    std::erase_if(leaving_, [this](const auto& uid) { return host_.CleanedUp(uid); });
    if (leaving_.empty() || clock_.Mono() >= until) break;
    co_await wake_.Wait(until);
  }
  if (!leaving_.empty()) LOG_WARNING("An evicted pod takes long to be cleaned up; going on");
  leaving_.clear();
}

std::vector<std::string> Evictions::Explain() const {
  std::vector<std::string> out;
  bool memory = false, disk = false, pid = false;
  for (const auto& met : watch_.met()) {
    Signal signal = met.threshold.signal;
    Resource resource = ResourceOf(signal);
    (resource == Resource::kMemory ? memory : resource == Resource::kPids ? pid : disk) = true;
    auto left = last_seen_.find(signal);
    std::string line = std::string(SignalName(signal)) + " is below " + met.threshold.value.text();
    if (left != last_seen_.end()) {
      line += ": " + LeftText(signal, left->second.available) + " of " +
              LeftText(signal, left->second.capacity);
    }
    auto since = std::chrono::floor<std::chrono::seconds>(clock_.Mono() - met.since);
    line += ", for " + base::GoDuration(since);
    if (!met.due) line += "; pods are evicted after " + base::GoDuration(met.threshold.grace);
    out.push_back(std::move(line));
  }
  auto lasts = [&](bool set, bool met, const char* name) {
    if (set && !met) out.push_back(std::string(name) + " is over and stays for a while");
  };
  lasts(pressures_.memory, memory, "MemoryPressure");
  lasts(pressures_.disk, disk, "DiskPressure");
  lasts(pressures_.pid, pid, "PIDPressure");
  if (last_ && (!out.empty() || pressures_.Any())) {
    auto ago = std::chrono::floor<std::chrono::seconds>(clock_.Now() - last_->at);
    out.push_back("the last pod that was evicted is " + last_->pod + ", for " + last_->signal +
                  ", " + base::GoDuration(ago) + " ago");
  }
  return out;
}

}  // namespace kubelet::eviction
