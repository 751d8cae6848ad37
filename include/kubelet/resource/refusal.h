// Why a pod does not fit here, as admission says it.
#pragma once

#include <string>

namespace kubelet::resource {

struct Refusal {
  std::string reason;  // `OutOfcpu`, `TopologyAffinityError`, as the pod's status shows it
  std::string message;
};

}  // namespace kubelet::resource
