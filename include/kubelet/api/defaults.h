// Defaults the API server sets on a pod that is created (pkg/apis/core/v1/defaults.go).
#pragma once

#include "kubelet/api/types.h"

namespace kubelet::api {

// Idempotent. Fills what upstream fills for a pod, its containers of all kinds and its volumes, and rounds resources
// up to thousandths. Status, and what admission plugins add (tolerations, priority, service account), is not touched.
void ApplyPodDefaults(core::Pod& pod);

}  // namespace kubelet::api
