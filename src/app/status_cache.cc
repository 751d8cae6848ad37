#include "app/status_cache.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"
#include "kubelet/status/pod_starts.h"
#include "kubelet/volume/pod_files.h"

namespace kubelet::app {

using base::Task;

StatusCache::StatusCache(Deps deps) : deps_(std::move(deps)), scope_(deps_.executor) {
  if (deps_.metrics == nullptr) return;
  start_seconds_ = &deps_.metrics->AddHistogram(
      "kubelet_pod_start_duration_seconds",
      "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
      status::PodStartBuckets());
  terminations_ = std::make_unique<status::Terminations>(*deps_.metrics);
}

const api::core::PodStatus* StatusCache::Get(const std::string& uid) const {
  auto it = entries_.find(uid);
  return it == entries_.end() ? nullptr : &it->second.status;
}

void StatusCache::Forget(const std::string& uid) {
  if (entries_.erase(uid) > 0 && deps_.on_update) deps_.on_update(uid);
}

std::optional<base::WallTime> StatusCache::StartedAt(const api::core::Pod& pod) const {
  const api::core::PodStatus* status = Get(pod.metadata().uid());
  if (status == nullptr) status = &pod.status();
  if (!status->has_start_time()) return std::nullopt;
  return base::WallFromUnixNanos(status->start_time().seconds() * 1'000'000'000);
}

void StatusCache::Update(const std::string& uid) {
  auto view = deps_.workers.View(uid);
  api::PodPtr pod = deps_.wanted(uid);
  if (!pod && view) pod = view->pod;
  if (!pod) {
    Forget(uid);
    return;
  }
  if (deps_.resizes != nullptr) {
    if (deps_.resizes->allocations().Judging(uid)) return;
    pod = deps_.resizes->allocations().Allocated(pod);
  }
  auto observed = deps_.observer.Get(uid);
  if (!observed && !deps_.observer.Known(uid)) return;
  // Half an answer is none: exit codes are not known yet, nor what container ids are prefixed with.
  if (observed && (observed->provisional || deps_.runtime_name().empty())) return;
  auto [it, fresh] = entries_.try_emplace(uid);
  Entry& entry = it->second;
  if (observed) ReadMessages(*pod, *observed);
  status::Input input;
  input.pod = pod.get();
  input.observed = observed.get();
  input.previous = fresh ? &pod->status() : &entry.status;
  if (view) {
    input.waiting = view->waiting;
    input.terminating = view->over();
    input.stopped = !view->could_run();
    input.finished = view->finished;
    if (const auto& verdict = view->verdict) {
      input.verdict = {verdict->reason, verdict->message, verdict->rejected, verdict->disruption,
                       verdict->by_node};
    }
  }
  // Rejected before this kubelet was started: there never was a container to be told of.
  bool rejected = fresh && !observed && !input.verdict &&
                  status::IsTerminal(pod->status().phase()) && !pod->status().reason().empty() &&
                  pod->status().container_statuses_size() == 0;
  if (rejected) input.verdict = {pod->status().reason(), pod->status().message(), true};
  if (deps_.resizes != nullptr) {
    if (!input.terminating) input.resize_conditions = deps_.resizes->allocations().Conditions(uid);
    input.actuated = deps_.resizes->Actuated(uid);
    input.pod_level_resources = deps_.resizes->options().pod_level;
  }
  for (const auto& container : pod->spec().containers()) {
    if (!deps_.resource_health) break;
    auto health = deps_.resource_health(uid, container.name());
    if (!health.empty()) input.resource_health[container.name()] = std::move(health);
  }
  input.termination_messages = entry.messages;
  if (observed) input.health = HealthOf(*pod, *observed);
  input.runtime_name = deps_.runtime_name();
  input.host_ips = deps_.host_ips();
  input.now = deps_.clock.Now();
  input.stop_signals = deps_.stop_signals;
  auto next = status::Generate(input);
  if (deps_.on_family_mismatch) {
    std::string mismatch = status::FamilyMismatch(*input.previous, input.host_ips);
    if (!mismatch.empty()) deps_.on_family_mismatch(*pod, mismatch);
  }
  if (view) ObserveStart(*view, entry.status, next);
  // Nothing tells here what a static pod's mirror showed of it before this kubelet.
  if (terminations_ && !(fresh && api::IsStatic(*pod))) terminations_->Count(*input.previous, next);
  entry.status.Swap(&next);
  if (deps_.on_update) deps_.on_update(uid);
}

// Of the containers that run.
std::map<std::string, runtime::ContainerHealth> StatusCache::HealthOf(
    const api::core::Pod& pod, const runtime::ObservedPod& observed) const {
  std::map<std::string, runtime::ContainerHealth> out;
  for (const auto* specs : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& spec : *specs) {
      const auto* status = observed.Newest(spec.name());
      if (status == nullptr || status->state != runtime::ContainerState::kRunning) continue;
      out[status->id.str()] = deps_.health.Of(pod, spec, *status);
    }
  }
  return out;
}

void StatusCache::ObserveStart(const worker::WorkerView& view, const api::core::PodStatus& before,
                               const api::core::PodStatus& now) {
  if (start_seconds_ == nullptr || now.phase() != "Running" || before.phase() != "Pending") return;
  std::chrono::duration<double> took = deps_.clock.Now() - view.first_seen;
  start_seconds_->Only().Observe(std::max(took.count(), 0.0));
}

// A container that failed without leaving a message may be spoken for by its log. One that never
// started has none.
static bool FallsBackToLog(const runtime::ContainerStatus& container) {
  auto policy = container.annotations.find(runtime::kTerminationPolicyAnnotation);
  return policy != container.annotations.end() && policy->second == "FallbackToLogsOnError" &&
         container.exit_code != 0 && container.reason != "ContainerCannotRun";
}

// A terminated container's message is read once, from the file that was mounted into it.
void StatusCache::ReadMessages(const api::core::Pod& pod, const runtime::ObservedPod& observed) {
  Entry& entry = entries_[pod.metadata().uid()];
  for (const auto& container : observed.containers) {
    if (container.state != runtime::ContainerState::kExited ||
        entry.messages.contains(container.id.str()))
      continue;
    std::string file, log = FallsBackToLog(container) ? container.log_path : "";
    auto path = container.annotations.find(runtime::kTerminationPathAnnotation);
    for (const auto& mount : container.mounts) {
      if (path != container.annotations.end() && mount.container_path == path->second)
        file = mount.host_path;
    }
    if (file.empty() && log.empty()) continue;
    entry.messages[container.id.str()];
    scope_.Spawn("termination message",
                 ReadMessage(pod.metadata().uid(), container.id.str(), file, log));
  }
}

Task<void> StatusCache::ReadMessage(std::string uid, std::string container_id, std::string path,
                                    std::string log) {
  std::function<absl::StatusOr<std::string>()> read = [path, log]() -> absl::StatusOr<std::string> {
    std::string text = path.empty() ? "" : volume::ReadTerminationMessage(path);
    return text.empty() && !log.empty() ? volume::ReadLogTail(log) : text;
  };
  auto text = co_await deps_.pool.Run<std::string>("termination message", std::chrono::seconds(5),
                                                   std::move(read));
  auto it = entries_.find(uid);
  if (!text.ok() || text->empty() || it == entries_.end()) co_return;
  it->second.messages[container_id] = *text;
  Update(uid);
}

}  // namespace kubelet::app
