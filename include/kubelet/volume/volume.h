// Volumes of pods on this machine: what a pod's containers mount is made ready, and taken away when
// the pod is gone. Built so far: emptyDir (disk, memory, huge pages), hostPath, configMap, secret,
// downwardAPI, projected, nfs, claims (also ephemeral) on PersistentVolumes of the kinds local, nfs
// and hostPath (a local one may be a disk, with a filesystem of its own), subPath into them, and
// fsGroup. Facts: pkg/volume/emptydir,
// pkg/volume/hostpath, pkg/kubelet/kubelet_volumes.go of 1.36.
//
// Layout below <root>/pods/<uid>: volumes/kubernetes.io~empty-dir/<name>,
// plugins/kubernetes.io~empty-dir/<name>/ready, volume-subpaths/<volume>/<container>/<index>.
// The filesystem of a local volume that is a disk:
// <root>/plugins/kubernetes.io/local-volume/mounts. Nothing is remembered: the mount table and the
// directories are asked, so that a restart, or a predecessor, changes nothing.
//
// Core loop object. File work runs on the BlockingPool, but never what may ask another machine
// (os::MayHang): that runs in a process of its own (os::ChildCalls), which is killed at its
// deadline. A mount that does not answer delays its own pod; while a look at it is under way for
// more than a second, other pods that need it get Unavailable at once and hold neither thread nor
// process.
//
// A volume that failed is tried again after 500 ms, doubling to 2 min 2 s (operations.h), and the
// others of the pod go on meanwhile. When what it failed on answers again, or something else is
// mounted there, the pod is woken (places.h).
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
#include "kubelet/api/downward.h"
#include "kubelet/api/types.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/os/child_call.h"
#include "kubelet/os/disk_usage.h"
#include "kubelet/os/mountinfo.h"
#include "kubelet/volume/objects.h"

namespace kubelet::volume {

struct PersistentPlan;
struct VolumePlan;
struct MountCall;
struct DiskProgram;
struct Place;
class Places;

struct VolumeOptions {
  std::string root_dir = "/var/lib/kubelet";
  // Where API volumes come from; null: there is no API server, and a pod that needs one is refused.
  Objects* objects = nullptr;
  // The same for static pods; null: as for all others.
  Objects* static_objects = nullptr;
  // For resourceFieldRef, and the most that a memory volume may hold. Empty: only what the pod says
  // limits that.
  std::function<api::NodeAllocatable()> allocatable;
  // The node's labels, for nodeAffinity of PersistentVolumes; Unavailable: not known yet. Empty:
  // all volumes fit.
  std::function<absl::StatusOr<std::map<std::string, std::string>>()> node_labels;
  std::chrono::seconds host_path_timeout{30};
  std::chrono::seconds prepare_timeout{120};
  std::chrono::seconds teardown_timeout{120};
  std::chrono::seconds unmount_timeout{30};  // of what may hang; then it is detached
  // So long at a time files of a pod that is gone are removed; then others have their turn.
  std::chrono::milliseconds removal_turn{500};
  os::ChildCalls::Options children;
  base::Registry* metrics = nullptr;
  // FailedMount and the like. `pod` is null when its volumes are being taken away.
  std::function<void(const std::string& uid, const api::core::Pod* pod, const std::string& reason,
                     const std::string& message)>
      on_event;
  // A pod whose volume failed may try again at once: what it failed on answers.
  std::function<void(const std::string& uid)> on_ready;
  // Called on the pool thread before a host path is looked at, or files below it are removed: a
  // test lets it hang.
  std::function<void(const std::string& path)> before_look;
  std::string mount_program = "mount";  // mount(8), for what needs a helper: nfs
};

struct VolumePath {
  std::string host_path;
  bool selinux_relabel = false;  // ours to relabel: not for host paths
  std::optional<int64_t> group;  // PersistentVolume annotation pv.beta.kubernetes.io/gid
};
// By volume name.
using VolumeMap = std::map<std::string, VolumePath>;

class PodVolumes {
 public:
  PodVolumes(base::Executor executor, base::Clock& clock, base::BlockingPool& pool,
             VolumeOptions options);
  ~PodVolumes();

  // The volumes that some container of the pod mounts; again whenever a container is started.
  // FailedPrecondition: a kind that is not built or a host path of the wrong type, with pod and
  // volume; Unavailable and DeadlineExceeded: try again later.
  base::Task<absl::StatusOr<VolumeMap>> Prepare(api::PodPtr pod);

  // Sub paths of one container, by index of the mount, in volumes that are prepared; what each
  // leads to is made when it is not there, and bound below the pod's directory: those places.
  // FailedPrecondition tells no more than volume and container, the log has the cause (a path that
  // leads out, by a link perhaps); else as Prepare.
  base::Task<absl::StatusOr<std::map<int, std::string>>> PrepareSubPaths(
      api::PodPtr pod, std::string container, std::map<int, std::string> paths);
  // A regular file of at most 1 MiB inside a prepared volume, for fileKeyRef. Links are followed as
  // if the volume were the root.
  base::Task<absl::StatusOr<std::string>> ReadFile(api::PodPtr pod, std::string volume,
                                                   std::string path);

  // Brings the API volumes that are set up already to what their objects hold now; nothing else is
  // touched. After an object changed, or when RefreshAt has come. Volumes that cannot be renewed
  // keep what they have: the status names the first.
  base::Task<absl::Status> Refresh(api::PodPtr pod);
  // When a token in a volume of this pod wants to be renewed; nullopt: none does.
  std::optional<base::WallTime> RefreshAt(const std::string& uid) const;

  // When a volume of the pod that failed may be tried again; nullopt: none failed.
  std::optional<base::MonoTime> RetryAt(const std::string& uid) const;
  // What it waits for may be there now: no delay counts any more.
  void RetryNow(const std::string& uid);

  // Unmounts what the mount table shows below the pod's directory, then removes volumes, sub paths
  // and markers. Never crosses a mount point, and removes no file of a volume kind that it did not
  // make. When nothing of the pod runs any more. Takes as long as there are files; meanwhile the
  // volumes of others are set up and taken away. Absent is success; Unavailable or
  // FailedPrecondition name what is in the way.
  base::Task<absl::Status> Teardown(std::string uid);

  // In words, for `kubelet explain`: what is wrong with the volumes of this pod, also what has not
  // answered it for more than a second; and mounts that do not answer and pods that are gone (not
  // `known`) whose volumes stay. Empty as a rule.
  std::vector<std::string> Explain(const std::string& uid) const;
  std::vector<std::string> ExplainNode(
      const std::function<bool(const std::string& uid)>& known) const;

  // Once, at the start: counts the volumes that an earlier kubelet left, for the metrics. Those of
  // a kind that is not served here cannot be taken over; they count as cleaned by force when their
  // pod is torn down.
  base::Task<void> CountFound();

  // For calls of others that may hang.
  os::ChildCalls& calls() { return calls_; }

  // Room on the file systems and devices of their own that the pod has mounted: claims and nfs.
  // What does not answer within seconds is left out. A claim that was not resolved since the start
  // is, by two GETs.
  struct Room {
    std::string volume, claim;  // name of the claim; empty: none
    os::Filesystem room;
    bool device = false;  // its size is all that can be told
    base::Nanos took{};   // to find out
  };
  base::Task<std::vector<Room>> Rooms(api::PodPtr pod);

  // status.volumesInUse of the node: unique names of the attachable volumes that pods here use or
  // wait for, sorted. Empty until a kind is served that is attached (CSI, iSCSI, FC).
  std::vector<std::string> VolumesInUse() const;

  // Pods that have a directory and are not in `live`.
  base::Task<absl::StatusOr<std::set<std::string>>> Orphans(std::set<std::string> live);

 private:
  struct State;
  template <typename T>
  base::Task<absl::StatusOr<T>> Tracked(std::string kind, std::string key,
                                        std::chrono::seconds timeout,
                                        std::function<absl::StatusOr<T>()> work);
  // A look at a path on this machine's own disks; refused at once while an earlier one with this
  // key has no answer.
  template <typename T>
  base::Task<absl::StatusOr<T>> LookAt(std::string key, std::function<absl::StatusOr<T>()> work);
  base::Task<absl::StatusOr<std::string>> PrepareSubPath(api::PodPtr pod,
                                                         const api::core::Volume* volume,
                                                         std::string path, std::string target);
  base::Task<absl::Status> PrepareHostPath(api::PodPtr pod, std::string volume,
                                           std::string mount_point, std::shared_ptr<VolumeMap> out);
  // The mount that a look at this path may hang on (os::MayHang).
  base::Task<absl::StatusOr<std::optional<os::Mount>>> MayHangAt(std::string path);
  // A call in a child about a path on `mount`. A pod that fails because of what is at `looked_for`
  // tries again when something else is mounted there.
  base::Task<absl::StatusOr<std::string>> CallOn(os::Mount mount, api::PodPtr pod,
                                                 std::string volume, std::string call,
                                                 std::vector<std::string> args,
                                                 std::string looked_for);
  // Binds a local volume of a pod with an fsGroup. The first pod that has it mounted gives its
  // files to the group, once, also when it is interrupted; for every other they stay as they are,
  // and the event AlreadyMountedVolume tells when it has another group (pkg/volume/local/local.go
  // SetUpAt of 1.36).
  base::Task<absl::Status> BindForGroup(api::PodPtr pod, std::string volume, std::string dir);
  base::Task<absl::Status> SettleGroup(api::PodPtr pod, std::string volume, std::string dir);
  base::Task<absl::Status> TellGroup(api::PodPtr pod, std::string volume, std::string dir);
  // Everything below `dir` (a volume of the pod that is mounted) goes to the pod's fsGroup, in a
  // child with several threads; goes on where an earlier attempt was killed.
  base::Task<absl::Status> GiveToGroup(api::PodPtr pod, std::string volume, std::string dir);
  struct Round;
  // One volume's turn: `work` when it may be tried, and what became of it.
  base::Task<void> Attempt(std::shared_ptr<Round> round, std::string volume,
                           base::Task<absl::Status> work);
  base::Task<void> PrepareLocal(std::shared_ptr<Round> round);
  // What is left when nothing is mounted any more.
  base::Task<absl::Status> RemoveFiles(std::string uid);
  base::Task<absl::Status> UnmountHanging(std::string uid, std::string pod_dir);
  base::Task<absl::Status> UnmountInChild(std::string uid, os::Mount mount);
  base::Task<absl::StatusOr<std::vector<os::Mount>>> MountsLeft(std::string dir);

  // persistent_volumes.cc: claims and nfs volumes.
  base::Task<absl::Status> PreparePersistent(api::PodPtr pod, std::string volume,
                                             std::shared_ptr<VolumeMap> out);
  base::Task<absl::Status> PlanOf(api::PodPtr pod, std::string volume);
  base::Task<absl::Status> BindLocal(api::PodPtr pod, std::string volume);
  // bind.cc: BindPersistent or MapBlock, by a child where the path may hang.
  base::Task<absl::StatusOr<bool>> BindAtPath(api::PodPtr pod, std::string volume,
                                              PersistentPlan plan);
  base::Task<absl::Status> MountNfs(api::PodPtr pod, std::string volume);
  base::Task<absl::Status> RunMount(std::string about, MountCall call);
  void CountForced(const std::string& uid, bool good);
  // device_mounts.cc: local volumes on block devices.
  std::shared_ptr<base::Semaphore> DeviceTurn(const std::string& volume);
  base::Task<absl::Status> BindDevice(api::PodPtr pod, std::string volume);
  base::Task<absl::Status> MountDevice(api::PodPtr pod, std::string volume, PersistentPlan plan);
  base::Task<absl::Status> PrepareDisk(api::PodPtr pod, std::string volume, PersistentPlan plan);
  base::Task<absl::Status> FormatDisk(api::PodPtr pod, std::string volume, PersistentPlan plan);
  base::Task<absl::StatusOr<os::ProcessResult>> RunOnDisk(api::PodPtr pod, std::string volume,
                                                          PersistentPlan plan, DiskProgram program,
                                                          std::string doing);
  base::Task<absl::Status> ReleaseDevices(std::string uid, std::vector<std::string> names);
  base::Task<absl::Status> UnmountDevice(std::string uid, std::string name);
  // rooms.cc: what Prepare knows, or what is found out without it. A pod that is being torn down
  // is not remembered.
  base::Task<absl::StatusOr<PersistentPlan>> PlanForRoom(api::PodPtr pod, std::string volume);
  base::Task<absl::StatusOr<os::Filesystem>> RoomOn(os::Mount mount, std::string about);

  absl::StatusOr<VolumePlan> PlanOfPod(const api::core::Pod& pod) const;
  Objects* ObjectsOf(const api::core::Pod& pod) const;
  base::Task<absl::Status> FillApiVolume(api::PodPtr pod, std::string volume, bool only_existing,
                                         std::shared_ptr<VolumeMap> out);

  base::Executor executor_;
  base::Clock& clock_;
  base::BlockingPool& pool_;
  VolumeOptions options_;
  os::ChildCalls calls_;
  std::shared_ptr<State> state_;  // shared with work that outlives its deadline
  std::shared_ptr<Places> places_;
};

}  // namespace kubelet::volume
