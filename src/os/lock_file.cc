#include "kubelet/os/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "kubelet/base/status.h"

namespace kubelet::os {

struct LockFile::Watching {
  Watching(base::Executor executor, int fd) : descriptor(std::move(executor), fd) {}
  boost::asio::posix::basic_stream_descriptor<base::Executor> descriptor;
};

LockFile::LockFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
LockFile::~LockFile() { close(fd_); }

absl::StatusOr<std::unique_ptr<LockFile>> LockFile::Take(const std::string& path) {
  int fd = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return base::ErrnoStatus(errno, "lock file " + path);
  std::unique_ptr<LockFile> lock(new LockFile(path, fd));
  int result = 0;
  do {
    result = flock(fd, LOCK_EX);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return base::ErrnoStatus(errno, "lock file " + path);
  return lock;
}

absl::Status LockFile::Watch(base::Executor executor, std::function<void()> contended) {
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return base::ErrnoStatus(errno, "inotify_init1");
  watching_ = std::make_unique<Watching>(std::move(executor), fd);
  if (inotify_add_watch(fd, path_.c_str(), IN_OPEN | IN_DELETE_SELF) < 0)
    return base::ErrnoStatus(errno, "inotify_add_watch " + path_);
  watching_->descriptor.async_wait(boost::asio::posix::descriptor_base::wait_read,
                                   [contended = std::move(contended)](auto ec) {
                                     if (!ec) contended();
                                   });
  return absl::OkStatus();
}

}  // namespace kubelet::os
