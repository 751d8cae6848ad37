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
  VolumePaths volume_paths;
  ImageMounts image_mounts;  // of the container that is started
  std::map<std::string, uint32_t> next_attempt;
  std::shared_ptr<base::Semaphore::Permit> held;
  bool prepared = false;
  bool acted = false;  // the runtime was asked to change something
  bool stop = false;
  bool started_own_users = false;  // its sandbox, in a user namespace of its own, was asked for

  bool Done() const { return stop || !wanted(); }

  void Wait(const std::string& container, WaitingReason reason, std::string message, base::MonoTime until) {
    result.waiting[container] = {reason, std::move(message)};
    if (until != base::MonoTime::max() && (!result.retry_at || until < *result.retry_at)) result.retry_at = until;
  }
};

// Throws when the task was cancelled: a call that was cut short comes back with an error like any other, and asio
// tells of the cancellation only at the next co_await.
inline base::Task<void> Checkpoint() { co_return; }

// `<uid>/<container>/`, then what makes another try of it: image and resources (kuberuntime GetBackoffKey).
std::string BackoffKey(const api::core::Pod& pod, const api::core::Container& container);

}  // namespace kubelet::runtime
