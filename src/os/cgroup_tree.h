// One mounted cgroup filesystem. Internal to the room.
#pragma once

#include <set>
#include <string>

#include "kubelet/os/cgroup.h"
#include "os/fd.h"

namespace kubelet::os {

struct CgroupHierarchy::Tree {
  Fd fd;              // of the mount point
  std::string point;  // for messages
  std::set<std::string> controllers;
  bool ours = false;  // Create makes groups here
  std::string Name(const std::string& path, const std::string& file = "") const {
    return point + path + (file.empty() ? "" : "/" + file);
  }
};

namespace cgroup_internal {
// "/a/b" -> "a/b", "/" -> "."
std::string Relative(const std::string& path);
std::string Join(const std::string& path, const std::string& name);
// Absolute, without empty, `.` and `..` components.
absl::Status CheckPath(const std::string& path);
// Names of the groups directly below.
std::set<std::string> ChildrenIn(int dir_fd, const std::string& path);
}  // namespace cgroup_internal

}  // namespace kubelet::os
