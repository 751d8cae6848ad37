// State of one PodSyncer::Sync while it runs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "kubelet/runtime/pod_syncer.h"

namespace kubelet::runtime {

struct PodSyncer::Pass {
  api::PodPtr pod;
  std::shared_ptr<Progress> progress;
  std::function<bool()> wanted;
  ObservedPodPtr observed;
  SyncResult result;
  SandboxConfig sandbox;
  std::string cgroup_parent;
  std::string runtime_handler;
  UserNamespace user_namespace;
  std::map<std::string, std::string> volume_paths;
  std::map<std::string, uint32_t> next_attempt;
  std::shared_ptr<base::Semaphore::Permit> held;
  bool prepared = false;
  bool acted = false;  // the runtime was asked to change something
  bool stop = false;

  bool Done() const { return stop || !wanted(); }

  std::chrono::seconds Grace() const {
    return std::chrono::seconds(std::max<int64_t>(pod->spec().termination_grace_period_seconds(), 2));
  }

  void Wait(const std::string& container, WaitingReason reason, std::string message, base::MonoTime until) {
    result.waiting[container] = {reason, std::move(message)};
    if (until != base::MonoTime::max() && (!result.retry_at || until < *result.retry_at)) result.retry_at = until;
  }
};

}  // namespace kubelet::runtime
