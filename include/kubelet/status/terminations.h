// kubelet_terminated_containers_total: how containers ended, once for each time a status shows one as ended that was
// not before (pkg/kubelet/status/status_manager.go of 1.36). Core loop only.
#pragma once

#include "kubelet/api/types.h"
#include "kubelet/base/metrics.h"

namespace kubelet::status {

class Terminations {
 public:
  explicit Terminations(base::Registry& metrics);
  // `before`: the status of the same pod that was shown last.
  void Count(const api::core::PodStatus& before, const api::core::PodStatus& now);

 private:
  base::Family<base::Counter>& ended_;
};

}  // namespace kubelet::status
