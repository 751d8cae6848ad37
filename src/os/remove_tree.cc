#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <vector>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "os/fd.h"
#include "os/openat2.h"

namespace kubelet::os {

int OpenAt2(int dir_fd, const std::string& path, int flags, uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags);
  how.resolve = resolve;
  int fd = -1;
  for (int attempt = 0; attempt < 16; ++attempt) {
    fd = static_cast<int>(syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return fd;
}

namespace {

// Deeper directories are moved up to the top before they are emptied: a descriptor a level is all
// that may be open.
constexpr int kMaxDepth = 64;

// A directory may have millions of entries: so many names are held at a time.
constexpr size_t kBatch = 4096;
// Another removal, or an earlier part of this one, may have used the same names.
constexpr int kMaxNames = 1000;

using Clock = std::chrono::steady_clock;

// The directory that is being removed, and how many of the deep ones were moved into it so far.
struct Top {
  int fd = -1;
  int moved = 0, number = 0;
  bool files = true;  // false: directories only
  Clock::time_point until = Clock::time_point::max();
  bool late = false;  // all return at once
  void Removed() {
    if (until != Clock::time_point::max()) late = Clock::now() >= until;
  }
};

absl::Status MountPoint(const std::string& path) {
  return absl::FailedPreconditionError(path + " is a mount point: not removed, nor what is in it");
}

std::vector<std::pair<std::string, bool>> Entries(DIR* dir, size_t most) {
  std::vector<std::pair<std::string, bool>> out;
  while (out.size() < most) {
    const dirent* entry = readdir(dir);
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool is_dir = entry->d_type == DT_DIR;
    struct stat info {};
    if (entry->d_type == DT_UNKNOWN &&
        fstatat(dirfd(dir), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
      is_dir = S_ISDIR(info.st_mode);
    }
    out.emplace_back(name, is_dir);
  }
  return out;
}

absl::Status RemoveEntry(int parent, const std::string& name, bool is_dir, const std::string& path,
                         int depth, Top& top);

// Empties the directory; goes on after a failure and reports the first. What cannot go is read
// again with every batch.
absl::Status Empty(int fd, const std::string& path, int depth, Top& top) {
  absl::Status first;
  size_t stay = 0;
  for (bool more = true; more;) {
    Fd own(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR* dir = own.ok() ? fdopendir(own.get()) : nullptr;
    if (dir == nullptr) return base::ErrnoStatus(errno, "list " + path);
    own.Release();
    size_t most = kBatch + stay;
    auto entries = Entries(dir, most);
    closedir(dir);
    stay = 0;
    for (const auto& [name, is_dir] : entries) {
      auto status = RemoveEntry(fd, name, is_dir, path + "/" + name, depth + 1, top);
      if (top.late) return first;
      if (!status.ok()) ++stay;
      if (first.ok()) first = status;
    }
    more = entries.size() == most && stay < most;
  }
  return first;
}

bool MoveUp(int parent, const std::string& name, Top& top) {
  for (int i = 0; i < kMaxNames; ++i) {
    std::string moved = ".deep-" + std::to_string(++top.number) + "-" + std::to_string(getpid());
    // Somebody else's entry of that name is not replaced: rename only replaces an empty directory.
    if (renameat(parent, name.c_str(), top.fd, moved.c_str()) == 0) {
      ++top.moved;
      return true;
    }
    if (errno != EEXIST && errno != ENOTEMPTY) return false;
  }
  return false;
}

absl::Status RemoveEntry(int parent, const std::string& name, bool is_dir, const std::string& path,
                         int depth, Top& top) {
  if (!is_dir && !top.files)
    return absl::FailedPreconditionError(path + " is not a directory: not removed");
  if (!is_dir) {
    if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) {
      top.Removed();
      return absl::OkStatus();
    }
    if (errno == EBUSY) return MountPoint(path);
    if (errno != EISDIR) return base::ErrnoStatus(errno, "unlink " + path);
  }
  if (depth >= kMaxDepth && MoveUp(parent, name, top)) return absl::OkStatus();
  Fd fd(OpenAt2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS));
  if (!fd.ok()) {
    if (errno == ENOENT) return absl::OkStatus();
    if (errno == EXDEV) return MountPoint(path);
    return base::ErrnoStatus(errno, "open " + path);
  }
  if (depth == 0) top.fd = fd.get();
  absl::Status status;
  int before;
  do {
    before = top.moved;
    status = Empty(fd.get(), path, depth, top);
    if (top.late) return absl::OkStatus();
  } while (depth == 0 && top.moved != before);
  if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    if (depth > 0) top.Removed();
    return absl::OkStatus();
  }
  if (!status.ok()) return status;
  return errno == EBUSY ? MountPoint(path) : base::ErrnoStatus(errno, "rmdir " + path);
}

absl::StatusOr<bool> Remove(const std::string& path, bool files,
                            Clock::time_point until = Clock::time_point::max()) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos || path.size() == slash + 1) {
    return absl::InvalidArgumentError("remove `" + path +
                                      "`: not an absolute path without a final slash");
  }
  std::string parent_path = slash == 0 ? "/" : path.substr(0, slash);
  Fd parent(open(parent_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent.ok() && errno == ENOENT) return true;
  if (!parent.ok()) return base::ErrnoStatus(errno, "open " + parent_path);
  std::string name = path.substr(slash + 1);
  struct stat info {};
  if (fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return true;
    return base::ErrnoStatus(errno, "stat " + path);
  }
  Top top;
  top.files = files;
  top.until = until;
  RETURN_IF_ERROR(RemoveEntry(parent.get(), name, S_ISDIR(info.st_mode), path, 0, top));
  return !top.late;
}

}  // namespace

absl::Status RemoveTree(const std::string& path) { return Remove(path, true).status(); }

absl::StatusOr<bool> RemoveTreeUntil(const std::string& path, Clock::time_point until) {
  return Remove(path, true, until);
}

absl::Status RemoveDirectories(const std::string& path) { return Remove(path, false).status(); }

}  // namespace kubelet::os
