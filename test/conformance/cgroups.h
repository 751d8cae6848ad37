// The run's own part of the machine's control groups, made as the runtime's cgroup driver wants it:
// directories `conformance-PID`, or with systemd a slice `conformancePID.slice` (a dash in the name
// of a slice stands for a parent). A kubelet takes the driver that the runtime tells it, whatever
// its configuration says, so the runtime is asked first.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/runtime/model.h"

namespace kubelet::conformance {

class RunGroups {
 public:
  // `name`: letters, digits and dashes.
  explicit RunGroups(runtime::CgroupDriver driver = runtime::CgroupDriver::kCgroupfs,
                     const std::string& name = "");
  // cgroupDriver and cgroupRoot of the kubelet's configuration.
  const char* driver() const;
  std::string root() const { return "/" + name_; }
  // Below a hierarchy: of our root, or of a group in it such as {kubepods, burstable}.
  std::string Path(const std::vector<std::string>& below = {}) const;
  // Our root in every hierarchy that has it (one with v2).
  std::vector<std::string> Dirs() const;

  // Blocking. Make: Unavailable when the driver is systemd and systemd cannot be reached. Remove
  // takes everything below with it; processes that are left are killed.
  absl::Status Make() const;
  absl::Status Remove() const;

 private:
  bool systemd() const { return driver_ == runtime::CgroupDriver::kSystemd; }
  runtime::CgroupDriver driver_;
  std::string name_;
};

// Whether the directory `entry` is the group of `what`, which is pod<uid> or a container's id:
// `pod1-2`, `kubepods-pod1_2.slice`, `ID`, `crio-ID`, `cri-containerd-ID.scope`; but not that of a
// container's monitor, `crio-conmon-ID.scope`.
bool IsGroupOf(const std::string& entry, const std::string& what);

}  // namespace kubelet::conformance
