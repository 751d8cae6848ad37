#include "kubelet/worker/pod_workers.h"

#include <algorithm>
#include <functional>

#include "kubelet/api/pod.h"
#include "kubelet/api/time.h"
#include "kubelet/base/log.h"
#include "worker/worker.h"

namespace kubelet::worker {

using std::chrono::seconds;

namespace {

bool InTerminalPhase(const api::core::Pod& pod) {
  return !api::IsStatic(pod) &&
         (pod.status().phase() == "Succeeded" || pod.status().phase() == "Failed");
}

std::optional<seconds> GraceOfState(const State& state) {
  if (const auto* ending = std::get_if<Ending>(&state)) return ending->grace;
  if (const auto* terminating = std::get_if<Terminating>(&state)) return terminating->grace;
  return std::nullopt;
}

// config.seen; nullopt: absent, or no time.
std::optional<base::WallTime> SeenAt(const api::core::Pod& pod) {
  auto seen = api::ParseRfc3339(api::Annotation(pod, api::kConfigSeen));
  if (!seen.ok()) return std::nullopt;
  return base::WallFromUnixNanos(seen->seconds * 1'000'000'000 + seen->nanos);
}

}  // namespace

std::string RejectionMessage(const std::string& why) { return "Pod was rejected: " + why; }

seconds GraceOf(const api::core::Pod* pod, seconds without_pod) {
  if (pod == nullptr) return without_pod;
  if (pod->metadata().has_deletion_grace_period_seconds()) {
    return seconds(pod->metadata().deletion_grace_period_seconds());
  }
  if (pod->spec().has_termination_grace_period_seconds()) {
    return seconds(pod->spec().termination_grace_period_seconds());
  }
  return seconds(30);
}

PodWorkers::Metrics::Metrics(base::Registry& registry)
    : durations(registry.AddHistogram("kubelet_pod_worker_duration_seconds",
                                      "Duration in seconds to sync a single pod.",
                                      base::DefaultBuckets(), {"operation_type"})),
      start(registry
                .AddHistogram("kubelet_pod_worker_start_duration_seconds",
                              "Duration in seconds from kubelet seeing a pod to starting a worker.",
                              base::DefaultBuckets())
                .Only()),
      restarted(registry.AddCounter(
          "kubelet_restarted_pods_total",
          "Number of pods that have been restarted because they were deleted and recreated with "
          "the same UID while the kubelet was watching them (common for static pods, extremely "
          "uncommon for API pods)",
          {"static"})),
      orphans(registry
                  .AddCounter("kubelet_orphaned_runtime_pods_total",
                              "Number of pods that have been detected in the container runtime "
                              "without being already known to the pod worker. This typically "
                              "indicates the kubelet was restarted while a pod was force deleted "
                              "in the API or in the local configuration, which is unusual.")
                  .Only()) {
  for (const char* of_file : {"", "true"}) restarted.With({of_file});
}

PodWorkers::PodWorkers(Deps deps, Options options)
    : deps_(std::move(deps)), options_(options), born_(deps_.clock.Now()), scope_(deps_.executor) {
  if (deps_.metrics != nullptr) metrics_ = std::make_unique<Metrics>(*deps_.metrics);
}

PodWorkers::~PodWorkers() {
  for (const auto& [uid, worker] : workers_) {
    if (worker->deadline_timer) deps_.clock.Cancel(*worker->deadline_timer);
  }
}

PodWorkers::WorkerPtr PodWorkers::Find(const std::string& uid) const {
  auto it = workers_.find(uid);
  return it == workers_.end() ? nullptr : it->second;
}

void PodWorkers::SetWanted(api::PodPtr pod, std::set<std::string> after) {
  const auto& meta = pod->metadata();
  if (auto worker = Find(meta.uid())) {
    if (worker->removed) {
      worker->again = true;
      return;
    }
    worker->pod = pod;
    ++worker->version;
    worker->backoff.Reset("");
    Follow(worker);
    ArmDeadline(worker);
    worker->wake.Notify();
    return;
  }
  auto worker = Make(meta.uid(), meta.name(), meta.namespace_(), pod, api::IsStatic(*pod));
  if (!after.empty()) {
    seconds patience = kLeastPatience;
    for (const auto& uid : after) {
      auto before = Find(uid);
      if (before) patience = std::max(patience, GraceOf(before->pod.get(), seconds(0)) * 3 / 2);
    }
    worker->after = std::move(after);
    worker->start_by = deps_.clock.Mono() + patience;
    worker->state = Waiting{};
  }
  Follow(worker);
  Go(worker);
}

void PodWorkers::SetReported(api::PodPtr pod) {
  auto worker = Find(pod->metadata().uid());
  if (!worker || worker->removed) return;
  worker->pod = pod;
  Follow(worker);
  ArmDeadline(worker);
}

// What the object itself says about the end of its pod.
void PodWorkers::Follow(const WorkerPtr& worker) {
  const auto& meta = worker->pod->metadata();
  seconds grace = GraceOf(worker->pod.get(), options_.orphan_grace);
  if (meta.has_deletion_timestamp()) {
    StopWanted stop{grace, "deleted"};
    auto now = GraceOfState(worker->state);
    bool sooner = std::max(grace, seconds(1)) < now.value_or(seconds(0));
    // The same wish again must not disturb a stop that is under way, or its back-off.
    if (!worker->Is<Finished>() && !worker->Is<Removing>() &&
        (!worker->Is<Terminating>() || sooner)) {
      Leave(worker, stop);
    }
  } else if (InTerminalPhase(*worker->pod) && !IsOver(worker->state)) {
    EndWanted end{grace, "its phase is " + worker->pod->status().phase()};
    Leave(worker, end);
  }
}

void PodWorkers::End(const std::string& uid, Verdict verdict, std::optional<seconds> grace) {
  auto worker = Find(uid);
  if (!worker || IsOver(worker->state)) return;
  EndWanted end{GraceOf(worker->pod.get(), options_.orphan_grace), verdict.message};
  if (grace) end.grace = std::min(end.grace, *grace);
  LOG_INFO("Ending pod", "pod", worker->namespace_ + "/" + worker->name, "podUID", uid, "reason",
           verdict.reason, "message", verdict.message);
  worker->verdict = std::move(verdict);
  Leave(worker, end);
  if (worker->verdict->by_node) WatchEnd(worker, end.grace);
}

void PodWorkers::StartAgain(const std::string& uid, const std::string& reason) {
  auto worker = Find(uid);
  if (!worker || worker->removed || !worker->pod || !api::IsStatic(*worker->pod) ||
      !IsOver(worker->state))
    return;
  Stop(uid, reason);
  worker->again = true;
}

void PodWorkers::Reject(api::PodPtr pod, const std::string& reason, const std::string& why) {
  const auto& meta = pod->metadata();
  auto worker = Find(meta.uid());
  bool fresh = worker == nullptr;
  if (fresh) worker = Make(meta.uid(), meta.name(), meta.namespace_(), pod, api::IsStatic(*pod));
  Verdict verdict{reason, RejectionMessage(why), true};
  End(meta.uid(), std::move(verdict));
  if (fresh) Go(worker);
}

PodWorkers::WorkerPtr PodWorkers::Make(const std::string& uid, const std::string& name,
                                       const std::string& namespace_, api::PodPtr pod,
                                       bool exclusive) {
  auto worker = std::make_shared<Worker>(deps_.executor, deps_.clock, options_.retry_initial,
                                         options_.retry_max);
  worker->uid = uid;
  worker->name = name;
  worker->namespace_ = namespace_;
  worker->full_name = name + "_" + namespace_;
  worker->pod = std::move(pod);
  worker->exclusive = exclusive;
  worker->taken_on = deps_.clock.Now();
  // What a manifest's checkpoint says may be of an earlier kubelet, or of an earlier life of the
  // pod.
  worker->first_seen = worker->taken_on;
  bool again = again_.erase(uid) > 0;
  if (worker->pod && !again) {
    auto seen = SeenAt(*worker->pod).value_or(worker->taken_on);
    worker->first_seen = std::min(std::max(seen, born_), worker->taken_on);
  }
  if (again && metrics_) metrics_->restarted.With({exclusive ? "true" : ""}).Add();
  worker->progress->pod = worker->namespace_ + "/" + worker->name;
  worker->progress->step = "accepted";
  worker->progress->since = deps_.clock.Now();
  workers_[uid] = worker;
  auto reserved = reserved_.find(uid);
  if (reserved != reserved_.end()) {
    reserved_.erase(reserved);  // keeps the place it holds
  } else if (exclusive) {
    names_[worker->full_name].push_back(uid);
  }
  if (!exclusive) worker->state = Syncing{};
  return worker;
}

void PodWorkers::Go(const WorkerPtr& worker) {
  scope_.Spawn("pod " + worker->namespace_ + "/" + worker->name, Run(worker));
}

void PodWorkers::Reserve(const std::string& uid, const std::string& full_name) {
  if (workers_.contains(uid) || reserved_.contains(uid)) return;
  reserved_[uid] = full_name;
  names_[full_name].push_front(uid);
}

void PodWorkers::Unreserve(const std::string& uid) {
  auto it = reserved_.find(uid);
  if (it == reserved_.end()) return;
  std::string full_name = it->second;
  reserved_.erase(it);
  LeaveName(full_name, uid);
}

void PodWorkers::LeaveName(const std::string& full_name, const std::string& uid) {
  auto it = names_.find(full_name);
  if (it == names_.end()) return;
  std::erase(it->second, uid);
  if (it->second.empty()) {
    names_.erase(it);
  } else {
    Wake(it->second.front());
  }
}

bool PodWorkers::MayStart(const Worker& worker) const {
  if (worker.exclusive) {
    auto it = names_.find(worker.full_name);
    if (it == names_.end() || it->second.front() != worker.uid) return false;
  }
  if (worker.start_by && deps_.clock.Mono() >= *worker.start_by) return true;
  return std::none_of(worker.after.begin(), worker.after.end(), [this](const auto& uid) {
    auto before = Find(uid);
    return before && CouldRun(before->state);
  });
}

void PodWorkers::WakeFollowers(const std::string& uid) {
  for (const auto& [other, worker] : workers_) {
    if (worker->after.contains(uid)) worker->wake.Notify();
  }
}

std::vector<PodWorkers::ActivePod> PodWorkers::Active() const {
  std::vector<ActivePod> active;
  for (const auto& [uid, worker] : workers_) {
    const auto& verdict = worker->verdict;
    if (!worker->pod || worker->removed || !CouldRun(worker->state)) continue;
    if (verdict && verdict->rejected) continue;
    active.push_back({worker->pod, verdict && !verdict->disruption.empty(), IsOver(worker->state)});
  }
  return active;
}

void PodWorkers::Stop(const std::string& uid, const std::string& reason,
                      std::optional<seconds> grace) {
  again_.erase(uid);
  auto worker = Find(uid);
  if (!worker) return;
  worker->removed = true;
  worker->again = false;
  StopWanted stop{GraceOf(worker->pod.get(), options_.orphan_grace), reason};
  if (grace) stop.grace = std::min(stop.grace, *grace);
  Leave(worker, stop);
}

// Ends what is under way for the state before: a start stops between two of its steps, and is
// cancelled when a step does not come back (what it leaves is found later); a stop that now has
// less time begins anew.
void PodWorkers::Leave(const WorkerPtr& worker, const Event& event) {
  bool syncing = worker->Is<Syncing>();
  auto before = GraceOfState(worker->state);
  Transition(*worker, event);
  auto after = GraceOfState(worker->state);
  worker->backoff.Reset("");
  worker->wake.Notify();
  if (!worker->step) return;
  if (before && after && *after < *before) {
    worker->cut = true;
    scope_.Spawn("cancel step", CancelStep(worker->step));
  } else if (syncing && !worker->Is<Syncing>()) {
    // Such as a postStart hook that hangs: a forced deletion does not wait for it.
    std::weak_ptr<base::TaskScope> weak = worker->step;
    base::Nanos patience = options_.cancel_step_after;
    if (after) patience = std::min<base::Nanos>(patience, *after);
    deps_.clock.After(patience, [weak, this] {
      auto step = weak.lock();
      if (step && step->size() > 0) scope_.Spawn("cancel step", CancelStep(step));
    });
  }
}

base::Task<void> PodWorkers::CancelStep(std::shared_ptr<base::TaskScope> step) {
  co_await step->Stop();
}

void PodWorkers::StopUnknown(const std::string& uid, const std::string& name,
                             const std::string& namespace_, bool exclusive) {
  if (workers_.contains(uid)) return;
  auto worker = Make(uid, name, namespace_, nullptr, exclusive);
  LOG_INFO("Stopping a pod that nobody wants", "pod", namespace_ + "/" + name, "podUID", uid);
  worker->removed = true;
  worker->state = Terminating{options_.orphan_grace, "no source wants it"};
  if (metrics_) metrics_->orphans.Add();
  Go(worker);
}

void PodWorkers::Wake(const std::string& uid) {
  if (auto worker = Find(uid)) worker->wake.Notify();
}

bool PodWorkers::AtRest(const std::string& uid) const {
  auto worker = Find(uid);
  return worker && (worker->Is<Ended>() || worker->Is<Finished>());
}

void PodWorkers::StopStray(const std::string& uid) {
  auto worker = Find(uid);
  if (!worker || !AtRest(uid)) return;
  worker->stray = true;
  worker->wake.Notify();
}

bool PodWorkers::PodFinished(const std::string& uid) const {
  auto worker = Find(uid);
  return worker && worker->finished;
}

std::optional<WorkerView> PodWorkers::View(const std::string& uid) const {
  auto found = Find(uid);
  if (!found) return std::nullopt;
  const Worker& worker = *found;
  WorkerView view;
  view.uid = worker.uid;
  view.name = worker.name;
  view.namespace_ = worker.namespace_;
  view.pod = worker.pod;
  view.state = worker.state;
  view.progress = *worker.progress;
  view.waiting = worker.waiting;
  view.last_error = worker.last_error;
  view.last_error_at = worker.last_error_at;
  view.first_seen = worker.first_seen;
  view.terminal = worker.terminal;
  view.looked = worker.looked;
  view.verdict = worker.verdict;
  view.finished = worker.finished;
  if (worker.retry_at && !worker.last_error.ok()) {
    view.next_retry = deps_.clock.Now() + (*worker.retry_at - deps_.clock.Mono());
  }
  return view;
}

std::vector<WorkerView> PodWorkers::Views() const {
  std::vector<WorkerView> views;
  for (const auto& [uid, worker] : workers_) views.push_back(*View(uid));
  return views;
}

}  // namespace kubelet::worker
