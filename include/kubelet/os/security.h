// What this machine's kernel has for the safety of containers. Read once, at the start. `root` is
// for tests.
#pragma once

#include <string>
#include <vector>

namespace kubelet::os {

// selinuxfs is there: mounts are labelled for the pods that use them.
bool SelinuxEnabled(const std::string& root = "");

// `/sys/devices/system/cpu/cpu<N>/thermal_throttle`, in the order of the CPUs, of those that have
// it: it tells a container what its neighbours do, and is masked (pkg/securitycontext, 1.36).
std::vector<std::string> ThermalThrottlePaths(const std::string& root = "");

}  // namespace kubelet::os
