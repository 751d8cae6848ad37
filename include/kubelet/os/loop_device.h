// Loop devices (loop(4)): one whose backing file is a block device keeps that device from being
// taken away and replaced by another under the same name. Every call blocks; thread safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace kubelet::os {

// `/dev/loop0`: the device whose backing file is `path`, a new one where there is none.
// Unavailable: no loop device is free, or there are none here.
absl::StatusOr<std::string> AttachLoop(const std::string& path);

// NotFound when no loop device has it.
absl::StatusOr<std::string> FindLoop(const std::string& path, const std::string& sys = "/sys");

// Absent is success. The device goes when its last user lets it go.
absl::Status DetachLoop(const std::string& path);

}  // namespace kubelet::os
