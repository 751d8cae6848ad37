// What lies below the node's log directory, as /logs/ shows it. Blocking.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/os/beneath.h"

namespace kubelet::server {

struct NodeFile {
  std::shared_ptr<os::OpenFile> file;  // null: a directory
  int64_t size = 0;                    // what is shown of a file: as much as there was
  std::string type;                    // content type
  std::string listing;                 // of a directory, as Go's file server has it
};
// NotFound; PermissionDenied: it leads out of `root`, or is neither file nor directory.
absl::StatusOr<NodeFile> OpenNodeFile(const std::string& root, const std::string& relative);
// At most `most` bytes from `offset`; empty: the end.
absl::StatusOr<std::string> ReadNodeFile(const NodeFile& file, int64_t offset, size_t most);

}  // namespace kubelet::server
