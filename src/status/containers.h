// Status of single containers.
#pragma once

#include "kubelet/status/status.h"

namespace kubelet::status {

// Fills init_container_statuses (in the order of the spec) and container_statuses and ephemeral_container_statuses (by name).
void SetContainers(const Input& input, api::core::PodStatus& status);

// An exit asked for all containers to restart, and not all of them are removed yet (or were, since the status before).
bool RestartsAllContainers(const Input& input);

// The pod is cleaned up: what has no exit of its own ended in a way nobody saw
// (pkg/kubelet/status/status_manager.go TerminatePod).
void EndUnknown(const Input& input, api::core::PodStatus& status);

}  // namespace kubelet::status
