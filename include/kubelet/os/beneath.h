// Opening what lies below a directory, and nothing else. Blocking; thread safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace kubelet::os {

// An open descriptor, closed with the object.
class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  OpenFile& operator=(OpenFile&& other) noexcept;
  ~OpenFile();
  int fd() const { return fd_; }

 private:
  int fd_;
};

// `relative` below `root`, for reading; a pipe or device does not block. Symbolic links are
// followed as long as they stay below `root`: relative ones by the kernel (openat2 RESOLVE_BENEATH,
// which also holds against changes meanwhile), absolute ones when they begin with `root`. NotFound;
// PermissionDenied: it leads out of `root`, or is not to be read.
absl::StatusOr<OpenFile> OpenBeneath(const std::string& root, const std::string& relative);

}  // namespace kubelet::os
