#include "os/fd.h"

#include <fcntl.h>

#include <cerrno>

#include "kubelet/base/status.h"

namespace kubelet::os {

absl::StatusOr<std::string> ReadSmallFile(int dir_fd, const std::string& path,
                                          const std::string& name) {
  constexpr size_t kLimit = 16 << 20;
  Fd fd(openat(dir_fd, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return base::ErrnoStatus(errno, "open " + name);
  std::string text;
  char buffer[16384];
  for (;;) {
    ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ErrnoStatus(errno, "read " + name);
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kLimit)
      return absl::ResourceExhaustedError("read " + name + ": longer than 16 MiB");
  }
}

absl::Status WriteValue(int dir_fd, const std::string& path, const std::string& name,
                        const std::string& text, int* error) {
  if (error != nullptr) *error = 0;
  auto failed = [&](int code) {
    if (error != nullptr) *error = code;
    return base::ErrnoStatus(code, "write " + text + " to " + name);
  };
  Fd fd(openat(dir_fd, path.c_str(), O_WRONLY | O_CLOEXEC | O_TRUNC));
  if (!fd.ok()) return failed(errno);
  ssize_t n;
  do {
    n = write(fd.get(), text.data(), text.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return failed(errno);
  if (static_cast<size_t>(n) != text.size()) return failed(EIO);
  return absl::OkStatus();
}

std::string Trim(const std::string& text) {
  const char* space = " \t\r\n";
  size_t start = text.find_first_not_of(space);
  if (start == std::string::npos) return "";
  return text.substr(start, text.find_last_not_of(space) - start + 1);
}

}  // namespace kubelet::os
