// The six kernel parameters that a node is to have: memory may be promised beyond what is there, an
// out-of-memory kill takes a process and not the machine, the machine starts again after a panic,
// and an oops is one; key rings are large enough for many containers. (Facts: setupKernelTunables,
// pkg/kubelet/cm/container_manager_linux.go, and component-helpers/node/util/sysctl of 1.36.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace kubelet::os {

struct KernelTunable {
  std::string name;  // as sysctl has it: vm.overcommit_memory
  int64_t wanted = 0;
};
const std::vector<KernelTunable>& KernelTunables();

enum class TunableMode { kSet, kCheck };

struct TunableResult {
  std::string name;
  int64_t before = 0, wanted = 0;
  // OK: it is as wanted now. FailedPrecondition: it is not, and kCheck leaves it. Else what the
  // kernel said to reading or writing it, the file named.
  absl::Status status;
};
// Those that were not as wanted. `proc` is /proc, or a test's. Blocks for a moment. kSet changes
// the machine for good: nobody sets them back.
std::vector<TunableResult> TuneKernel(TunableMode mode, const std::string& proc = "/proc");

}  // namespace kubelet::os
