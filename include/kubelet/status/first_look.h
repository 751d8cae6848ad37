// The status of a pod that an earlier kubelet took on and that this one has not synced yet.
#pragma once

#include "kubelet/api/types.h"

namespace kubelet::status {

// Why a container waits (CrashLoopBackOff, ImagePullBackOff …) is known to nobody between a start
// of the kubelet and the end of the pod's first sync. What the server shows of it stays until then;
// all else is told as it is now, as upstream does before it syncs (pkg/kubelet/kubelet.go SyncPod).
// Pure; a terminal `now` comes back as it is.
//
// `shown`: what the server has; `now`: what Generate made without waiting reasons.
api::core::PodStatus KeepWaiting(const api::core::PodStatus& shown, api::core::PodStatus now);

}  // namespace kubelet::status
