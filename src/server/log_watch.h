// Wakes the followers of logs: one inotify instance for all of them, one watch per directory.
// Server loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/os/inotify.h"

namespace kubelet::server {

// Somebody who waits for a log. Kept by its owner; woken while it lives.
struct Follower {
  Follower(base::Executor executor, base::Clock& clock) : wake(std::move(executor), clock) {}
  base::WakeEvent wake;
  std::string pod_uid;
  bool look_at_pod = true;  // whether the container still runs is to be asked
  bool polling = false;     // no watch could be had: look every second
};

class LogWatch {
 public:
  LogWatch(base::Executor executor, base::Clock& clock, base::BlockingPool& pool);
  ~LogWatch();

  // From now on `follower` is woken when something changes in `directory`, or with its pod.
  base::Task<void> Add(std::shared_ptr<Follower> follower, std::string directory);
  void Remove(const std::shared_ptr<Follower>& follower);
  void PodChanged(const std::string& uid);
  size_t size() const { return directories_.size(); }

 private:
  base::Task<void> ReadEvents();
  void Wake(int watch);
  void DropUnused();

  base::Executor executor_;
  base::Clock& clock_;
  base::BlockingPool& pool_;
  std::unique_ptr<os::Inotify> inotify_;
  std::map<std::shared_ptr<Follower>, int> directories_;  // -1: none
  std::map<int, std::set<std::shared_ptr<Follower>>> watches_;
  int adding_ = 0;  // watches being added: the kernel may answer with one that nobody uses any more
  std::set<int> unused_;  // to be given up when none is being added
  base::TaskScope scope_;
};

}  // namespace kubelet::server
