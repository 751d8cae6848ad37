// Whether a kubelet may be started on a runtime: it ends every pod there that it does not know, and
// removes what is left of those that ended.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "kubelet/runtime/model.h"

namespace kubelet::conformance {

// `found`: what the runtime has before the run makes anything. FailedPrecondition names some of it.
absl::Status CheckUnused(const std::vector<runtime::Sandbox>& found);

}  // namespace kubelet::conformance
