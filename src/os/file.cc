#include "kubelet/os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>

#include "kubelet/base/status.h"
#include "os/fd.h"
#include "os/openat2.h"

namespace kubelet::os {
namespace {

FileInfo InfoOf(const struct statx& stat) {
  FileInfo info;
  if (S_ISREG(stat.stx_mode)) info.kind = FileKind::kRegular;
  if (S_ISDIR(stat.stx_mode)) info.kind = FileKind::kDirectory;
  info.id.inode = stat.stx_ino;
  if (stat.stx_mask & STATX_BTIME) {
    info.id.born =
        static_cast<int64_t>(stat.stx_btime.tv_sec) * 1'000'000'000 + stat.stx_btime.tv_nsec;
  }
  return info;
}

absl::StatusOr<struct statx> StatxFd(int fd, const std::string& path) {
  struct statx stat {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &stat) != 0) {
    return base::ErrnoStatus(errno, "stat " + path);
  }
  return stat;
}

bool SameState(const struct statx& a, const struct statx& b) {
  auto same = [](const statx_timestamp& x, const statx_timestamp& y) {
    return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
  };
  return a.stx_size == b.stx_size && same(a.stx_mtime, b.stx_mtime);
}

absl::Status SyncDirectory(const std::string& path) {
  Fd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0) return base::ErrnoStatus(errno, "open " + path);
  if (::fsync(dir.get()) != 0) return base::ErrnoStatus(errno, "fsync " + path);
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, const std::string& data, const std::string& path) {
  for (size_t done = 0; done < data.size();) {
    ssize_t n = ::write(fd, data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ErrnoStatus(errno, "write " + path);
    done += static_cast<size_t>(n);
  }
  if (::fsync(fd) != 0) return base::ErrnoStatus(errno, "fsync " + path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FileInfo> Stat(const std::string& path) {
  struct statx stat {};
  if (statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS | STATX_BTIME, &stat) != 0) {
    return base::ErrnoStatus(errno, "stat " + path);
  }
  return InfoOf(stat);
}

absl::StatusOr<Directory> ListDirectory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOTDIR) return absl::FailedPreconditionError(path + ": not a directory");
  if (fd < 0) return base::ErrnoStatus(errno, "open " + path);
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd), ::closedir);
  if (!dir) {
    int error = errno;
    ::close(fd);
    return base::ErrnoStatus(error, "open " + path);
  }
  ASSIGN_OR_RETURN(auto stat, StatxFd(fd, path));
  Directory out;
  out.id = InfoOf(stat).id;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr && errno != 0) return base::ErrnoStatus(errno, "readdir " + path);
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") out.names.push_back(std::move(name));
  }
  std::sort(out.names.begin(), out.names.end());
  return out;
}

namespace {

// Of a descriptor that was opened without waiting: the name may be a pipe's.
absl::StatusOr<FileText> ReadAll(int fd, const std::string& path, size_t limit) {
  ASSIGN_OR_RETURN(auto before, StatxFd(fd, path));
  FileText out;
  FileInfo info = InfoOf(before);
  if (info.kind != FileKind::kRegular)
    return absl::FailedPreconditionError(path + ": not a regular file");
  out.id = info.id;
  // The size is a hint only; /proc and some network filesystems lie about it.
  out.text.reserve(std::min<size_t>(before.stx_size, limit) + 1);
  char buffer[16384];
  for (;;) {
    ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ErrnoStatus(errno, "read " + path);
    if (n == 0) break;
    out.text.append(buffer, static_cast<size_t>(n));
    if (out.text.size() > limit) {
      return absl::ResourceExhaustedError(path + ": longer than " + std::to_string(limit) +
                                          " bytes");
    }
  }
  ASSIGN_OR_RETURN(auto after, StatxFd(fd, path));
  if (!SameState(before, after))
    return absl::UnavailableError(path + ": changed while it was read");
  return out;
}

}  // namespace

absl::StatusOr<FileText> ReadRegularFile(const std::string& path, size_t limit) {
  ASSIGN_OR_RETURN(FileInfo info, Stat(path));
  if (info.kind != FileKind::kRegular)
    return absl::FailedPreconditionError(path + ": not a regular file");
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return base::ErrnoStatus(errno, "open " + path);
  return ReadAll(file.get(), path, limit);
}

absl::StatusOr<std::string> ReadFileInside(const std::string& root, const std::string& relative,
                                           size_t limit) {
  Fd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return base::ErrnoStatus(errno, "open " + root);
  // Looked at before it is opened: a device is not opened at all.
  Fd found(OpenAt2(directory.get(), relative, O_PATH | O_CLOEXEC,
                   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
  std::string path = root + "/" + relative;
  if (found.get() < 0) return base::ErrnoStatus(errno, "open " + path);
  ASSIGN_OR_RETURN(auto info, StatxFd(found.get(), path));
  if (InfoOf(info).kind != FileKind::kRegular)
    return absl::FailedPreconditionError(path + ": not a regular file");
  std::string link = "/proc/self/fd/" + std::to_string(found.get());
  Fd file(::open(link.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return base::ErrnoStatus(errno, "open " + path);
  ASSIGN_OR_RETURN(FileText text, ReadAll(file.get(), path, limit));
  return std::move(text.text);
}

absl::Status WriteFileAtomic(const std::string& path, const std::string& data, unsigned mode) {
  static std::atomic<uint64_t> sequence{0};
  std::string directory = DirName(path);
  std::string temporary = directory + "/." + BaseName(path) + "." + std::to_string(::getpid()) +
                          "." + std::to_string(++sequence) + ".tmp";
  Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (file.get() < 0) return base::ErrnoStatus(errno, "create " + temporary);
  absl::Status status = WriteAll(file.get(), data, temporary);
  if (::close(file.Release()) != 0 && status.ok())
    status = base::ErrnoStatus(errno, "close " + temporary);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = base::ErrnoStatus(errno, "rename " + temporary + " to " + path);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(directory);
}

absl::Status RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return base::ErrnoStatus(errno, "remove " + path);
}

absl::Status MakeDirectories(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) == 0) return absl::OkStatus();
  int error = errno;
  if (error == ENOENT && DirName(path) != path) {
    RETURN_IF_ERROR(MakeDirectories(DirName(path), mode));
    if (::mkdir(path.c_str(), mode) == 0) return absl::OkStatus();
    error = errno;
  }
  if (error == EEXIST) {
    ASSIGN_OR_RETURN(FileInfo info, Stat(path));
    if (info.kind == FileKind::kDirectory) return absl::OkStatus();
  }
  return base::ErrnoStatus(error, "mkdir " + path);
}

std::string DirName(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string BaseName(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace kubelet::os
