// One worker per pod uid, and the only authority on whether a pod's containers may run.
//
// A worker is a coroutine that looks at what is wanted and what state it is in, does one thing through the
// PodRuntime port, and looks again. Pods with one full name exclude one another: the next starts the moment the
// one before has ended. Core loop only.
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
  virtual void Forget(const std::string& uid) = 0;
};

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
  bool terminal = false;
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
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    PodRuntime& runtime;
    // State, error or waiting reasons of a pod changed.
    std::function<void(const std::string& uid)> on_change;
    // The worker of this uid has ended and is forgotten; a pod of that uid may be wanted again.
    std::function<void(const std::string& uid)> on_finished;
    base::Registry* metrics = nullptr;
  };
  PodWorkers(Deps deps, Options options);
  ~PodWorkers();

  // Starts or updates the worker of a wanted pod. A worker that is already ending is not revived: on_finished
  // tells when the pod can be brought up again.
  void SetWanted(api::PodPtr pod);
  // The pod is not wanted any more: end it with its grace period (or a shorter one) and remove what it leaves.
  void Stop(const std::string& uid, const std::string& reason, std::optional<std::chrono::seconds> grace = {});
  // A pod that only the runtime knows; it ends with orphan_grace.
  void StopUnknown(const std::string& uid, const std::string& name, const std::string& namespace_);
  // Holds a full name for a running pod whose source has not spoken yet: nobody else may start under it.
  void Reserve(const std::string& uid, const std::string& full_name);
  void Unreserve(const std::string& uid);

  // Something about the pod changed (runtime, image, clock): look again.
  void Wake(const std::string& uid);
  bool Has(const std::string& uid) const { return workers_.contains(uid); }
  std::optional<WorkerView> View(const std::string& uid) const;
  std::vector<WorkerView> Views() const;
  size_t size() const { return workers_.size(); }

 private:
  struct Worker;
  void Begin(const std::string& uid, const std::string& name, const std::string& namespace_, api::PodPtr pod);
  base::Task<void> Run(std::shared_ptr<Worker> worker);
  base::Task<void> SyncOnce(std::shared_ptr<Worker> worker);
  base::Task<void> KillOnce(std::shared_ptr<Worker> worker);
  base::Task<void> RemoveOnce(std::shared_ptr<Worker> worker);
  base::Task<void> Cancellable(std::shared_ptr<Worker> worker);
  void Transition(Worker& worker, const Event& event);
  void Retry(Worker& worker, const absl::Status& status);
  bool MayStart(const Worker& worker) const;
  void LeaveName(const std::string& full_name, const std::string& uid);
  void Finish(std::shared_ptr<Worker> worker);

  Deps deps_;
  Options options_;
  std::map<std::string, std::shared_ptr<Worker>> workers_;
  std::map<std::string, std::deque<std::string>> names_;  // full name -> uids in order of arrival
  std::map<std::string, std::string> reserved_;           // uid -> full name
  base::Family<base::Histogram>* durations_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::worker
