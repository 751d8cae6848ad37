// What bringing a pod up needs from other rooms. Consumer-owned: only the calls made here.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/runtime/model.h"
#include "kubelet/runtime/volume_path.h"

namespace kubelet::runtime {

// Why a container waits, as status and events name it (pkg/kubelet/container, pkg/kubelet/images).
enum class WaitingReason {
  kNone,
  kContainerCreating,
  kPodInitializing,
  kCrashLoopBackOff,
  kImagePullBackOff,
  kErrImagePull,
  kErrImageNeverPull,
  kImageInspectError,
  kInvalidImageName,
  kRegistryUnavailable,
  kSignatureValidationFailed,
  kCreateContainerConfigError,
  kCreateContainerError,
  kRunContainerError,
  kPostStartHookError,
};
const char* WaitingReasonName(WaitingReason reason);

struct Waiting {
  WaitingReason reason = WaitingReason::kNone;
  std::string message;
};

class Images {
 public:
  virtual ~Images() = default;
  struct Answer {
    std::optional<Image> image;  // there: id, user
    std::string ref;             // what to run
    Waiting waiting;             // else why not
    // A pull is under way: `on_done` of the implementation wakes the pod, no need to ask before.
    bool pulling = false;
    std::optional<base::MonoTime> retry_at;
  };
  // Quick: never waits for a pull. Starts one when the policy asks for it.
  virtual base::Task<Answer> Ensure(api::PodPtr pod, std::string container, std::string image,
                                    std::string policy, SandboxConfig sandbox) = 0;
  // CreateContainer said the image is gone.
  virtual void Forget(const std::string& image) = 0;
};

class Volumes {
 public:
  virtual ~Volumes() = default;
  virtual base::Task<absl::StatusOr<VolumePaths>> Prepare(api::PodPtr pod) = 0;
  // Sub paths of one container, by index of the mount, in volumes that are prepared: the host path of each. Only
  // now, since an init container may have made what they lead to.
  virtual base::Task<absl::StatusOr<std::map<int, std::string>>> PrepareSubPaths(api::PodPtr pod, std::string container,
                                                                                 std::map<int, std::string> paths) = 0;
  // The text of a file inside a prepared volume; links never lead out of it.
  virtual base::Task<absl::StatusOr<std::string>> ReadFile(api::PodPtr pod, std::string volume, std::string path) = 0;
  // After a failure: not before then; nullopt: the caller's own back-off counts. Failures tell their events themselves.
  virtual std::optional<base::MonoTime> RetryAt(const std::string&) { return std::nullopt; }
  virtual base::Task<absl::Status> Teardown(std::string uid) = 0;
};

// Of a pod's cgroup, as far as a resize changes it; -1: no limit, absent: not known, or to stay as it is.
struct PodLimits {
  std::optional<int64_t> cpu_shares, cpu_quota_us, cpu_period_us, memory_bytes;
  bool operator==(const PodLimits&) const = default;
};
struct MemoryUse {
  int64_t pod = 0;                            // bytes
  std::map<std::string, int64_t> containers;  // by id; one that was not found is absent
};

class Cgroups {
 public:
  virtual ~Cgroups() = default;
  // The cgroup_parent for the sandbox, created with the pod's limits; empty when cgroups per QoS are off.
  virtual base::Task<absl::StatusOr<std::string>> EnsurePod(api::PodPtr pod) = 0;
  // Kills what is left inside. `pod` may be null: all QoS classes are looked at.
  virtual base::Task<absl::Status> RemovePod(std::string uid) = 0;
  virtual int64_t OomScoreAdj(const api::core::Pod& pod, const api::core::Container& container) = 0;

  // In-place resize. What the pod's cgroup has now, what it shall have (a limit that is not named stays), and setting
  // part of it: an error when the kernel refuses. Without cgroups per QoS there are no limits.
  virtual base::Task<absl::StatusOr<PodLimits>> ReadPod(api::PodPtr pod) = 0;
  virtual PodLimits WantedLimits(const api::core::Pod& pod) = 0;
  virtual base::Task<absl::Status> LimitPod(api::PodPtr pod, PodLimits limits) = 0;
  virtual base::Task<absl::StatusOr<MemoryUse>> MemoryInUse(api::PodPtr pod, std::vector<std::string> containers) = 0;
};

// Ids of pods with `hostUsers: false`. What a pod has it keeps until Release, over restarts of the kubelet too.
class UserNamespaces {
 public:
  virtual ~UserNamespaces() = default;
  // The pod's directory is there. FailedPrecondition: the machine's ranges cannot be used; ResourceExhausted.
  virtual base::Task<absl::StatusOr<IdMapping>> Ensure(std::string uid) = 0;
  // When nothing of the pod runs any more; a pod that has none is success.
  virtual base::Task<absl::Status> Release(std::string uid) = 0;
};

// Directories and files of a pod outside its volumes.
class PodFiles {
 public:
  virtual ~PodFiles() = default;
  struct PodPaths {
    // Highest `<n>.log` + 1 per container: the attempt when the runtime knows no earlier instance.
    std::map<std::string, uint32_t> next_attempt;
  };
  virtual base::Task<absl::StatusOr<PodPaths>> PreparePod(api::PodPtr pod) = 0;
  struct ContainerPaths {
    std::string etc_hosts, termination_log;
  };
  virtual base::Task<absl::StatusOr<ContainerPaths>> PrepareContainer(api::PodPtr pod, std::string container,
                                                                      std::vector<std::string> pod_ips) = 0;
  // The link in /var/log/containers; losing it is logged, not an error.
  virtual base::Task<void> LinkLog(api::PodPtr pod, std::string container, std::string id, uint32_t attempt) = 0;
  // Pod directory, log directory and links of a pod that is gone.
  virtual base::Task<absl::Status> RemovePod(std::string uid, std::string name, std::string namespace_) = 0;
};

// What device plugins say a container is to be made with, before all that its spec says.
struct DeviceGrant {
  std::vector<std::pair<std::string, std::string>> envs;
  StringMap annotations;
  std::vector<Mount> mounts;
  std::vector<Device> devices;
  std::vector<std::string> cdi_devices;
};
class DeviceGrants {
 public:
  virtual ~DeviceGrants() = default;
  // Asked just before each start. An error is shown as CreateContainerConfigError and asked again.
  virtual base::Task<absl::StatusOr<DeviceGrant>> Prepare(api::PodPtr pod, std::string container) = 0;
};

// A Kubernetes event about a pod; today it is logged, an API client will send it.
struct PodEvent {
  bool warning = false;
  std::string reason, message, container;
  bool about_node = false;  // the node's event, which this pod brought about
};

}  // namespace kubelet::runtime
