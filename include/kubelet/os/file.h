// Small files on disk: reading one whole with its identity, listing a directory, replacing one
// atomically. Every call blocks: run it through base::BlockingPool, except in command line tools.
// Thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kubelet::os {

// Tells one file or directory from another over time. The birth time keeps a re-used inode number
// apart from its former owner; it is 0 on filesystems without one. The device number is left out on
// purpose: it changes over a reboot or a remount of the same filesystem.
struct FileId {
  uint64_t inode = 0;
  int64_t born = 0;  // nanoseconds since the epoch
  bool operator==(const FileId&) const = default;
  // Strong enough to say "the same file moved": needs a birth time.
  bool Certain() const { return inode != 0 && born != 0; }
};

enum class FileKind { kRegular, kDirectory, kOther };
struct FileInfo {
  FileKind kind = FileKind::kOther;
  FileId id;
};
// Follows symbolic links. NotFound when the name or what it points at is absent.
absl::StatusOr<FileInfo> Stat(const std::string& path);

struct Directory {
  FileId id;
  std::vector<std::string> names;  // sorted by bytes, without . and ..
};
// NotFound, FailedPrecondition when it is not a directory, PermissionDenied, Internal.
absl::StatusOr<Directory> ListDirectory(const std::string& path);

struct FileText {
  std::string text;
  FileId id;
};
// The whole of a regular file, symbolic links followed. FailedPrecondition when it is not a regular
// file (a pipe or device is not opened), ResourceExhausted when longer than `limit` bytes,
// Unavailable when it changed while it was read: read it again.
absl::StatusOr<FileText> ReadRegularFile(const std::string& path, size_t limit);

// A regular file below `root`; links, also absolute ones and `..`, are followed as if `root` were / (openat2 RESOLVE_IN_ROOT). Codes as ReadRegularFile.
absl::StatusOr<std::string> ReadFileInside(const std::string& root, const std::string& relative,
                                           size_t limit);

// Temporary file in the same directory, fsync, rename, fsync of the directory: after a crash the
// file has either the old or the new content. Temporary names start with `.` and end in `.tmp`.
absl::Status WriteFileAtomic(const std::string& path, const std::string& data, unsigned mode);
// Absent is success.
absl::Status RemoveFile(const std::string& path);
// With its parents; existing is success. `mode` goes to the directories that are made.
absl::Status MakeDirectories(const std::string& path, unsigned mode);

// "/a/b" -> "/a", "b" -> ".", "/a" -> "/"
std::string DirName(const std::string& path);
std::string BaseName(const std::string& path);

}  // namespace kubelet::os
