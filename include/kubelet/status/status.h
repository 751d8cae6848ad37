// Pod status out of what is wanted and what the runtime shows. Pure: same input, same status.
// Rules: pkg/kubelet/kubelet_pods.go getPhase and convertStatusToAPIStatus, pkg/kubelet/status/generate.go (1.36).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::status {

struct Input {
  const api::core::Pod* pod = nullptr;
  const runtime::ObservedPod* observed = nullptr;  // null: nothing in the runtime
  const api::core::PodStatus* previous = nullptr;  // null: none yet
  std::map<std::string, runtime::Waiting> waiting;
  std::map<std::string, std::string> termination_messages;  // container id -> message
  std::string runtime_name;                        // prefix of container ids
  std::vector<std::string> host_ips;
  base::WallTime now;
  bool terminating = false;
};

// Times of conditions move only when their status does; terminal phases never go back.
api::core::PodStatus Generate(const Input& input);

}  // namespace kubelet::status
