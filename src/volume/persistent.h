// Volumes that outlive their pods: PersistentVolumes of the kinds local, nfs and hostPath, and nfs
// volumes that a pod names itself. What is to be mounted where (pure), and the mounting.
// Facts: pkg/volume/{local,nfs,hostpath}, pkg/volume/util of 1.36.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "volume/claims.h"
#include "volume/plan.h"

namespace kubelet::volume {

struct PersistentPlan {
  enum class Kind { kHostPath, kLocal, kNfs } kind = Kind::kLocal;
  std::string name;  // of the PersistentVolume, or of the pod's volume when it has none
  std::string path;  // on the node; of nfs: on the server
  std::string type;  // of a host path
  std::string server;
  std::string fs_type;  // of a local volume, should it be a device: `ext4` when it says nothing
  std::vector<std::string> options;  // mountOptions, sorted, each once; with `ro` when read only
  bool read_only = false;
  bool block = false;                  // a device that containers get as it is (block.h)
  bool only_pod = false;               // access mode ReadWriteOncePod
  std::optional<int64_t> extra_group;  // annotation pv.beta.kubernetes.io/gid
  // Of a local volume with files: the pod's fsGroup, and whether this process has seen to it.
  std::optional<int64_t> group;
  bool grouped = false;
};

// FailedPrecondition names what cannot be served: a kind that is not built, a block volume of
// another kind than local, a volumeMode that is not how containers use it, a path with `..`.
// `claimed` is null for a volume without a claim. An nfs PersistentVolume that says readOnly is
// mounted so; upstream heeds the pod's word only.
absl::StatusOr<PersistentPlan> PlanPersistent(const api::core::Pod& pod,
                                              const api::core::Volume& volume,
                                              const ClaimedVolume* claimed);

// Directory name of the kind, `kubernetes.io~nfs`.
std::string PersistentPlugin(const PersistentPlan& plan);
// Where containers find it: below the pod's directory, or a host path as it is.
std::string PersistentPath(const std::string& pod_dir, const PersistentPlan& plan);
// True for a host path that needs no mount of ours.
bool UsedInPlace(const PersistentPlan& plan);

// Where the filesystem on the device of a local volume is mounted, once for all its pods.
std::string DevicePoints(const std::string& root_dir);
std::string DevicePoint(const std::string& root_dir, const PersistentPlan& plan);

// Blocking, of local and hostPath volumes: checks the path, binds it, sets the options of the bind
// (`ro`). What is mounted already stays. What failed half way is unmounted. False: the path of a
// local volume is a block device, and nothing was done: its filesystem has to be mounted at its
// DevicePoint first (device_mounts.cc).
absl::StatusOr<bool> BindPersistent(const std::string& pod_dir, const PersistentPlan& plan);

// That, or MapBlock, as a child does it, with the words of PodVolumes::BindAtPath: `bound`, or
// `device` where BindPersistent says false.
absl::StatusOr<std::string> BindVolumeCall(const std::vector<std::string>& words);

// Blocking, by what is mounted: FailedPrecondition when another pod has a volume that only one pod
// may have.
absl::Status CheckOnlyPod(const std::string& root_dir, const std::string& uid,
                          const PersistentPlan& plan);

// Blocking, by directories and the mount table: names of the volumes at their DevicePoint that no
// pod has a bind of.
absl::StatusOr<std::vector<std::string>> IdleDevices(const std::string& root_dir);

// One run of mount(8).
struct MountCall {
  std::string type, source, target;
  std::vector<std::string> options;
};
MountCall NfsMount(const std::string& pod_dir, const PersistentPlan& plan);
MountCall DeviceMount(const std::string& root_dir, const PersistentPlan& plan);
// `-t nfs -o ro,vers=4 server:/path /target`
std::vector<std::string> Arguments(const MountCall& call);

// Blocking, by the mount table: is anything mounted there? Makes the directory when not.
absl::StatusOr<bool> MountedOrMade(const std::string& target);

}  // namespace kubelet::volume
