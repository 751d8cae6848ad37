#include "app/own_group.h"

#include <unistd.h>

#include "kubelet/base/log.h"
#include "kubelet/os/cgroup_join.h"
#include "kubelet/os/mountinfo.h"
#include "kubelet/os/proc_stats.h"

namespace kubelet::app {

void JoinOwnGroup(const config::LoadedConfig& config, const Node& node) {
  const std::string& group = config.kubelet.kubelet_cgroups();
  const std::string before = os::CgroupOf("/proc", "self");
  if (group.empty() || group == before) return;
  auto mounts = os::ReadMountinfo();
  absl::Status status = mounts.status();
  if (mounts.ok())
    status = os::JoinCgroup(*node.hierarchy, os::DetectCgroups(*mounts), group, getpid());
  if (status.ok()) {
    LOG_INFO("Moved the kubelet into kubeletCgroups", "group", group, "before", before);
  } else {
    LOG_ERROR("Cannot move the kubelet into kubeletCgroups; going on", "group", group, "before",
              before, "err", status);
  }
}

}  // namespace kubelet::app
