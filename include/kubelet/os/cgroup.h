// Control groups of the kernel, v1 (also in the hybrid layout) and v2, as directories and small
// files: create with limits, change, read, list, remove together with what is left inside. No
// policy about pods: that is room resource. Every call blocks (file IO, and waiting for killed
// processes): run it on the BlockingPool. Thread safe: an object holds only open directories.
//
// Kernel facts (Documentation/admin-guide/cgroup-v1 and cgroup-v2): a group is removed by rmdir
// once it has neither processes nor children; in v2 a controller's files appear in a group when its
// parent lists the controller in cgroup.subtree_control; in v1 a process cannot join a cpuset whose
// cpus or mems are empty.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/os/mountinfo.h"

namespace kubelet::os {

enum class CgroupMode {
  kNone,
  kV1,
  kHybrid,
  kV2
};  // hybrid: controllers on v1, an extra v2 tree without
const char* CgroupModeName(CgroupMode mode);

struct CgroupMounts {
  CgroupMode mode = CgroupMode::kNone;
  std::map<std::string, std::string> v1;  // controller or `name=…` -> mount point, the shortest one
  std::string unified;                    // of cgroup2; empty without
};
// v2 exactly when cgroup2 is what lies on `root` itself.
CgroupMounts DetectCgroups(const std::vector<Mount>& mounts,
                           const std::string& root = "/sys/fs/cgroup");

// What may be set on a group; an absent value stays as it is. -1 means no limit.
struct CgroupValues {
  std::optional<uint64_t> cpu_shares;  // as in v1, 2..262144; KubeletCpuWeight of it in v2
  std::optional<int64_t> cpu_quota_us;
  std::optional<uint64_t> cpu_period_us;
  std::optional<int64_t> memory_bytes;
  std::optional<int64_t> pids;
  std::optional<std::string> cpuset_cpus;
  std::map<std::string, int64_t>
      hugetlb_bytes;  // by page size as the file names have it: 2MB, 1GB, 64KB
  bool operator==(const CgroupValues&) const = default;
};

// cpu.weight (1..10000) for shares (2..262144). The kubelet of 1.36 writes a straight line into its
// own groups (pkg/kubelet/cm getCPUWeight); runtimes write a curve into containers'
// (opencontainers/cgroups ConvertCPUSharesToCgroupV2Value), on which 1024 shares are weight 100.
// Both take 0 as "unset" and answer 0.
uint64_t KubeletCpuWeight(uint64_t shares);
uint64_t RuntimeCpuWeight(uint64_t shares);
uint64_t SharesOfKubeletCpuWeight(uint64_t weight);
// 2097152 -> 2MB: how hugetlb files name a page size.
std::string HugetlbSizeName(int64_t bytes);

// One file to write, and what for. `max` stands for no limit where the kernel says so.
struct CgroupSetting {
  std::string controller, file, text;
};
std::vector<CgroupSetting> CgroupSettings(const CgroupValues& values, bool v2);
// True when a file that reads `current` need not be written `wanted`: the kernel rounds byte limits
// down to pages and shows no limit in several ways.
bool IsSameSetting(const std::string& file, const std::string& current, const std::string& wanted);

// A limit that the kernel or the machine does not let us set; the group works without.
struct LostLimit {
  std::string file;     // such as pids.max: the same for every group
  absl::Status status;  // names the whole path and the value
};
using LostLimits = std::vector<LostLimit>;

class CgroupHierarchy {
 public:
  // What a plain directory cannot imitate; a test replaces them. Both answer 0 or an errno.
  struct Calls {
    std::function<int(int dir_fd, const std::string& path)> make_group;
    std::function<int(int dir_fd, const std::string& path)> remove_group;
  };
  struct Options {
    std::chrono::milliseconds removal_patience{2000};  // for killed processes to go
    Calls calls;
  };
  // FailedPrecondition when there is no cgroup filesystem or, on v1, when cpu, cpuacct, cpuset or
  // memory is not mounted. Paths below are relative to the mounts and start with a slash, such as
  // /kubepods/burstable.
  static absl::StatusOr<std::shared_ptr<const CgroupHierarchy>> Open(const CgroupMounts& mounts,
                                                                     Options options);
  // Of this machine. Blocks.
  static absl::StatusOr<std::shared_ptr<const CgroupHierarchy>> OpenHost();
  ~CgroupHierarchy();

  CgroupMode mode() const { return mounts_.mode; }
  bool v2() const { return mounts_.mode == CgroupMode::kV2; }
  // Of those a kubelet uses (cpu, cpuacct, cpuset, memory, hugetlb, pids), the ones that this
  // machine offers.
  const std::set<std::string>& controllers() const { return controllers_; }

  // Makes the group, with parents, and sets the values; a group that is there is only brought to
  // the values. FailedPrecondition when a required controller cannot be had; InvalidArgument for a
  // bad path.
  absl::StatusOr<LostLimits> Create(const std::string& path, const CgroupValues& values) const;
  // Sets what differs. NotFound when the group is not there.
  absl::StatusOr<LostLimits> Apply(const std::string& path, const CgroupValues& values) const;
  // In every hierarchy that Create makes it in.
  bool Exists(const std::string& path) const;
  // Kills what still runs inside, then removes the group with its children in every hierarchy,
  // those that Create does not use included. Absent is success. Unavailable names what is in the
  // way: retry later.
  absl::Status Remove(const std::string& path) const;

  // Content of a file, trimmed. NotFound for an absent group, file or controller.
  absl::StatusOr<std::string> Read(const std::string& path, const std::string& controller,
                                   const std::string& file) const;
  // Children in any hierarchy; empty when the group is not there.
  std::set<std::string> Children(const std::string& path) const;
  // Of the group and everything below it. 0 stands for a process of another PID namespace.
  std::set<int> Processes(const std::string& path) const;

 private:
  struct Tree;
  CgroupHierarchy() = default;
  const Tree* TreeOf(const std::string& controller) const;
  absl::StatusOr<bool> MakeIn(const Tree& tree, const std::string& path) const;
  absl::Status EnableControllers(const Tree& tree, const std::string& path) const;
  absl::Status InitCpuset(const Tree& tree, const std::string& path) const;
  LostLimits Write(const std::string& path, const CgroupValues& values,
                   const std::set<const Tree*>& fresh) const;
  absl::Status Kill(const std::string& path) const;
  absl::Status RemoveFrom(const Tree& tree, const std::string& path) const;

  CgroupMounts mounts_;
  Options options_;
  std::set<std::string> controllers_;
  std::vector<std::unique_ptr<Tree>> trees_;
};

// Whether the kernel counts and limits swap by cgroup. `own_group`: that of this process, since the
// root of v2 lacks the file (checkSwapControllerAvailability, pkg/kubelet/kuberuntime).
bool CountsSwap(const CgroupHierarchy& hierarchy, const std::string& own_group);

}  // namespace kubelet::os
