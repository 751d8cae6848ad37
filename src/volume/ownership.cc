#include "volume/ownership.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "kubelet/base/status.h"

namespace kubelet::volume {
namespace {

constexpr int kMaxDepth = 2000;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

mode_t Needed(const FsGroup& wanted, bool directory) {
  mode_t mode = wanted.read_only ? 0440 : 0660;
  return directory ? mode | S_ISGID | 0110 : mode;
}

// `fd` was opened with O_PATH and O_NOFOLLOW, so it is the thing itself.
absl::Status Change(int fd, const FsGroup& wanted, const std::string& path) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return base::ErrnoStatus(errno, "stat " + path);
  auto group = static_cast<gid_t>(wanted.group);
  if (info.st_gid != group &&
      fchownat(fd, "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
    return base::ErrnoStatus(errno, "give " + path + " to fsGroup " + std::to_string(wanted.group));
  // The mode of a link means nothing, and changing it would change what it points at.
  if (S_ISLNK(info.st_mode)) return absl::OkStatus();
  mode_t mode = (info.st_mode & 07777) | Needed(wanted, S_ISDIR(info.st_mode));
  // Also when it looks the same: a change of owner drops set-id bits.
  std::string self = "/proc/self/fd/" + std::to_string(fd);
  if (chmod(self.c_str(), mode) != 0) return base::ErrnoStatus(errno, "chmod " + path);
  return absl::OkStatus();
}

absl::Status Walk(int parent, const std::string& name, const FsGroup& wanted,
                  const std::string& path, int depth) {
  if (depth > kMaxDepth) return absl::ResourceExhaustedError(path + ": nested too deep");
  Fd self(openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (self.get() < 0 && errno == ENOENT && depth > 0) return absl::OkStatus();
  if (self.get() < 0) return base::ErrnoStatus(errno, "open " + path);
  int list = openat(self.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (list >= 0) {
    std::unique_ptr<DIR, int (*)(DIR*)> entries(fdopendir(list), closedir);
    if (!entries) {
      close(list);
      return base::ErrnoStatus(errno, "list " + path);
    }
    while (const dirent* entry = readdir(entries.get())) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      RETURN_IF_ERROR(
          Walk(self.get(), entry->d_name, wanted, path + "/" + entry->d_name, depth + 1));
    }
  } else if (errno != ENOTDIR) {
    return base::ErrnoStatus(errno, "list " + path);
  }
  return Change(self.get(), wanted, path);
}

bool RootMatches(const std::string& dir, const FsGroup& wanted) {
  struct stat info {};
  if (stat(dir.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return false;
  mode_t needed = Needed(wanted, true);
  return info.st_gid == static_cast<gid_t>(wanted.group) && (info.st_mode & needed) == needed;
}

}  // namespace

absl::Status ApplyFsGroup(const std::string& dir, const FsGroup& wanted) {
  if (wanted.only_on_root_mismatch && RootMatches(dir, wanted)) return absl::OkStatus();
  return Walk(AT_FDCWD, dir, wanted, dir, 0);
}

}  // namespace kubelet::volume
