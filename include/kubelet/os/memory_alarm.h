// Descriptors by which the kernel tells that memory is getting short, so that nobody has to look
// all the time. Both calls block for a moment; the caller closes what it gets.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::os {

// cgroup v1: an eventfd that becomes readable each time the working set of the group crosses
// `working_set` bytes, in either direction. The kernel counts inactive pages of files as usage, so
// it holds for as many of them as there are now: make a new one now and then. `memory` is the mount
// of that controller. (Documentation/admin-guide/cgroup-v1/memory.rst, 9)
absl::StatusOr<int> WatchWorkingSet(const std::string& memory, const std::string& group,
                                    int64_t working_set);

// A descriptor with an exceptional condition (POLLPRI) once in a second in which tasks of the
// machine have waited for memory for more than 100 ms. For cgroup v2, which has no thresholds.
// (Documentation/accounting/psi.rst; Linux 5.2 and CAP_SYS_RESOURCE)
absl::StatusOr<int> WatchMemoryPressure(const std::string& proc = "/proc");

}  // namespace kubelet::os
