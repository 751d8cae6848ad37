#include "server/file_writers.h"

#include <fcntl.h>

#include <cerrno>
#include <csignal>

namespace kubelet::server {

Writers WritersOf(int fd) {
  // Whoever opens the file in this very moment makes the kernel signal us: by one that is ignored,
  // since SIGIO would end the process.
  if (fcntl(fd, F_SETSIG, SIGURG) != 0) return Writers::kUnknown;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return Writers::kNone;
  }
  return errno == EAGAIN || errno == EWOULDBLOCK ? Writers::kSome : Writers::kUnknown;
}

}  // namespace kubelet::server
