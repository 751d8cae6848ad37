// Moving a process into a group of its own.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "kubelet/os/cgroup.h"

namespace kubelet::os {

// Makes the group `path` (`/kubelet.slice`), with its parents, in every hierarchy of `mounts`, on
// v1 name=systemd and those without limits of ours included, and moves the process with all its
// threads there. Goes on after a hierarchy that refuses; the status names the first.
// InvalidArgument for a path that is none. Blocks. (libcontainer's manager.Apply, as setupNode of
// pkg/kubelet/cm uses it.)
absl::Status JoinCgroup(const CgroupHierarchy& hierarchy, const CgroupMounts& mounts,
                        const std::string& path, int pid);

}  // namespace kubelet::os
