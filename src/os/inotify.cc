#include "kubelet/os/inotify.h"

#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstring>

#include "kubelet/base/status.h"

namespace kubelet::os {

namespace asio = boost::asio;

struct Inotify::Watcher::Fd {
  int fd;
  ~Fd() { ::close(fd); }
};

struct Inotify::State {
  State(base::Executor executor, std::shared_ptr<Watcher::Fd> f)
      : fd(std::move(f)), descriptor(std::move(executor), fd->fd) {}
  // The descriptor object must not close what a Watcher on a pool thread may still use.
  ~State() { descriptor.release(); }
  std::shared_ptr<Watcher::Fd> fd;
  asio::posix::basic_stream_descriptor<base::Executor> descriptor;
};

Inotify::Inotify(std::shared_ptr<State> state) : state_(std::move(state)) {}

Inotify::~Inotify() {
  boost::system::error_code ignored;
  state_->descriptor.cancel(ignored);
}

absl::StatusOr<std::unique_ptr<Inotify>> Inotify::Create(base::Executor executor) {
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return base::ErrnoStatus(errno, "inotify_init1");
  auto owned = std::make_shared<Watcher::Fd>();
  owned->fd = fd;
  return std::unique_ptr<Inotify>(
      new Inotify(std::make_shared<State>(std::move(executor), std::move(owned))));
}

Inotify::Watcher Inotify::watcher() const {
  Watcher watcher;
  watcher.fd_ = state_->fd;
  return watcher;
}

absl::StatusOr<int> Inotify::Watcher::WatchDirectory(const std::string& path, uint32_t mask) const {
  int watch = inotify_add_watch(fd_->fd, path.c_str(), mask | IN_ONLYDIR);
  if (watch >= 0) return watch;
  if (errno == ENOTDIR) return absl::FailedPreconditionError(path + ": not a directory");
  return base::ErrnoStatus(errno, "inotify_add_watch " + path);
}

void Inotify::Unwatch(int watch) { inotify_rm_watch(state_->fd->fd, watch); }

std::vector<InotifyEvent> Inotify::Drain() {
  std::vector<InotifyEvent> all;
  alignas(inotify_event) char buffer[16384];
  for (;;) {
    ssize_t n = ::read(state_->fd->fd, buffer, sizeof buffer);
    if (n <= 0) return all;
    auto events = ParseInotifyEvents(std::string_view(buffer, static_cast<size_t>(n)));
    all.insert(all.end(), std::make_move_iterator(events.begin()),
               std::make_move_iterator(events.end()));
  }
}

base::Task<absl::StatusOr<std::vector<InotifyEvent>>> Inotify::Read() {
  // Whoever cancels the wait may do so after this object is gone, and reaches for its descriptor.
  auto state = state_;
  for (;;) {
    auto events = Drain();
    if (!events.empty()) co_return events;
    auto result = co_await state->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                                         asio::as_tuple(asio::use_awaitable));
    auto& ec = std::get<0>(result);
    if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
    if (ec) co_return absl::UnavailableError("inotify: " + ec.message());
    co_await base::LeaveIfCancelled();
  }
}

std::vector<InotifyEvent> ParseInotifyEvents(std::string_view bytes) {
  std::vector<InotifyEvent> events;
  while (bytes.size() >= sizeof(inotify_event)) {
    inotify_event head;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (bytes.size() - sizeof head < head.len) break;
    InotifyEvent event;
    event.watch = head.wd;
    event.mask = head.mask;
    event.cookie = head.cookie;
    // The kernel pads names with zero bytes.
    auto name = bytes.substr(sizeof head, head.len);
    event.name = std::string(name.substr(0, name.find('\0')));
    events.push_back(std::move(event));
    bytes.remove_prefix(sizeof head + head.len);
  }
  return events;
}

}  // namespace kubelet::os
