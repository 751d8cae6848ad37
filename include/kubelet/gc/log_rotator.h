// Keeps the logs of containers within their limits: a log that has grown is renamed and its writer
// told to go on in a new file (CRI ReopenContainerLog); older files are compressed afterwards and
// the oldest removed.
//
// Names are upstream's (pkg/kubelet/logs/container_log_manager.go of 1.36): FILE.YYYYMMDD-HHMMSS in
// local time, later FILE.YYYYMMDD-HHMMSS.gz, FILE.….tmp while that is being made. Only logs of
// running containers are rotated. Where we differ:
//  - A quiet log costs nothing: one inotify watch that fires once wakes us, and while a log grows
//    its size is looked at as often as its rate asks for. The monitor interval is only the audit
//    behind that.
//  - Renaming never waits for compressing, and a second rotation within a second never hits the
//    name of the first (upstream loses that file). The newest rotated file is not compressed: its
//    writer may still have it open.
//  - When the runtime cannot reopen, the file gets its name back, unless there is a new one after
//    all: no line is lost either way.
//  - All instances of a container together have max_files * max_size bytes; logs of instances that
//    the runtime no longer has go with them.
//  - A pod can have a budget for the logs of all its containers (pod_max_size): beyond it the
//    oldest rotated files go, whichever container they are of. What is being written is never cut,
//    so that each running container has max_size in any case.
//
// Core loop; file work on the BlockingPool (kinds `log sizes`, `log files`, `log compress`).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/os/inotify.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::gc {

struct LogPolicy {
  int64_t max_size = 10 << 20;  // containerLogMaxSize, bytes; negative: no limit
  int max_files = 5;            // containerLogMaxFiles, the live one included
  int64_t pod_max_size = -1;    // --pod-logs-max-size, bytes; negative: no limit
  int max_workers = 1;          // containerLogMaxWorkers: files compressed at once
  base::Nanos interval = std::chrono::seconds(10);  // containerLogMonitorInterval
};

class LogRotator {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    runtime::ContainerRuntime& runtime;
    // What the runtime holds of a pod; null: nothing.
    std::function<runtime::ObservedPodPtr(const std::string& uid)> observed;
    base::Registry* metrics = nullptr;
  };
  LogRotator(Deps deps, LogPolicy policy);
  ~LogRotator();

  void Start();
  // Returns when nothing is under way any more; before the object ends, unless the process does.
  base::Task<void> Stop();
  // The runtime's part of this pod may have changed.
  void PodChanged(const std::string& uid);
  // Takes effect from the next look on, but for max_workers, which stays.
  void SetPolicy(LogPolicy policy);
  const LogPolicy& policy() const { return policy_; }
  size_t size() const { return logs_.size(); }

 private:
  struct Log {
    runtime::ContainerId id;
    std::string pod_uid, path, directory;
    bool running = false;
    int64_t size = -1;  // as last seen; -1: not yet
    double rate = 0;    // bytes per second, between the last two looks
    base::MonoTime looked{}, changed{}, next{};
    bool written = false;   // was seen growing
    int watch = -1;         // a one-shot watch stands: nothing was written since
    bool busy = false;      // being rotated
    int failures = 0;       // of reopening, one after the other
    bool reopened = false;  // as the runtime says, since the file was last seen missing
    bool tidying = false, tidy_again = false;
  };
  using Logs = std::map<std::string, Log>;  // by container id

  base::Task<void> Run();
  base::Task<void> ReadEvents();
  void Adopt(const std::string& uid);
  base::Task<void> LookAtDue();
  bool Judge(Log& log, int64_t size);
  base::Task<void> Watch(std::vector<std::string> ids);
  base::Task<void> Rotate(std::string id);
  base::Task<absl::Status> MoveAside(std::string id, std::string path);
  base::Task<void> Repair(std::string id);
  void TidySoon(Log& log);
  base::Task<void> Tidy(std::string id);
  base::Task<void> TidyOnce(std::string id);
  base::Task<std::vector<std::string>> Trim(std::string id);
  base::Task<void> KeepBudget(std::string directory);
  base::Task<void> KeepPodBudget(std::string id);
  base::Task<void> Compress(std::string path);
  base::Task<void> RemoveLogs(std::string path);
  Log* Find(const std::string& id);
  void Failed(const std::string& id, const std::string& what, const absl::Status& why);

  Deps deps_;
  LogPolicy policy_;
  Logs logs_;
  std::set<std::string> changed_pods_;
  std::map<int, std::set<std::string>> watches_;  // watch -> container ids
  std::set<std::string> packing_;                 // paths that are being compressed
  std::unique_ptr<os::Inotify> inotify_;
  base::WakeEvent wake_;
  base::Semaphore workers_;
  base::Family<base::Counter>* rotations_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::gc
