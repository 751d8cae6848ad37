// What PodWorkers knows of one pod.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "kubelet/worker/pod_workers.h"

namespace kubelet::worker {

struct PodWorkers::Worker {
  Worker(base::Executor executor, base::Clock& clock, base::Nanos retry_initial,
         base::Nanos retry_max)
      : wake(executor, clock), backoff(retry_initial, retry_max) {}
  std::string uid, name, namespace_, full_name;
  api::PodPtr pod;         // the newest; null for a pod that only the runtime knew
  uint64_t version = 0;    // of the wish: what is under way for an older one stops
  bool exclusive = false;  // a static pod: alone under its full name
  bool removed = false;    // no source wants it any more
  bool again = false;      // removed, and wanted again meanwhile
  bool finished = false;   // see WorkerView
  bool stray = false;      // something runs although it is over
  std::set<std::string> after;             // pods that have to end before it starts
  std::optional<base::MonoTime> start_by;  // it waits for them no longer than this
  std::optional<base::Clock::TimerId> deadline_timer;
  State state;
  std::optional<Verdict> verdict;
  base::WallTime taken_on, first_seen;
  bool begun = false;  // its first sync was
  std::shared_ptr<runtime::Progress> progress = std::make_shared<runtime::Progress>();
  std::map<std::string, runtime::Waiting> waiting;
  absl::Status last_error;
  base::WallTime last_error_at;
  std::optional<base::MonoTime> retry_at;
  bool terminal = false;
  bool looked = false;
  base::WakeEvent wake;
  base::Backoff backoff;
  std::shared_ptr<base::TaskScope> step;  // the sync or the kill under way
  bool cut = false;                       // and it is being cancelled

  // A static pod that was removed and is wanted again keeps its last containers: their logs, and the
  // number of the next ones. With another restart policy what has exited would not run again.
  bool GoesOn() const;
  template <typename S>
  bool Is() const {
    return std::holds_alternative<S>(state);
  }
};

struct PodWorkers::Metrics {
  explicit Metrics(base::Registry& registry);
  base::Family<base::Histogram>& durations;
  base::Histogram& start;
  base::Family<base::Counter>& restarted;
  base::Counter& orphans;
};

// Whoever waits for a pod to end waits for one and a half times its grace period, and no less.
constexpr std::chrono::seconds kLeastPatience{10};

// The grace period of a pod that ends by itself or by its source's will: what the API server
// decided, else the pod's own.
std::chrono::seconds GraceOf(const api::core::Pod* pod, std::chrono::seconds without_pod);

}  // namespace kubelet::worker
