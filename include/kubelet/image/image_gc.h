// Garbage collection of images: every five minutes those unused for too long, and, when the disk is
// too full, the longest unused ones until it is not. Core loop only. Facts:
// pkg/kubelet/images/image_gc_manager.go and Kubelet.StartGarbageCollection of 1.36.
//
// An image is kept while it is pinned, while any container there is was made from it or mounts it,
// or while a pod that is wanted here names it (upstream looks at containers only, and may remove
// what is just about to be started). A round in which it is not known what is used removes nothing.
// A disk that is full of other things is told once, and again when the words change or an hour has
// passed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/base/metrics.h"
#include "kubelet/image/image_list.h"
#include "kubelet/runtime/container_runtime.h"

namespace kubelet::image {

struct UsedImages {
  std::set<std::string> ids;         // of containers and of their image volumes
  std::set<std::string> references;  // as written in pods that are wanted here
};
// Adds the images of its containers and image volumes.
void AddReferences(const api::core::Pod& pod, UsedImages& used);

struct DiskSpace {
  int64_t capacity_bytes = 0, available_bytes = 0;  // available: to the unprivileged
};

class ImageGc {
 public:
  struct Options {
    base::Nanos min_age = std::chrono::minutes(2);  // imageMinimumGCAge
    base::Nanos max_age{0};                         // imageMaximumGCAge; 0: none
    int high_percent = 85,
        low_percent = 80;  // imageGCHighThresholdPercent, imageGCLowThresholdPercent
    base::Nanos first = std::chrono::minutes(1);  // nothing is old enough before
    base::Nanos period = std::chrono::minutes(5);
    base::Nanos repeat_event = std::chrono::hours(1);
    // Neither threshold nor age: there is nothing to do, ever.
    bool Off() const { return high_percent >= 100 && max_age <= base::Nanos(0); }
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    runtime::ImageService& service;
    ImageList& list;
    // nullopt: not known now.
    std::function<std::optional<UsedImages>()> used;
    // Of the filesystem that this path is on.
    std::function<base::Task<absl::StatusOr<DiskSpace>>(std::string path)> space;
    // About the node: FreeDiskSpaceFailed, InvalidDiskCapacity, ImageGCFailed.
    std::function<void(const std::string& reason, const std::string& message)> on_warning;
    // After removals: ids that are left; of others, what is older than `since` may be forgotten.
    std::function<base::Task<void>(std::set<std::string> left, base::WallTime since)> on_removed;
    base::Registry* metrics = nullptr;
  };
  ImageGc(Deps deps, Options options);
  ~ImageGc();

  // A round soon, and one every period. Does nothing at all when Off.
  void Start();
  // One round. Unavailable: the runtime or the disk cannot be asked; ResourceExhausted: the disk
  // stays too full.
  base::Task<absl::Status> Collect();
  // Everything unused that is old enough, for a node under disk pressure.
  base::Task<absl::Status> RemoveUnused();

 private:
  struct State;
  base::Task<void> Loop();
  base::Task<absl::Status> Look();
  base::Task<absl::StatusOr<DiskSpace>> Space();
  base::Task<absl::Status> RemoveOld();
  base::Task<absl::Status> Free(int64_t bytes, int64_t* freed);
  base::Task<absl::Status> Remove(std::string id, const char* reason);
  base::Task<void> TellRemoved(base::WallTime since);
  absl::Status TooFull(const DiskSpace& space, int64_t freed);
  void Warn(const std::string& reason, const std::string& message);

  Deps deps_;
  Options options_;
  std::unique_ptr<State> state_;
  base::TaskScope scope_;
};

}  // namespace kubelet::image
