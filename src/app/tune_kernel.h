// The kernel's parameters at the start of a kubelet.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "kubelet/config/config.h"

namespace kubelet::app {

// Sets what is not as a node wants it; what cannot be set is logged and the kubelet goes on
// (upstream ends: it cannot run where it may not write them, such as in a container). With
// protectKernelDefaults nothing is written, and FailedPrecondition names all that differ. `proc` is
// /proc, or a test's.
absl::Status TuneKernel(const config::LoadedConfig& config, const std::string& proc = "/proc");

}  // namespace kubelet::app
