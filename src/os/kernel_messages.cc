#include "kubelet/os/kernel_messages.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "kubelet/base/status.h"

namespace kubelet::os {

namespace asio = boost::asio;

namespace {

constexpr size_t kLongest = 8192;   // CONSOLE_EXT_LOG_MAX: no record is longer
constexpr int kMostAtOnce = 10000;  // a kernel that never stops must not hold up the loop
}  // namespace

struct KernelMessages::State {
  State(base::Executor executor, int fd) : descriptor(std::move(executor), fd) {}
  asio::posix::basic_stream_descriptor<base::Executor> descriptor;
  std::array<char, kLongest> buffer;
};

std::optional<OomKill> ParseSystemOom(const std::string& record) {
  // The facility lies above the three bits of the level; the kernel's is 0.
  size_t text_at = record.find(';');
  if (text_at == std::string::npos || std::atoi(record.c_str()) >= 8) return std::nullopt;
  std::string text = record.substr(text_at + 1, record.find('\n') - text_at - 1);
  if (text.rfind("Out of memory", 0) != 0) return std::nullopt;
  for (const std::string word : {": Killed process ", ": Kill process "}) {
    size_t at = text.find(word);
    if (at == std::string::npos) continue;
    OomKill kill;
    kill.pid = std::atoi(text.c_str() + at + word.size());
    size_t open = text.find('(', at), close = text.rfind(')');
    if (open != std::string::npos && close != std::string::npos && open < close)
      kill.process = text.substr(open + 1, close - open - 1);
    return kill;
  }
  return std::nullopt;
}

KernelMessages::KernelMessages(std::shared_ptr<State> state) : state_(std::move(state)) {}

KernelMessages::~KernelMessages() {
  boost::system::error_code ignored;
  state_->descriptor.cancel(ignored);
}

absl::StatusOr<std::unique_ptr<KernelMessages>> KernelMessages::Open(base::Executor executor,
                                                                     const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return base::ErrnoStatus(errno, "open " + path);
  ::lseek(fd, 0, SEEK_END);  // what was before us is nobody's news
  return std::unique_ptr<KernelMessages>(
      new KernelMessages(std::make_shared<State>(std::move(executor), fd)));
}

base::Task<absl::StatusOr<std::vector<OomKill>>> KernelMessages::Read() {
  // Whoever cancels the wait may do so after this object is gone, and reaches for its descriptor.
  auto state = state_;
  std::vector<OomKill> kills;
  for (int records = 0; records < kMostAtOnce;) {
    ssize_t n = ::read(state->descriptor.native_handle(), state->buffer.data(), kLongest);
    if (n > 0) {
      ++records;
      auto kill = ParseSystemOom(std::string(state->buffer.data(), static_cast<size_t>(n)));
      if (kill) kills.push_back(*std::move(kill));
      continue;
    }
    if (n == 0) co_return absl::UnavailableError("the kernel's log has ended");
    if (errno == EPIPE || errno == EINTR) continue;  // EPIPE: we were too slow for the ring
    if (errno != EAGAIN)
      co_return absl::UnavailableError(base::Message(base::ErrnoStatus(errno, "read")));
    if (records > 0) break;
    auto result = co_await state->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                                        asio::as_tuple(asio::use_awaitable));
    auto& ec = std::get<0>(result);
    if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
    if (ec) co_return absl::UnavailableError("the kernel's log: " + ec.message());
    co_await base::LeaveIfCancelled();
  }
  co_return kills;
}

}  // namespace kubelet::os
