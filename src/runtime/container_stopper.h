// How one container is ended, by whomever: Killing event, preStop hook, its turn, StopContainer.
//
// The hook and the wait count against the grace period in whole seconds; the runtime gets at least
// 2 s (pkg/kubelet/kuberuntime killContainer). A hook that is not done by then has these 2 s as
// well and ends with its container. A hook that has come to its end is not run again when the stop
// behind it is tried once more; after a restart of the kubelet it is. Core loop only.
#pragma once

#include <map>
#include <set>

#include "runtime/hooks.h"
#include "runtime/termination_order.h"

namespace kubelet::runtime {

struct StopRequest {
  api::PodPtr pod;             // never null, see RestoreSpec
  ContainerSpecPtr container;  // never null
  ContainerId id;
  std::string message;             // of the Killing event; empty: `Stopping container <name>`
  std::chrono::seconds grace{30};  // 0: no hook
  std::vector<std::string> pod_ips;
  std::shared_ptr<TerminationOrder> order;  // null: nobody is waited for
};

class ContainerStopper {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    ContainerRuntime& runtime;
    HookRunner& hooks;
    EventSink on_event;
  };
  explicit ContainerStopper(Deps deps) : deps_(std::move(deps)) {}

  // OK: it does not run any more, or is not there. Cancelling cuts hook, wait and call short.
  base::Task<absl::Status> Stop(StopRequest request);
  void Forget(const std::string& uid) { pre_stopped_.erase(uid); }

 private:
  struct HookRun;
  base::Task<void> RunHook(Hook hook, std::shared_ptr<HookRun> run);
  void Event(const StopRequest& request, bool warning, const std::string& reason, const std::string& message);

  Deps deps_;
  std::map<std::string, std::set<ContainerId>> pre_stopped_;  // uid -> hook done, container not known to have ended
};

}  // namespace kubelet::runtime
