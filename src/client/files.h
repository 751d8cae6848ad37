// Small files for this room, which may not use room os: reading one, replacing one, telling whether
// one changed. Every call blocks: base::BlockingPool. Thread safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kubelet::client {

// What tells one state of a file from another; symbolic links are followed.
struct FileStamp {
  uint64_t inode = 0, size = 0;
  int64_t modified = 0, changed = 0;  // ns since the epoch
  int error = 0;                      // errno when it cannot be looked at
  bool operator==(const FileStamp&) const = default;
};
FileStamp StampOf(const std::string& path);
std::vector<FileStamp> StampsOf(const std::vector<std::string>& paths);

// The whole of a regular file. NotFound, PermissionDenied, FailedPrecondition for what is no
// regular file, ResourceExhausted when longer than a mebibyte.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

// Temporary file beside it, fsync, rename, fsync of the directory: the old or the new content
// survives a crash. Missing directories are made with mode 0755.
absl::Status WriteAtomically(const std::string& path, const std::string& data, unsigned mode);

absl::Status SyncDirectory(const std::string& directory);
// `path` itself when absolute, else below `directory`; empty stays empty.
std::string Below(const std::string& directory, const std::string& path);

}  // namespace kubelet::client
