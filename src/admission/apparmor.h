// The AppArmor handler (pkg/security/apparmor, Kubernetes 1.36). Pure.
#pragma once

#include <optional>
#include <string>

#include "kubelet/api/types.h"

namespace kubelet::admission {

// Why the pod's profiles cannot be enforced here, without the prefix; nullopt: they can, or there
// are none. Whether a profile is loaded is found out by the runtime, as upstream leaves it.
std::optional<std::string> AppArmorProblem(const api::core::Pod& pod, bool enabled);

}  // namespace kubelet::admission
