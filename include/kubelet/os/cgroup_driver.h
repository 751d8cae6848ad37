// Who makes pod cgroups: the kubelet itself (cgroupfs), or systemd as transient slices over D-Bus.
// Names are lists of components such as {kubepods, burstable, pod<uid>}; a driver writes them as
// paths:
//   cgroupfs   /kubepods/burstable/pod1-2
//   systemd    /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice
// The path is also what the container runtime gets as cgroup_parent
// (pkg/kubelet/cm/cgroup_manager_linux.go). Every call that returns a status blocks; thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/os/cgroup.h"

namespace kubelet::os {

// Components have neither `/` nor `_`: systemd writes `-` as `_`, and must be read back.
using CgroupName = std::vector<std::string>;

class CgroupDriver {
 public:
  virtual ~CgroupDriver() = default;
  // Of the group under the cgroup mounts, and the cgroup_parent for the runtime.
  virtual std::string Path(const CgroupName& name) const = 0;
  // The last component of a child of `parent` whose directory is called `entry`; nothing for other
  // directories.
  virtual std::optional<std::string> ChildComponent(const CgroupName& parent,
                                                    const std::string& entry) const = 0;
  // The inverse of Path.
  virtual CgroupName Parse(const std::string& path) const = 0;
  // As CgroupHierarchy's. A group that is there is brought to the values.
  virtual absl::StatusOr<LostLimits> Create(const CgroupName& name, const CgroupValues& values) = 0;
  virtual absl::StatusOr<LostLimits> Update(const CgroupName& name, const CgroupValues& values) = 0;
  virtual absl::Status Remove(const CgroupName& name) = 0;
};

std::unique_ptr<CgroupDriver> MakeCgroupfsDriver(std::shared_ptr<const CgroupHierarchy> hierarchy);

// {a, b-c} -> /a/b-c and back.
std::string CgroupfsPath(const CgroupName& name);
CgroupName ParseCgroupfsPath(const std::string& path);
// {a, b-c} -> a-b_c.slice; {} -> -.slice.
std::string SliceUnit(const CgroupName& name);
// {a, b-c} -> /a.slice/a-b_c.slice; {} -> /.
std::string SlicePath(const CgroupName& name);
// From a path or a unit name.
CgroupName ParseSlicePath(const std::string& path);

// A property of a systemd unit as D-Bus has it: b, t, s, as, ay.
using UnitValue =
    std::variant<bool, uint64_t, std::string, std::vector<std::string>, std::vector<uint8_t>>;
using UnitProperties = std::vector<std::pair<std::string, UnitValue>>;

// Limits as unit properties: CPUShares and MemoryLimit on v1, CPUWeight and MemoryMax on v2,
// CPUQuotaPerSecUSec (whole percents, rounded up), CPUQuotaPeriodUSec from systemd 242, AllowedCPUs
// from 244, TasksMax. Huge pages have none.
UnitProperties ResourceProperties(const CgroupValues& values, bool v2, int systemd_version);
// For a new slice: description, what it wants, accounting on, no default dependencies; then the
// resources.
UnitProperties SliceProperties(const CgroupName& name, const CgroupValues& values, bool v2,
                               int systemd_version);
// The quota that goes with the rounding of CPUQuotaPerSecUSec, so that both say the same.
CgroupValues RoundedForSystemd(CgroupValues values);

// systemd's manager object, as far as it is needed. Calls block until the job has ended, at most 30
// s.
class UnitManager {
 public:
  virtual ~UnitManager() = default;
  virtual int version() const = 0;
  // AlreadyExists when the unit is there.
  virtual absl::Status StartTransient(const std::string& unit,
                                      const UnitProperties& properties) = 0;
  virtual absl::Status SetProperties(const std::string& unit, const UnitProperties& properties) = 0;
  // An unknown unit is success.
  virtual absl::Status Stop(const std::string& unit) = 0;
};

// Over D-Bus through libsystemd.so.0, loaded now. Unavailable when the library or systemd is not
// there. `address` is of a peer, for tests; empty is the system bus, else systemd's private socket.
absl::StatusOr<std::unique_ptr<UnitManager>> ConnectSystemd(const std::string& address = "");

std::unique_ptr<CgroupDriver> MakeSystemdDriver(std::shared_ptr<const CgroupHierarchy> hierarchy,
                                                std::unique_ptr<UnitManager> manager);

}  // namespace kubelet::os
