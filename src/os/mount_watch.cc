#include "kubelet/os/mount_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <utility>

#include "kubelet/base/status.h"

namespace kubelet::os {

using Descriptor = boost::asio::posix::basic_stream_descriptor<base::Executor>;

struct MountWatch::State : std::enable_shared_from_this<State> {
  State(const base::Executor& executor, std::function<void()> call)
      : descriptor(executor), on_change(std::move(call)) {}

  // Waits again before the change is told: one that comes while somebody looks is not lost.
  void Wait() {
    descriptor.async_wait(Descriptor::wait_error,
                          [weak = weak_from_this()](boost::system::error_code ec) {
                            auto self = weak.lock();
                            if (ec || !self || !self->descriptor.is_open()) return;
                            self->Wait();
                            self->on_change();
                          });
  }

  Descriptor descriptor;
  std::function<void()> on_change;
};

MountWatch::MountWatch(base::Executor executor, std::function<void()> on_change)
    : state_(std::make_shared<State>(executor, std::move(on_change))) {}

MountWatch::~MountWatch() { Stop(); }

absl::Status MountWatch::Start() {
  if (state_->descriptor.is_open()) return absl::OkStatus();
  int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return base::ErrnoStatus(errno, "open /proc/self/mountinfo");
  boost::system::error_code ec;
  state_->descriptor.assign(fd, ec);
  if (ec) {
    close(fd);
    return absl::UnavailableError("wait for changes of the mount table: " + ec.message());
  }
  state_->Wait();
  return absl::OkStatus();
}

void MountWatch::Stop() {
  boost::system::error_code ignored;
  state_->descriptor.close(ignored);
}

}  // namespace kubelet::os
