// The containers of a pod, of whatever kind.
#pragma once

#include "kubelet/api/types.h"

namespace kubelet::api {

// The same message type for all kinds of containers; the fields of both have the same numbers and types.
core::Container AsContainer(const core::EphemeralContainer& ephemeral);

}  // namespace kubelet::api
