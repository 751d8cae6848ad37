// Which containers the kernel kills first when memory runs out.
#pragma once

#include <cstdint>

#include "kubelet/api/types.h"

namespace kubelet::resource {

// oom_score_adj of a container (pkg/kubelet/qos/policy.go): -997 in Guaranteed and
// system-node-critical pods, 1000 in BestEffort ones; in Burstable ones 1000 less a thousandth for
// each thousandth of the node's memory that is requested, from 3 to 999. A pod level request that
// no container claims counts for all of them in equal parts. A sidecar is not killed before the
// pod's smallest regular container.
int64_t ComputeOomScoreAdj(const api::core::Pod& pod, const api::core::Container& container,
                           int64_t memory_capacity);

}  // namespace kubelet::resource
