// Pod conditions and the phase, from container statuses.
#pragma once

#include <string>

#include "kubelet/status/status.h"

namespace kubelet::status {

// Pending, Running, Succeeded or Failed, from the container statuses alone.
std::string ComputePhase(const Input& input, const api::core::PodStatus& status);

// Fills status.conditions from the container statuses and phase already in it.
void SetConditions(const Input& input, api::core::PodStatus& status);

}  // namespace kubelet::status
