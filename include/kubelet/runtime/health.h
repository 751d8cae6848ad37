// What probes and hooks know of the containers, and what the pod's worker needs done for its hooks: two ports that
// other rooms implement. Core loop only.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/runtime/model.h"

namespace kubelet::runtime {

// Of one container instance (by container id: the verdict on an earlier instance says nothing of the next).
struct ContainerHealth {
  bool started = false;          // no startup probe, or it succeeded
  bool ready = false;            // started, and no readiness probe or it succeeds
  bool liveness_failed = false;  // it is to be killed and started again
  bool startup_failed = false;   // likewise
  std::string message;           // of the failed probe, for the Killing event
  bool operator==(const ContainerHealth&) const = default;
};

class Health {
 public:
  virtual ~Health() = default;
  // For a container that runs. One without probes is started and ready; one that the prober has not seen yet
  // is what it was before the kubelet restarted, else neither if it has the probe in question.
  virtual ContainerHealth Of(const api::core::Pod& pod, const api::core::Container& container,
                             const ContainerStatus& status) const = 0;
};

// One HTTP request of a lifecycle hook, all names resolved (pkg/kubelet/lifecycle/handlers.go).
struct HookHttpRequest {
  bool https = false;
  std::string host;  // name or address
  int port = 0;
  std::string path;  // with query, begins with a slash
  std::vector<std::pair<std::string, std::string>> headers;
};

class HookHttp {
 public:
  virtual ~HookHttp() = default;
  // OK for any answer, whatever its status code. `fell_back` is set when an https request was answered in plain http
  // and was made again so. Cancelling the task ends the request; the caller sets the time limit.
  virtual base::Task<absl::Status> Get(HookHttpRequest request, bool* fell_back) = 0;
};

}  // namespace kubelet::runtime
