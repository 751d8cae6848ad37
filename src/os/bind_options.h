// What options of mount(8) mean to mount_setattr(2).
#pragma once

#include <sys/mount.h>

#include <string>
#include <vector>

namespace kubelet::os {

// Logs those that a bind mount cannot have; `target` is what the log calls it.
mount_attr BindAttributes(const std::string& target, const std::vector<std::string>& options);

}  // namespace kubelet::os
