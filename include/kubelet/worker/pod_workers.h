// One worker per pod uid, and the only authority on whether a pod's containers may run.
//
// A worker is a coroutine that looks at what is wanted and what state it is in, does one thing through the
// PodRuntime port, and looks again. Static pods with one full name exclude one another: the next starts the moment
// the one before has ended; pods of the API server may overlap (pkg/kubelet/pod_workers.go allowPodStart).
//
// A pod of the API server that was stopped keeps its worker, in state Finished, for as long as its object is there:
// it never starts again under that uid. Core loop only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/backoff.h"
#include "kubelet/base/metrics.h"
#include "kubelet/podstore/pod_store.h"
#include "kubelet/runtime/pod_syncer.h"
#include "kubelet/worker/lifecycle.h"

namespace kubelet::worker {

// What a worker needs done; runtime::PodSyncer does it.
class PodRuntime {
 public:
  virtual ~PodRuntime() = default;
  virtual base::Task<runtime::SyncResult> Sync(api::PodPtr pod, std::shared_ptr<runtime::Progress> progress,
                                               std::function<bool()> wanted) = 0;
  virtual base::Task<absl::Status> Kill(std::string uid, api::PodPtr pod, std::chrono::seconds grace,
                                        std::shared_ptr<runtime::Progress> progress) = 0;
  virtual base::Task<absl::Status> Remove(std::string uid, std::string name, std::string namespace_,
                                          std::shared_ptr<runtime::Progress> progress) = 0;
  // Gives volumes and cgroup of a pod in which nothing runs back; its containers and logs stay.
  virtual base::Task<absl::Status> Retire(std::string uid, std::shared_ptr<runtime::Progress> progress) = 0;
  virtual void Forget(const std::string& uid) = 0;
};

// Why a pod that is still wanted is over: it is Failed, with this reason and message, whatever its containers did
// (but see by_node).
struct Verdict {
  std::string reason;   // `DeadlineExceeded`, `Evicted`, `NodeAffinity`
  std::string message;
  bool rejected = false;  // it was never admitted; no status of containers is shown
  // The node drove it out: message of its condition DisruptionTarget (reason TerminationByKubelet); empty: it did not.
  std::string disruption = {};
  // Preempted, evicted, or its node shuts down: a pod that all the same ends with success has
  // succeeded (pkg/kubelet/kubelet.go SyncTerminatingPod); one that takes too long to end is told of.
  bool by_node = false;
};
// Message of a pod that admission refused, as shown in its status.
std::string RejectionMessage(const std::string& why);

// What is shown of a worker.
struct WorkerView {
  std::string uid, name, namespace_;
  api::PodPtr pod;               // null for a pod that only the runtime knew
  State state;
  runtime::Progress progress;
  std::map<std::string, runtime::Waiting> waiting;
  absl::Status last_error;
  base::WallTime last_error_at;
  std::optional<base::WallTime> next_retry;
  // By this kubelet, in this life of the pod.
  base::WallTime first_seen;
  bool terminal = false;
  bool looked = false;  // it was synced once in the life of this worker: `waiting` says something
  std::optional<Verdict> verdict;
  // Nothing of it runs, its volumes and cgroup are gone: its object may be deleted from the API. Never turns back.
  bool finished = false;
  // A container may run or be started: a terminal phase must not be written yet.
  bool could_run() const { return CouldRun(state); }
  // It is to end or has ended: no restarts, no back-off is shown.
  bool over() const { return IsOver(state); }
};

class PodWorkers {
 public:
  struct Options {
    base::Nanos resync = std::chrono::minutes(1);          // syncFrequency; the audit, jittered by uid
    base::Nanos cancel_step_after = std::chrono::seconds(10);  // a step under way when the pod is to stop
    base::Nanos retry_initial = std::chrono::seconds(1);
    base::Nanos retry_max = std::chrono::seconds(30);
    std::chrono::seconds orphan_grace{1};                  // pkg/kubelet: runtime pods nobody wants
  };
  using OnEvent = std::function<void(const api::core::Pod&, const runtime::PodEvent&)>;
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    PodRuntime& runtime;
    // State, error or waiting reasons of a pod changed.
    std::function<void(const std::string& uid)> on_change;
    // PodFinished has become true; once in the life of a pod, after on_change.
    std::function<void(const std::string& uid)> on_finished;
    // The worker of this uid has ended and no source wants its pod any more: it is forgotten, and a pod of that
    // uid may be wanted again.
    std::function<void(const std::string& uid)> on_forgotten;
    base::Registry* metrics = nullptr;
    // When the pod was started, for activeDeadlineSeconds; empty: what the API shows, else when it was taken on.
    std::function<std::optional<base::WallTime>(const api::core::Pod&)> started_at;
    OnEvent on_event;
  };
  PodWorkers(Deps deps, Options options);
  ~PodWorkers();

  // Starts or updates the worker of a wanted pod. With a deletionTimestamp the pod is stopped, with
  // deletionGracePeriodSeconds; in a terminal phase of the API it is ended, never run. A worker whose pod was not
  // wanted for a moment is not revived: on_forgotten tells when the pod can be brought up again (src/worker/worker.h: GoesOn).
  // `after`: a pod that is new starts when nothing of these pods runs any more; it does not wait longer than one and a
  // half times their grace periods, and at least 10 s (pkg/kubelet/pod_workers.go killPodNow).
  void SetWanted(api::PodPtr pod, std::set<std::string> after = {});
  // Only the status that the API shows has changed: nothing is looked at anew, but a terminal phase ends the pod.
  void SetReported(api::PodPtr pod);
  // The pod is over, with this verdict; its object stays. Without `grace`: the pod's own.
  void End(const std::string& uid, Verdict verdict, std::optional<std::chrono::seconds> grace = {});
  // A static pod that was ended starts again under its uid, as if its manifest had been removed and
  // written anew; it is judged by admission. Nothing for any other pod.
  void StartAgain(const std::string& uid, const std::string& reason);
  // A pod that admission refused: it is never started, and what an earlier kubelet started of it is ended.
  void Reject(api::PodPtr pod, const std::string& reason, const std::string& why);
  // No source wants the pod any more: end it with its grace period (or a shorter one) and remove what it leaves.
  void Stop(const std::string& uid, const std::string& reason, std::optional<std::chrono::seconds> grace = {});
  // A pod that only the runtime knows; it ends with orphan_grace. `exclusive`: a static pod of its name waits for it.
  void StopUnknown(const std::string& uid, const std::string& name, const std::string& namespace_, bool exclusive);
  // Holds a full name for a running pod whose source has not spoken yet: nobody else may start under it.
  void Reserve(const std::string& uid, const std::string& full_name);
  void Unreserve(const std::string& uid);

  // Something about the pod changed (runtime, image, clock): look again.
  void Wake(const std::string& uid);
  // It is over and at rest (Ended, Finished): nothing of it may run.
  bool AtRest(const std::string& uid) const;
  // Something runs of a pod at rest, such as a container whose start came back late: stop it again.
  void StopStray(const std::string& uid);
  bool Has(const std::string& uid) const { return workers_.contains(uid); }
  // WorkerView::finished; false for a uid without a worker.
  bool PodFinished(const std::string& uid) const;
  // Pods that were admitted, are wanted, and of which something may run or be started: those that take up room.
  struct ActivePod {
    api::PodPtr pod;
    bool leaving = false;  // the node drives it out: its room is promised to another
    bool over = false;     // it is being ended, for whatever reason
  };
  std::vector<ActivePod> Active() const;
  std::optional<WorkerView> View(const std::string& uid) const;
  std::vector<WorkerView> Views() const;
  size_t size() const { return workers_.size(); }

 private:
  struct Worker;
  using WorkerPtr = std::shared_ptr<Worker>;
  WorkerPtr Find(const std::string& uid) const;
  WorkerPtr Make(const std::string& uid, const std::string& name, const std::string& namespace_, api::PodPtr pod,
                 bool exclusive);
  void Go(const WorkerPtr& worker);
  void Follow(const WorkerPtr& worker);
  void Leave(const WorkerPtr& worker, const Event& event);
  std::optional<base::MonoTime> Deadline(const Worker& worker) const;
  void ArmDeadline(const WorkerPtr& worker);
  void WakeFollowers(const std::string& uid);
  void EndAtDeadline(const WorkerPtr& worker);
  base::Task<void> Run(WorkerPtr worker);
  base::Task<void> OneTurn(WorkerPtr worker);
  base::Task<void> SyncOnce(WorkerPtr worker);
  void TakeResult(const WorkerPtr& worker, runtime::SyncResult result);
  base::Task<void> KillOnce(WorkerPtr worker);
  base::Task<void> CleanOnce(WorkerPtr worker);
  base::Task<void> StopStrayOnce(WorkerPtr worker);
  base::Task<void> CancelStep(std::shared_ptr<base::TaskScope> step);
  void Transition(Worker& worker, const Event& event);
  void Retry(Worker& worker, const absl::Status& status);
  void Tell(const Worker& worker, const std::string& reason, const std::string& message) const;
  static void TellTo(const OnEvent& on_event, const Worker& worker, const std::string& reason,
                     const std::string& message);
  void WatchEnd(const WorkerPtr& worker, std::chrono::seconds grace);
  bool MayStart(const Worker& worker) const;
  void LeaveName(const std::string& full_name, const std::string& uid);
  void Finish(const WorkerPtr& worker);

  Deps deps_;
  Options options_;
  std::map<std::string, WorkerPtr> workers_;
  std::map<std::string, std::deque<std::string>> names_;  // full name -> uids in order of arrival
  std::map<std::string, std::string> reserved_;           // uid -> full name
  base::WallTime born_;
  std::set<std::string> again_;  // uids that ended while they were wanted again
  struct Metrics;
  std::unique_ptr<Metrics> metrics_;  // null: none
  base::TaskScope scope_;
};

}  // namespace kubelet::worker
