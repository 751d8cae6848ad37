// Descriptors and small kernel files. Internal to the room; everything blocks.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kubelet::os {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { Close(); }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  void Close() {
    if (fd_ >= 0) close(fd_);
  }
  int fd_ = -1;
};

// The whole of `path` under `dir_fd`; `name` is what a message calls it. ResourceExhausted above 16
// MiB.
absl::StatusOr<std::string> ReadSmallFile(int dir_fd, const std::string& path,
                                          const std::string& name);

// One write(2) of `text` into a file that is there. The message says what was to be written where;
// the code is that of base::ErrnoStatus, and `error` (when given) receives the errno.
absl::Status WriteValue(int dir_fd, const std::string& path, const std::string& name,
                        const std::string& text, int* error = nullptr);

// Without leading and trailing white space.
std::string Trim(const std::string& text);

}  // namespace kubelet::os
