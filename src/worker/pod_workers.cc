#include "kubelet/worker/pod_workers.h"

#include <algorithm>
#include <functional>

#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::worker {

using base::MonoTime;
using base::Nanos;
using base::Task;

struct PodWorkers::Worker {
  Worker(base::Executor executor, base::Clock& clock, Nanos retry_initial, Nanos retry_max)
      : wake(executor, clock), backoff(retry_initial, retry_max), step(executor) {}
  std::string uid, name, namespace_, full_name;
  api::PodPtr pod;
  State state;
  std::shared_ptr<runtime::Progress> progress = std::make_shared<runtime::Progress>();
  std::map<std::string, runtime::Waiting> waiting;
  absl::Status last_error;
  base::WallTime last_error_at;
  std::optional<MonoTime> retry_at;
  bool terminal = false;
  bool began = false;  // the runtime may hold something of it
  base::WakeEvent wake;
  base::Backoff backoff;
  base::TaskScope step;  // the sync under way

  template <typename S>
  bool Is() const {
    return std::holds_alternative<S>(state);
  }
};

PodWorkers::PodWorkers(Deps deps, Options options)
    : deps_(std::move(deps)), options_(options), scope_(deps_.executor) {
  if (deps_.metrics != nullptr) {
    durations_ = &deps_.metrics->AddHistogram("kubelet_pod_worker_duration_seconds",
                                              "Duration in seconds to sync a single pod.", base::DefaultBuckets(),
                                              {"operation_type"});
  }
}

PodWorkers::~PodWorkers() = default;

void PodWorkers::SetWanted(api::PodPtr pod) {
  const std::string& uid = pod->metadata().uid();
  auto it = workers_.find(uid);
  if (it == workers_.end()) {
    Begin(uid, pod->metadata().name(), pod->metadata().namespace_(), pod);
    return;
  }
  Worker& worker = *it->second;
  if (!worker.Is<Waiting>() && !worker.Is<Syncing>() && !worker.Is<Ended>()) return;
  worker.pod = pod;
  worker.backoff.Reset("");
  worker.wake.Notify();
}

void PodWorkers::Begin(const std::string& uid, const std::string& name, const std::string& namespace_,
                       api::PodPtr pod) {
  auto worker = std::make_shared<Worker>(deps_.executor, deps_.clock, options_.retry_initial, options_.retry_max);
  worker->uid = uid;
  worker->name = name;
  worker->namespace_ = namespace_;
  worker->full_name = name + "_" + namespace_;
  worker->pod = std::move(pod);
  worker->progress->step = "accepted";
  worker->progress->since = deps_.clock.Now();
  workers_[uid] = worker;
  auto& queue = names_[worker->full_name];
  auto reserved = reserved_.find(uid);
  if (reserved == reserved_.end()) {
    queue.push_back(uid);
  } else {
    reserved_.erase(reserved);  // keeps the place it holds
  }
  scope_.Spawn("pod " + namespace_ + "/" + name, Run(worker));
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
  auto it = names_.find(worker.full_name);
  return it != names_.end() && it->second.front() == worker.uid;
}

void PodWorkers::Stop(const std::string& uid, const std::string& reason, std::optional<std::chrono::seconds> grace) {
  auto it = workers_.find(uid);
  if (it == workers_.end()) return;
  Worker& worker = *it->second;
  StopWanted stop;
  stop.reason = reason;
  if (worker.pod && worker.pod->spec().has_termination_grace_period_seconds()) {
    stop.grace = std::chrono::seconds(worker.pod->spec().termination_grace_period_seconds());
  }
  if (grace) stop.grace = std::min(stop.grace, *grace);
  bool syncing = worker.Is<Syncing>();
  Transition(worker, stop);
  worker.backoff.Reset("");
  worker.wake.Notify();
  if (!syncing) return;
  // A step that does not come back (a sandbox that cannot be made) is cancelled; what it leaves is found later.
  deps_.clock.After(options_.cancel_step_after, [weak = std::weak_ptr<Worker>(it->second), this] {
    auto w = weak.lock();
    if (w && w->step.size() > 0) scope_.Spawn("cancel step", Cancellable(w));
  });
}

Task<void> PodWorkers::Cancellable(std::shared_ptr<Worker> worker) { co_await worker->step.Stop(); }

void PodWorkers::StopUnknown(const std::string& uid, const std::string& name, const std::string& namespace_) {
  if (workers_.contains(uid)) return;
  Begin(uid, name, namespace_, nullptr);
  Worker& worker = *workers_[uid];
  worker.began = true;
  LOG_INFO("Stopping a pod that nobody wants", "pod", namespace_ + "/" + name, "podUID", uid);
  worker.state = Terminating{options_.orphan_grace, "no source wants it"};
}

void PodWorkers::Wake(const std::string& uid) {
  auto it = workers_.find(uid);
  if (it != workers_.end()) it->second->wake.Notify();
}

void PodWorkers::Transition(Worker& worker, const Event& event) {
  State next = Next(worker.state, event);
  if (next.index() != worker.state.index()) {
    LOG_V(2, "Pod changes state", "pod", worker.namespace_ + "/" + worker.name, "podUID", worker.uid, "from",
          Name(worker.state), "to", Name(next));
    worker.retry_at.reset();
    worker.progress->since = deps_.clock.Now();
  }
  worker.state = std::move(next);
  if (deps_.on_change) deps_.on_change(worker.uid);
}

// One loop for every state; each turn does one thing and waits for news or for its retry.
Task<void> PodWorkers::Run(std::shared_ptr<Worker> worker) {
  while (!worker->Is<Finished>()) {
    if (worker->Is<Waiting>()) {
      if (MayStart(*worker)) {
        Transition(*worker, NameFree{});
        continue;
      }
      worker->progress->step = "waiting for the pod before it of this name to end";
      co_await worker->wake.Wait();
      continue;
    }
    size_t before = worker->state.index();
    MonoTime started = deps_.clock.Mono();
    const char* operation = "sync";
    if (worker->Is<Syncing>()) {
      co_await SyncOnce(worker);
    } else if (worker->Is<Terminating>()) {
      operation = "terminating";
      co_await KillOnce(worker);
    } else if (worker->Is<Removing>()) {
      operation = "terminated";
      co_await RemoveOnce(worker);
    }
    if (durations_ != nullptr && !worker->Is<Ended>()) {
      std::chrono::duration<double> took = deps_.clock.Mono() - started;
      durations_->With({operation}).Observe(took.count());
    }
    if (deps_.on_change) deps_.on_change(worker->uid);
    if (worker->state.index() != before) continue;
    co_await worker->wake.Wait(worker->retry_at);
  }
  Finish(worker);
}

Task<void> PodWorkers::SyncOnce(std::shared_ptr<Worker> worker) {
  worker->began = true;
  auto result = std::make_shared<std::optional<runtime::SyncResult>>();
  api::PodPtr pod = worker->pod;
  std::function<bool()> wanted = [weak = std::weak_ptr<Worker>(worker), pod] {
    auto w = weak.lock();
    return w && w->Is<Syncing>() && w->pod == pod;
  };
  struct Sync {
    static Task<void> Do(PodRuntime& runtime, api::PodPtr pod, std::shared_ptr<runtime::Progress> progress,
                         std::function<bool()> wanted, std::shared_ptr<std::optional<runtime::SyncResult>> out) {
      *out = co_await runtime.Sync(pod, progress, std::move(wanted));
    }
  };
  // A scope that was stopped takes no more work; the state has changed then anyway.
  worker->step.Spawn("sync", Sync::Do(deps_.runtime, pod, worker->progress, std::move(wanted), result));
  co_await worker->step.Join();
  if (!worker->Is<Syncing>()) co_return;
  if (!*result) {
    Retry(*worker, absl::InternalError("the sync ended without a result"));
    co_return;
  }
  if (worker->pod != pod) {
    worker->wake.Notify();
    co_return;
  }
  runtime::SyncResult& r = **result;
  worker->waiting = r.waiting;
  worker->terminal = r.terminal;
  if (!r.status.ok()) {
    worker->last_error = r.status;
    worker->last_error_at = deps_.clock.Now();
  } else {
    worker->last_error = absl::OkStatus();
  }
  if (r.terminal) {
    Transition(*worker, RanToEnd{});
    co_return;
  }
  // The audit: nothing is known to be due, look again some time within [1, 1.5) periods.
  double jitter = static_cast<double>(base::Fnv1a32(worker->uid) % 1000) / 2000.0;
  MonoTime audit = deps_.clock.Mono() + options_.resync +
                   Nanos(static_cast<int64_t>(static_cast<double>(options_.resync.count()) * jitter));
  worker->retry_at = r.retry_at ? std::min(*r.retry_at, audit) : audit;
}

void PodWorkers::Retry(Worker& worker, const absl::Status& status) {
  Nanos delay = worker.backoff.Next("", deps_.clock.Mono());
  worker.retry_at = deps_.clock.Mono() + delay;
  worker.last_error = status;
  worker.last_error_at = deps_.clock.Now();
  LOG_ERROR("Cannot go on with pod; will retry", "pod", worker.namespace_ + "/" + worker.name, "podUID", worker.uid, "state",
            Name(worker.state), "after", base::GoDuration(delay), "err", status);
}

Task<void> PodWorkers::KillOnce(std::shared_ptr<Worker> worker) {
  auto grace = std::get<Terminating>(worker->state).grace;
  auto status = co_await deps_.runtime.Kill(worker->uid, worker->pod, grace, worker->progress);
  if (!worker->Is<Terminating>()) co_return;
  if (status.ok()) {
    worker->last_error = absl::OkStatus();
    worker->backoff.Reset("");
    Transition(*worker, NothingRuns{});
  } else {
    Retry(*worker, status);
  }
}

Task<void> PodWorkers::RemoveOnce(std::shared_ptr<Worker> worker) {
  auto status = co_await deps_.runtime.Remove(worker->uid, worker->name, worker->namespace_, worker->progress);
  if (status.ok()) {
    worker->last_error = absl::OkStatus();
    Transition(*worker, CleanedUp{});
  } else {
    Retry(*worker, status);
  }
}

void PodWorkers::Finish(std::shared_ptr<Worker> worker) {
  LOG_V(2, "Pod is gone", "pod", worker->namespace_ + "/" + worker->name, "podUID", worker->uid);
  deps_.runtime.Forget(worker->uid);
  workers_.erase(worker->uid);
  LeaveName(worker->full_name, worker->uid);
  if (deps_.on_finished) deps_.on_finished(worker->uid);
}

std::optional<WorkerView> PodWorkers::View(const std::string& uid) const {
  auto it = workers_.find(uid);
  if (it == workers_.end()) return std::nullopt;
  const Worker& worker = *it->second;
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
  view.terminal = worker.terminal;
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
