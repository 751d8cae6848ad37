#include "client/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLimit = 1 << 20;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

int64_t NanosOf(const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

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

FileStamp StampOf(const std::string& path) {
  FileStamp stamp;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    stamp.error = errno;
    return stamp;
  }
  stamp.inode = info.st_ino;
  stamp.size = static_cast<uint64_t>(info.st_size);
  stamp.modified = NanosOf(info.st_mtim);
  stamp.changed = NanosOf(info.st_ctim);
  return stamp;
}

std::vector<FileStamp> StampsOf(const std::vector<std::string>& paths) {
  std::vector<FileStamp> out;
  out.reserve(paths.size());
  for (const auto& path : paths) out.push_back(StampOf(path));
  return out;
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  // O_NONBLOCK: a pipe is not waited for.
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return base::ErrnoStatus(errno, "open " + path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return base::ErrnoStatus(errno, "stat " + path);
  if (!S_ISREG(info.st_mode)) return absl::FailedPreconditionError(path + ": not a regular file");
  std::string text;
  char buffer[16384];
  for (;;) {
    ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ErrnoStatus(errno, "read " + path);
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kLimit)
      return absl::ResourceExhaustedError(path + ": longer than " + std::to_string(kLimit) +
                                          " bytes");
  }
}

absl::Status SyncDirectory(const std::string& directory) {
  Fd dir(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0) return base::ErrnoStatus(errno, "open " + directory);
  if (::fsync(dir.get()) != 0) return base::ErrnoStatus(errno, "fsync " + directory);
  return absl::OkStatus();
}

absl::Status WriteAtomically(const std::string& path, const std::string& data, unsigned mode) {
  static std::atomic<uint64_t> sequence{0};
  fs::path target(path);
  std::string directory = target.has_parent_path() ? target.parent_path().string() : ".";
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed) return base::ErrnoStatus(failed.value(), "mkdir " + directory);
  std::string temporary = directory + "/." + target.filename().string() + "." +
                          std::to_string(::getpid()) + "." + std::to_string(++sequence) + ".tmp";
  absl::Status status;
  {
    Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file.get() < 0) return base::ErrnoStatus(errno, "open " + temporary);
    // The umask must not decide who reads a certificate, nor a leftover's mode who reads a key.
    if (::fchmod(file.get(), mode) != 0) status = base::ErrnoStatus(errno, "chmod " + temporary);
    if (status.ok()) status = WriteAll(file.get(), data, temporary);
  }
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0)
    status = base::ErrnoStatus(errno, "rename " + temporary + " to " + path);
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(directory);
}

std::string Below(const std::string& directory, const std::string& path) {
  if (path.empty() || path[0] == '/' || directory.empty()) return path;
  return (fs::path(directory) / path).lexically_normal().string();
}

}  // namespace kubelet::client
