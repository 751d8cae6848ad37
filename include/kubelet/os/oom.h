// The kernel's choice of a victim when memory runs out.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace kubelet::os {

// Writes -1000..1000 for this process. PermissionDenied without CAP_SYS_RESOURCE for a lower value:
// log it and go on. Blocks for one write to procfs.
absl::Status SetOwnOomScoreAdj(int value, const std::string& path = "/proc/self/oom_score_adj");

}  // namespace kubelet::os
