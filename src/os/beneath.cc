#include "kubelet/os/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <utility>

#include "kubelet/base/status.h"

namespace kubelet::os {
namespace {

constexpr int kLinks = 16;

int OpenAt2(int directory, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: something was renamed while the kernel looked.
  for (int i = 0;; ++i) {
    auto fd = static_cast<int>(
        syscall(SYS_openat2, directory, path.empty() ? "." : path.c_str(), &how, sizeof how));
    if (fd >= 0 || errno != EAGAIN || i == 8) return fd;
  }
}

// The first part of `path` that is an absolute link below `root`, replaced; empty: there is none.
std::string FollowLink(int directory, const std::string& root, const std::string& path) {
  for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
    std::string part = path.substr(0, end);
    int fd = OpenAt2(directory, part, O_PATH | O_NOFOLLOW);
    if (fd < 0) return "";
    char target[PATH_MAX];
    ssize_t n = readlinkat(fd, "", target, sizeof target);
    close(fd);
    std::string to(target, n > 0 ? static_cast<size_t>(n) : 0);
    if (!to.empty() && to.front() == '/') {
      if (to.rfind(root + "/", 0) != 0) return "";
      return to.substr(root.size() + 1) + (end == std::string::npos ? "" : path.substr(end));
    }
    if (end == std::string::npos) return "";
  }
}

}  // namespace

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
OpenFile::~OpenFile() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<OpenFile> OpenBeneath(const std::string& root, const std::string& relative) {
  OpenFile directory(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd() < 0) return base::ErrnoStatus(errno, "open " + root);
  std::string path = relative;
  for (int i = 0; i < kLinks; ++i) {
    int fd = OpenAt2(directory.fd(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0) return OpenFile(fd);
    if (errno != EXDEV) break;
    path = FollowLink(directory.fd(), root, path);
    if (path.empty()) errno = EXDEV;
    if (path.empty()) break;
  }
  int error = errno;
  if (error == EXDEV || error == ELOOP)
    return absl::PermissionDeniedError(relative + " leads out of " + root);
  return base::ErrnoStatus(error, "open " + root + "/" + relative);
}

}  // namespace kubelet::os
