// What resources pods were admitted with, or run with, on disk: <root>/allocated_pods_state and
// <root>/actuated_pods_state, in upstream's format, so that a node may change kubelets either way.
//
//   {"data":"{\"entries\":{UID:{\"ContainerResources\":{NAME:ResourceRequirements},\"PodLevelResources\":…}}}",
//    "checksum":N}        N: FNV-1a 32 of `(string)` + data   (pkg/kubelet/allocation/state, 1.36)
//
// Core loop object; writing is given to it (WriteOn: the BlockingPool, kind `allocations`). Changes
// are kept at once and written soon, those of one moment together; a file that cannot be written is
// told and tried again. Losing the last writes does no harm: what is missing is asked of the
// runtime, or decided anew.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/promise.h"

namespace kubelet::resource {

struct PodAllocation {
  std::map<std::string, api::core::ResourceRequirements> containers;
  std::optional<api::core::ResourceRequirements> pod_level;
};
using AllocationMap = std::map<std::string, PodAllocation>;  // by uid

std::string EncodeAllocations(const AllocationMap& pods);
// InvalidArgument says what is wrong: no JSON, another checksum, resources that do not parse. What
// we do not know of is passed over.
absl::StatusOr<AllocationMap> DecodeAllocations(const std::string& text);

// Replaces the file by the text, atomically.
using WriteFile = std::function<base::Task<absl::Status>(std::string path, std::string text)>;
WriteFile WriteOn(base::BlockingPool& pool);

class AllocationFile {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    WriteFile write;
  };
  AllocationFile(Deps deps, std::string path);

  // Blocks; once, before the loop runs. A bad file is logged and renamed to `<path>.bad`: the next
  // start finds none, and somebody can look at it.
  void Load();
  const PodAllocation* Get(const std::string& uid) const;
  const AllocationMap& all() const { return pods_; }
  void Set(const std::string& uid, PodAllocation allocation);
  void SetContainer(const std::string& uid, const std::string& name,
                    api::core::ResourceRequirements resources);
  void SetPodLevel(const std::string& uid, api::core::ResourceRequirements resources);
  // Both go to disk with the next change.
  void Remove(const std::string& uid) { pods_.erase(uid); }
  void KeepOnly(const std::set<std::string>& uids);
  // Returns when everything set before is on disk, or could not be written once (that is logged).
  base::Task<void> Flushed();

 private:
  void WriteSoon();
  base::Task<void> Write();

  Deps deps_;
  std::string path_;
  AllocationMap pods_;
  uint64_t written_ = 0;  // hash of the text that the file is known to have
  bool dirty_ = false, writing_ = false;
  std::vector<base::Promise<bool>> waiting_;
  base::TaskScope scope_;
};

}  // namespace kubelet::resource
