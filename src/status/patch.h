// The strategic merge patch that turns one pod status into another.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"

namespace kubelet::status {

// JSON for PATCH of /status: `{"metadata":{"uid":…},"status":{…}}`, whose uid makes the server
// answer 409 when the pod of this name is another one by now. Empty when the two say the same to
// the API server: times, quantities and empty fields are compared as JSON shows them.
absl::StatusOr<std::string> StatusPatch(const std::string& uid, const api::core::PodStatus& from,
                                        const api::core::PodStatus& to);

}  // namespace kubelet::status
