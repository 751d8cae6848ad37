// Takes away what is left of containers that have ended: for a node whose disk is too full. A dead
// container of a pod that goes on stays, one for each name (it tells why it ended, and its log is
// asked for); of a pod that is over everything goes, logs included. Facts:
// pkg/kubelet/kuberuntime/kuberuntime_gc.go with evictNonDeletedPods (1.36). Core loop only; files
// are removed in the pool (kind `log files`).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::gc {

struct Remains {
  struct Container {
    runtime::ContainerId id;
    std::string log_path;  // its log goes with it
  };
  std::vector<Container> containers;
  std::vector<runtime::SandboxId> sandboxes;  // after the containers
};
// Pure. `over`: nothing of the pod will start again.
Remains FindRemains(const runtime::ObservedPod& pod, bool over);

// The first error; the others are tried nevertheless. What is gone already is success.
base::Task<absl::Status> RemoveRemains(runtime::ContainerRuntime& runtime, base::BlockingPool& pool,
                                       Remains remains);

}  // namespace kubelet::gc
