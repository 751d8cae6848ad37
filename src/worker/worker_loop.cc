// The loop of one worker: the other half of PodWorkers.
#include <algorithm>
#include <utility>

#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "worker/worker.h"

namespace kubelet::worker {

using base::MonoTime;
using base::Nanos;
using base::Task;

namespace {

// pkg/kubelet/active_deadline.go
constexpr char kDeadlineReason[] = "DeadlineExceeded";
constexpr char kDeadlineMessage[] = "Pod was active on the node longer than the specified deadline";

constexpr char kFailedToKill[] = "FailedKillPod";
constexpr char kExceededGrace[] = "ExceededGracePeriod";
constexpr char kExceededGraceMessage[] =
    "Container runtime did not kill the pod within specified grace period.";

const char* Operation(const State& state) {
  if (std::holds_alternative<Syncing>(state)) return "sync";
  if (std::holds_alternative<Ending>(state) || std::holds_alternative<Terminating>(state)) {
    return "terminating";
  }
  if (std::holds_alternative<Retiring>(state) || std::holds_alternative<Removing>(state)) {
    return "terminated";
  }
  return nullptr;
}

// Why a container is not started although nothing went wrong in this pass, such as a back-off.
absl::Status TroubleOf(const std::map<std::string, runtime::Waiting>& waiting) {
  for (const auto& [container, why] : waiting) {
    bool pending = why.reason == runtime::WaitingReason::kNone ||
                   why.reason == runtime::WaitingReason::kContainerCreating;
    if (!pending) return absl::UnavailableError("container " + container + ": " + why.message);
  }
  return absl::OkStatus();
}

using SyncAnswer = std::shared_ptr<std::optional<runtime::SyncResult>>;
using KillAnswer = std::shared_ptr<std::optional<absl::Status>>;

Task<void> DoSync(PodRuntime& runtime, api::PodPtr pod, std::shared_ptr<runtime::Progress> progress,
                  std::function<bool()> wanted, SyncAnswer out) {
  *out = co_await runtime.Sync(pod, progress, std::move(wanted));
}

Task<void> DoKill(PodRuntime& runtime, std::string uid, api::PodPtr pod, std::chrono::seconds grace,
                  std::shared_ptr<runtime::Progress> progress, KillAnswer out) {
  *out = co_await runtime.Kill(uid, pod, grace, progress);
}

}  // namespace

bool PodWorkers::Worker::GoesOn() const {
  return again && exclusive && pod && pod->spec().restart_policy() == "Always";
}

void PodWorkers::Transition(Worker& worker, const Event& event) {
  State next = Next(worker.state, event);
  if (next.index() != worker.state.index()) {
    LOG_V(2, "Pod changes state", "pod", worker.namespace_ + "/" + worker.name, "podUID",
          worker.uid, "from", Name(worker.state), "to", Name(next));
    worker.retry_at.reset();
    worker.progress->since = deps_.clock.Now();
  }
  bool stopped = CouldRun(worker.state) && !CouldRun(next);
  worker.state = std::move(next);
  if (stopped) WakeFollowers(worker.uid);
  bool rests = worker.Is<Ended>() || worker.Is<Finished>();
  bool finishes = rests && !worker.finished;
  worker.finished = worker.finished || rests;
  // Others of its name need not wait for a pod that only keeps its logs.
  if (finishes && worker.exclusive) LeaveName(worker.full_name, worker.uid);
  if (deps_.on_change) deps_.on_change(worker.uid);
  if (finishes && deps_.on_finished) deps_.on_finished(worker.uid);
}

// One loop for every state; each turn does one thing and waits for news or for its retry. A pod
// whose object is still there keeps its loop to the end.
Task<void> PodWorkers::Run(WorkerPtr worker) {
  while (!worker->Is<Finished>() || !worker->removed) {
    size_t before = worker->state.index();
    MonoTime started = deps_.clock.Mono();
    const char* operation = Operation(worker->state);
    co_await OneTurn(worker);
    if (metrics_ && operation != nullptr) {
      std::chrono::duration<double> took = deps_.clock.Mono() - started;
      metrics_->durations.With({operation}).Observe(took.count());
    }
    if (worker->state.index() != before) continue;
    if (operation != nullptr && deps_.on_change) deps_.on_change(worker->uid);
    co_await worker->wake.Wait(worker->retry_at);
  }
  Finish(worker);
}

Task<void> PodWorkers::OneTurn(WorkerPtr worker) {
  if (worker->Is<Waiting>()) {
    if (MayStart(*worker)) {
      Transition(*worker, NameFree{});
    } else {
      bool preempts = !worker->after.empty();
      worker->progress->step = preempts ? "waiting for the pods to end whose place it takes"
                                        : "waiting for the pod before it of this name to end";
      if (preempts) worker->retry_at = worker->start_by;
    }
  } else if (worker->Is<Syncing>()) {
    EndAtDeadline(worker);
    if (worker->Is<Syncing>()) co_await SyncOnce(worker);
  } else if (worker->Is<Ending>() || worker->Is<Terminating>()) {
    co_await KillOnce(worker);
  } else if (worker->Is<Retiring>() || worker->Is<Removing>()) {
    co_await CleanOnce(worker);
  } else {
    co_await StopStrayOnce(worker);
  }
}

std::optional<MonoTime> PodWorkers::Deadline(const Worker& worker) const {
  if (!worker.pod || !worker.pod->spec().has_active_deadline_seconds()) return std::nullopt;
  const auto& pod = *worker.pod;
  std::optional<base::WallTime> start;
  if (deps_.started_at) start = deps_.started_at(pod);
  if (!start && pod.status().has_start_time()) {
    start = base::WallFromUnixNanos(pod.status().start_time().seconds() * 1'000'000'000);
  }
  base::WallTime end =
      start.value_or(worker.taken_on) + std::chrono::seconds(pod.spec().active_deadline_seconds());
  return deps_.clock.Mono() + std::chrono::duration_cast<Nanos>(end - deps_.clock.Now());
}

// A sync that hangs must not put the deadline off.
void PodWorkers::ArmDeadline(const WorkerPtr& worker) {
  if (worker->deadline_timer) deps_.clock.Cancel(*std::exchange(worker->deadline_timer, {}));
  if (!worker->Is<Syncing>()) return;
  auto deadline = Deadline(*worker);
  if (!deadline) return;
  auto check = [this, weak = std::weak_ptr<Worker>(worker)] {
    auto late = weak.lock();
    if (!late || !late->Is<Syncing>()) return;
    late->deadline_timer.reset();
    EndAtDeadline(late);
    ArmDeadline(late);
  };
  worker->deadline_timer = deps_.clock.Schedule(*deadline, std::move(check));
}

void PodWorkers::EndAtDeadline(const WorkerPtr& worker) {
  auto deadline = Deadline(*worker);
  if (!deadline || deps_.clock.Mono() < *deadline) return;
  if (deps_.on_event) {
    runtime::PodEvent event;
    event.reason = kDeadlineReason;
    event.message = kDeadlineMessage;
    deps_.on_event(*worker->pod, event);
  }
  Verdict verdict{kDeadlineReason, kDeadlineMessage};
  End(worker->uid, std::move(verdict));
}

Task<void> PodWorkers::SyncOnce(WorkerPtr worker) {
  auto result = std::make_shared<std::optional<runtime::SyncResult>>();
  api::PodPtr pod = worker->pod;
  uint64_t version = worker->version;
  std::function<bool()> wanted = [weak = std::weak_ptr<Worker>(worker), version] {
    auto w = weak.lock();
    return w && w->Is<Syncing>() && w->version == version;
  };
  ArmDeadline(worker);
  if (!std::exchange(worker->begun, true) && metrics_) {
    std::chrono::duration<double> waited = deps_.clock.Now() - worker->first_seen;
    metrics_->start.Observe(std::max(waited.count(), 0.0));
  }
  auto step = std::make_shared<base::TaskScope>(deps_.executor);
  worker->step = step;
  step->Spawn("sync", DoSync(deps_.runtime, pod, worker->progress, std::move(wanted), result));
  co_await step->Join();
  worker->step.reset();
  if (!worker->Is<Syncing>()) co_return;
  if (!*result) {
    Retry(*worker, absl::InternalError("the sync ended without a result"));
  } else if (worker->version != version) {
    worker->wake.Notify();
  } else {
    TakeResult(worker, std::move(**result));
  }
}

void PodWorkers::TakeResult(const WorkerPtr& worker, runtime::SyncResult result) {
  bool first = !std::exchange(worker->looked, true);
  worker->waiting = std::move(result.waiting);
  worker->terminal = result.terminal;
  auto trouble = result.status.ok() ? TroubleOf(worker->waiting) : result.status;
  // A back-off that is only looked at again is no new error.
  if (!result.status.ok() || trouble != worker->last_error)
    worker->last_error_at = deps_.clock.Now();
  worker->last_error = trouble;
  if (result.terminal) {
    EndWanted end{GraceOf(worker->pod.get(), options_.orphan_grace), "it ran to its end"};
    Transition(*worker, end);
    return;
  }
  // The audit: nothing is known to be due, look again some time within [1, 1.5) periods.
  double jitter = static_cast<double>(base::Fnv1a32(worker->uid) % 1000) / 2000.0;
  MonoTime next =
      deps_.clock.Mono() + options_.resync +
      Nanos(static_cast<int64_t>(static_cast<double>(options_.resync.count()) * jitter));
  if (result.retry_at) next = std::min(next, *result.retry_at);
  worker->retry_at = next;
  if (first && deps_.on_change) deps_.on_change(worker->uid);
  ArmDeadline(worker);  // the status that tells the start may be new
}

void PodWorkers::Retry(Worker& worker, const absl::Status& status) {
  Nanos delay = worker.backoff.Next("", deps_.clock.Mono());
  worker.retry_at = deps_.clock.Mono() + delay;
  worker.last_error = status;
  worker.last_error_at = deps_.clock.Now();
  LOG_ERROR("Cannot go on with pod; will retry", "pod", worker.namespace_ + "/" + worker.name,
            "podUID", worker.uid, "state", Name(worker.state), "after", base::GoDuration(delay),
            "err", status);
}

Task<void> PodWorkers::KillOnce(WorkerPtr worker) {
  const auto* ending = std::get_if<Ending>(&worker->state);
  auto grace = ending != nullptr ? ending->grace : std::get<Terminating>(worker->state).grace;
  auto result = std::make_shared<std::optional<absl::Status>>();
  auto step = std::make_shared<base::TaskScope>(deps_.executor);
  worker->step = step;
  worker->cut = false;
  step->Spawn("kill",
              DoKill(deps_.runtime, worker->uid, worker->pod, grace, worker->progress, result));
  co_await step->Join();
  worker->step.reset();
  if (!*result) {
    if (worker->cut) {
      worker->wake.Notify();  // again, with less time
    } else {
      Retry(*worker, absl::InternalError("the stop ended without a result"));
    }
  } else if ((*result)->ok()) {
    worker->last_error = absl::OkStatus();
    worker->backoff.Reset("");
    Transition(*worker, NothingRuns{});
  } else {
    Tell(*worker, kFailedToKill, "error killing pod: " + base::Message(**result));
    Retry(*worker, **result);
  }
}

void PodWorkers::Tell(const Worker& worker, const std::string& reason,
                      const std::string& message) const {
  TellTo(deps_.on_event, worker, reason, message);
}

void PodWorkers::TellTo(const OnEvent& on_event, const Worker& worker, const std::string& reason,
                        const std::string& message) {
  if (!on_event || !worker.pod) return;
  runtime::PodEvent event;
  event.warning = true;
  event.reason = reason;
  event.message = message;
  on_event(*worker.pod, event);
}

// pkg/kubelet/pod_workers.go killPodNow: told once; the stop goes on.
void PodWorkers::WatchEnd(const WorkerPtr& worker, std::chrono::seconds grace) {
  auto patience = std::max(grace * 3 / 2, kLeastPatience);
  deps_.clock.After(patience, [weak = std::weak_ptr<Worker>(worker), tell = deps_.on_event] {
    auto late = weak.lock();
    if (late && CouldRun(late->state)) TellTo(tell, *late, kExceededGrace, kExceededGraceMessage);
  });
}

Task<void> PodWorkers::CleanOnce(WorkerPtr worker) {
  absl::Status status;
  size_t before = worker->state.index();
  if (worker->Is<Retiring>() || worker->GoesOn()) {
    status = co_await deps_.runtime.Retire(worker->uid, worker->progress);
  } else {
    status = co_await deps_.runtime.Remove(worker->uid, worker->name, worker->namespace_,
                                           worker->progress);
  }
  if (worker->state.index() != before) co_return;
  if (status.ok()) {
    worker->last_error = absl::OkStatus();
    Transition(*worker, CleanedUp{});
    if (worker->Is<Finished>()) deps_.runtime.Forget(worker->uid);
  } else {
    Retry(*worker, status);
  }
}

// A pod at rest of which something turned up.
Task<void> PodWorkers::StopStrayOnce(WorkerPtr worker) {
  worker->retry_at.reset();
  if (!worker->stray) co_return;
  worker->stray = false;
  auto status = co_await deps_.runtime.Kill(worker->uid, worker->pod, options_.orphan_grace,
                                            worker->progress);
  if (status.ok() && worker->Is<Finished>()) {
    status = co_await deps_.runtime.Remove(worker->uid, worker->name, worker->namespace_,
                                           worker->progress);
  }
  if (status.ok()) co_return;
  worker->stray = true;
  if (worker->Is<Ended>() || worker->Is<Finished>()) Retry(*worker, status);
}

void PodWorkers::Finish(const WorkerPtr& worker) {
  LOG_V(2, "Pod is gone", "pod", worker->namespace_ + "/" + worker->name, "podUID", worker->uid);
  deps_.runtime.Forget(worker->uid);
  if (worker->again) again_.insert(worker->uid);
  workers_.erase(worker->uid);
  if (worker->exclusive) LeaveName(worker->full_name, worker->uid);
  if (deps_.on_forgotten) deps_.on_forgotten(worker->uid);
}

}  // namespace kubelet::worker
