// Volumes of pods on this machine: what a pod's containers mount is made ready, and taken away when
// the pod is gone. Built so far: emptyDir (disk, memory, huge pages), hostPath, configMap, secret,
// downwardAPI, projected, subPath into them, and fsGroup. Facts: pkg/volume/emptydir, pkg/volume/hostpath,
// pkg/kubelet/kubelet_volumes.go of 1.36.
//
// Layout below <root>/pods/<uid>: volumes/kubernetes.io~empty-dir/<name>,
// plugins/kubernetes.io~empty-dir/<name>/ready, volume-subpaths/<volume>/<container>/<index>.
// Nothing is remembered: the mount table and the directories are asked, so that a restart, or a
// predecessor, changes nothing.
//
// Core loop object. File work runs on the BlockingPool: kind `volume`, and `hostPath` for what may
// hang. A host path on a mount that does not answer delays its own pod; while a look at that mount
// is under way for more than a second, other pods that need it get Unavailable at once and hold no
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/api/downward.h"
#include "kubelet/api/types.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/volume/objects.h"

namespace kubelet::volume {

struct VolumeOptions {
  std::string root_dir = "/var/lib/kubelet";
  // Most that a memory volume may hold: the node's allocatable memory; 0: only what the pod says
  // limits it.
  int64_t memory_bytes = 0;
  // Where API volumes come from; null: there is no API server, and a pod that needs one is refused.
  Objects* objects = nullptr;
  std::function<api::NodeAllocatable()> allocatable;  // for resourceFieldRef; may be empty
  std::chrono::seconds host_path_timeout{30};
  std::chrono::seconds prepare_timeout{120};
  std::chrono::seconds teardown_timeout{120};
  // Called on the pool thread before a host path is looked at: a test lets it hang.
  std::function<void(const std::string& path)> before_look;
};

struct VolumePath {
  std::string host_path;
  bool selinux_relabel = false;  // ours to relabel: not for host paths
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

  // Unmounts what the mount table shows below the pod's directory, then removes volumes, sub paths
  // and markers. Never crosses a mount point, and removes no file of a volume kind that it did not
  // make. When nothing of the pod runs any more. Absent is success; Unavailable or
  // FailedPrecondition name what is in the way.
  base::Task<absl::Status> Teardown(std::string uid);

  // Pods that have a directory and are not in `live`.
  base::Task<absl::StatusOr<std::set<std::string>>> Orphans(std::set<std::string> live);

 private:
  struct State;
  template <typename T>
  base::Task<absl::StatusOr<T>> Tracked(std::string kind, std::string key,
                                        std::chrono::seconds timeout,
                                        std::function<absl::StatusOr<T>()> work);
  base::Task<absl::StatusOr<std::string>> PrepareSubPath(api::PodPtr pod,
                                                         const api::core::Volume* volume,
                                                         std::string path, std::string target);
  base::Task<absl::Status> PrepareHostPath(api::PodPtr pod, std::string volume,
                                           std::string mount_point, std::shared_ptr<VolumeMap> out);

  base::Task<absl::Status> FillApiVolume(api::PodPtr pod, std::string volume, bool only_existing,
                                         std::shared_ptr<VolumeMap> out);

  base::Executor executor_;
  base::Clock& clock_;
  base::BlockingPool& pool_;
  VolumeOptions options_;
  std::shared_ptr<State> state_;  // shared with work that outlives its deadline
};

}  // namespace kubelet::volume
