// A file system whose server takes every request and answers none: whoever looks at it hangs in the
// kernel, where no signal reaches. What a dead NFS server is to its clients, by way of FUSE.
#pragma once

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>

#include "kubelet/os/mount.h"

namespace kubelet::test {

class DeadMount {
 public:
  // Mounted at `path`, which is there.
  explicit DeadMount(std::string path) : path_(std::move(path)) {
    fd_ = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd_ < 0) return;
    std::string options =
        "fd=" + std::to_string(fd_) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
    if (mount("server:/dead", path_.c_str(), "fuse.dead", 0, options.c_str()) != 0) {
      close(fd_);
      fd_ = -1;
      return;
    }
    // The test's own thread hangs in the mount that this one does not answer.
    server_ = std::thread([this] { Serve(); });
  }
  ~DeadMount() {
    End();
    (void)os::UnmountBelow(path_, true);
  }
  // False, loudly: this machine cannot have one.
  bool ok() const {
    if (fd_ < 0) std::cerr << "SKIPPED, no FUSE here: a mount that does not answer\n";
    return fd_ >= 0;
  }
  // Requests that wait for an answer.
  int taken() const { return taken_; }
  // The server is gone for good: everybody who waits gets an error.
  void End() {
    if (fd_ < 0) return;
    stop_ = true;
    server_.join();
    close(fd_);
    fd_ = -1;
  }

 private:
  void Serve() {
    char buffer[1 << 18];
    while (!stop_) {
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, 20) <= 0) continue;
      ssize_t size = read(fd_, buffer, sizeof buffer);
      if (size < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
      fuse_in_header in;
      std::memcpy(&in, buffer, sizeof in);
      if (in.opcode == FUSE_INIT) {
        struct {
          fuse_out_header header;
          fuse_init_out init;
        } out{};
        out.header = {sizeof out, 0, in.unique};
        out.init.major = FUSE_KERNEL_VERSION;
        out.init.minor = FUSE_KERNEL_MINOR_VERSION;
        out.init.flags = FUSE_PARALLEL_DIROPS;
        out.init.max_write = 4096;
        if (write(fd_, &out, sizeof out) < 0) return;
      } else if (in.opcode != FUSE_FORGET && in.opcode != FUSE_INTERRUPT) {
        ++taken_;
      }
    }
  }

  std::string path_;
  int fd_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<int> taken_{0};
  std::thread server_;
};

}  // namespace kubelet::test
