// Pod conditions and the phase, from container statuses.
#pragma once

#include <string>

#include "kubelet/status/status.h"

namespace kubelet::status {

// Pending, Running, Succeeded or Failed.
std::string Phase(const api::core::Pod& pod, const api::core::PodStatus& status, const std::string& previous);

// Fills status.conditions from the container statuses and phase already in it.
void SetConditions(const Input& input, api::core::PodStatus& status);

}  // namespace kubelet::status
