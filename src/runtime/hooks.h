// Lifecycle hooks of containers: exec, httpGet and sleep (pkg/kubelet/lifecycle/handlers.go,
// Kubernetes 1.36).
//
// A hook has no time limit of its own: the caller cancels its task. Core loop only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/health.h"
#include "kubelet/runtime/ports.h"
#include "runtime/container_spec.h"

namespace kubelet::runtime {

using EventSink = std::function<void(const api::core::Pod&, const PodEvent&)>;

// One hook of one container; everything by value, for the hook may outlive the pass that began it.
struct Hook {
  api::PodPtr pod;
  ContainerSpecPtr container;
  ContainerId id;
  api::core::LifecycleHandler handler;
  std::vector<std::string> pod_ips;
};

// What an httpGet hook asks for. Without a host: the pod's address, or the node's with host network
// (upstream fails there). A named port is one of the container's. FailedPrecondition: no address;
// InvalidArgument: no such port.
absl::StatusOr<HookHttpRequest> MakeHookRequest(const Hook& hook, const std::vector<std::string>& host_ips);

class HookRunner {
 public:
  struct Deps {
    base::Clock& clock;
    ContainerRuntime& runtime;
    HookHttp* http = nullptr;  // null: httpGet hooks fail
    const NodeContext& node;
    EventSink on_event;
    base::Registry* metrics = nullptr;
  };
  explicit HookRunner(Deps deps);

  // The message of an error is what the status of a container shows whose postStart hook failed.
  // Exec: the command ends with 0. httpGet: any answer. A tcpSocket hook is refused.
  base::Task<absl::Status> Run(Hook hook);

 private:
  base::Task<absl::Status> Exec(Hook hook);
  base::Task<absl::Status> HttpGet(Hook hook);
  base::Task<absl::Status> Sleep(Hook hook);

  Deps deps_;
  base::Family<base::Counter>* sleeps_cut_ = nullptr;
  base::Family<base::Counter>* fallbacks_ = nullptr;
};

}  // namespace kubelet::runtime
