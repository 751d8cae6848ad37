// Defaults the API server sets on a pod that is created (pkg/apis/core/v1/defaults.go).
#pragma once

#include "kubelet/api/types.h"

namespace kubelet::api {

// Idempotent. Fills what upstream fills and nothing else.
void ApplyPodDefaults(core::Pod& pod);

}  // namespace kubelet::api
