// Ids of pods with a user namespace: each has a block of its own out of the node's range, from when
// it starts until nothing of it is left. Facts: pkg/kubelet/userns of 1.36.
//
// The truth is <root>/pods/<uid>/userns, in upstream's form; nothing is remembered, so that a
// restart, or a predecessor, changes nothing. Where upstream refuses to start over a range that
// cannot be used, or over one damaged file, only pods that want new ids are refused here.
//
// Core loop object; files and programs on the BlockingPool (kind `user namespaces`).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/blocking_pool.h"

namespace kubelet::resource {

// `length` ids of the node from `first` on; users and groups alike.
struct IdRange {
  uint64_t first = 0, length = 0;
  bool operator==(const IdRange&) const = default;
};

// Everything above the first block.
IdRange DefaultIdRange(uint32_t ids_per_pod);
// What `getsubids kubelet` and `getsubids -g kubelet` print: one line each, and the same.
absl::StatusOr<IdRange> ParseSubIds(const std::string& uids, const std::string& gids);
// FailedPrecondition: not made of whole blocks, holds the node's own ids, or too few for
// `max_pods`.
absl::Status CheckIdRange(const IdRange& range, uint32_t ids_per_pod, int max_pods);
// The subordinate ids of the user `kubelet`; the default where there is no such user or no
// getsubids. Blocks.
absl::StatusOr<IdRange> FindIdRange(uint32_t ids_per_pod);

std::string EncodeIdFile(const IdRange& block);
// InvalidArgument for anything but one mapping from 0, the same for users and groups.
absl::StatusOr<IdRange> DecodeIdFile(const std::string& text);

struct UserNamespaceOptions {
  std::string root_dir = "/var/lib/kubelet";
  uint32_t ids_per_pod = 65536;  // userNamespaces.idsPerPod
  int max_pods = 110;
  std::function<absl::StatusOr<IdRange>()> find_range;  // empty: FindIdRange
  // Below its argument: where the search for a free block begins, so that ids that were just given
  // back are not taken at once. Empty: by chance.
  std::function<uint64_t(uint64_t)> random;
};

class UserNamespaces {
 public:
  UserNamespaces(base::Executor executor, base::Clock& clock, base::BlockingPool& pool,
                 UserNamespaceOptions options);

  // The block of a pod whose directory is there: the one it has, else a free one, on the disk
  // before this returns. FailedPrecondition: the range cannot be used, its file is damaged, or
  // it has none and that of another pod (named) cannot be read; ResourceExhausted: all are taken.
  base::Task<absl::StatusOr<IdRange>> Ensure(std::string uid);
  // Absent is success.
  base::Task<absl::Status> Release(std::string uid);

 private:
  base::BlockingPool& pool_;
  UserNamespaceOptions options_;
  IdRange range_;           // length 0: not known yet
  base::Semaphore writer_;  // two that choose at a time might choose alike
};

}  // namespace kubelet::resource
