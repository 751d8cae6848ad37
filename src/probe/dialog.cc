#include "probe/dialog.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cstring>

namespace kubelet::probe {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
// A wait longer than this may be our own fault and is looked into.
constexpr base::Nanos kLong = std::chrono::milliseconds(50);
// Of several addresses each gets at least this of what is left.
constexpr base::Nanos kLeastPerAddress = std::chrono::seconds(2);
// An answer that stood there at the last moment is fetched within this.
constexpr base::Nanos kSecondLook = std::chrono::seconds(1);

std::string Name(const tcp::endpoint& endpoint) {
  std::string address = endpoint.address().to_string();
  if (endpoint.address().is_v6()) address = "[" + address + "]";
  return address + ":" + std::to_string(endpoint.port());
}

std::string Words(int error) {
  std::string text = std::strerror(error);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

bool Ready(int fd, bool writing) {
  pollfd look{fd, static_cast<short>(writing ? POLLOUT : POLLIN), 0};
  return ::poll(&look, 1, 0) > 0;
}

// A function of its own: in a coroutine the buffer would make each of its frames one of those large
// pieces of memory before which malloc puts all small ones in order.
ssize_t Fetch(int fd, std::string& into) {
  char buffer[8192];
  ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
  if (n > 0) into.append(buffer, static_cast<size_t>(n));
  return n;
}

}  // namespace

base::Nanos Dialog::SincePacket(int fd, bool connecting) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return base::Nanos(0);
  return std::chrono::milliseconds(connecting ? info.tcpi_last_ack_recv : info.tcpi_last_data_recv);
}

bool Dialog::Connected(int fd) { return Ready(fd, true); }

struct Dialog::State {
  State(base::Executor e, base::Clock& c, base::Nanos t, Kernel k)
      : socket(std::move(e)), clock(c), limit(t), kernel(k) {}

  void Arm(std::shared_ptr<State> self, base::MonoTime when) {
    clock.Cancel(timer);
    deadline = when;
    armed = true;
    timer = clock.Schedule(when, [weak = std::weak_ptr<State>(self)] {
      if (auto s = weak.lock()) s->Expire(s);
    });
  }

  void Until(std::shared_ptr<State> self, base::MonoTime when) {
    deadline = when;
    if (armed) Arm(std::move(self), when);
  }

  void Expire(std::shared_ptr<State> self) {
    armed = false;
    if (!waiting) return;
    if (Ready(fd, writing)) {
      second_look = armed = true;
      timer = clock.After(kSecondLook, [weak = std::weak_ptr<State>(self)] {
        if (auto s = weak.lock()) s->Expire(s);
      });
      return;
    }
    expired = true;
    error_code ignored;
    socket.cancel(ignored);
  }

  // After a wait that began at `since`: what passed between the packet and now is not the other
  // side's time.
  void GiveBack(std::shared_ptr<State> self, base::MonoTime since) {
    auto waited = clock.Mono() - since;
    if (limit == base::Nanos(0) || (waited < kLong && !second_look)) return;
    auto late = std::min<base::Nanos>(kernel.since_packet(fd, connecting), waited);
    auto when = deadline + late;
    // What came at the last moment, or while nobody looked, still gets a moment to be complete.
    if (std::exchange(second_look, false)) when = std::max(when, clock.Mono() + kLong);
    Arm(self, when);
  }

  // The socket becomes Asio's, which costs two system calls, only when something is waited for.
  error_code Register() {
    error_code ec;
    if (!socket.is_open()) socket.assign(peer.protocol(), fd, ec);
    return ec;
  }

  void Close() {
    if (fd < 0) return;
    const linger reset{1, 0};
    (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    error_code ignored;
    if (socket.is_open()) {
      socket.close(ignored);
    } else {
      ::close(fd);
    }
    fd = -1;
  }

  int fd = -1;
  tcp::socket socket;  // of `fd`, once it is registered
  base::Clock& clock;
  base::Nanos limit;  // zero: none
  Kernel kernel;
  base::MonoTime deadline{};
  base::Clock::TimerId timer{};
  tcp::endpoint peer;
  bool connecting = false, waiting = false, writing = false, started = false;
  bool expired = false, second_look = false, armed = false;
  int sends = 0;
};

Dialog::Dialog(base::Executor executor, base::Clock& clock, base::Nanos timeout, Kernel kernel)
    : state_(std::make_shared<State>(std::move(executor), clock, timeout, kernel)) {}

Dialog::~Dialog() {
  state_->clock.Cancel(state_->timer);
  state_->Close();
}

absl::Status Dialog::Failure(const char* operation, int error) const {
  std::string step = state_->connecting ? "dial tcp " : std::string(operation) + " tcp ";
  if (!state_->connecting) {
    tcp::endpoint local;
    auto size = static_cast<socklen_t>(local.capacity());
    if (::getsockname(state_->fd, local.data(), &size) == 0) local.resize(size);
    step += Name(local) + "->";
  }
  return absl::UnavailableError(step + Name(state_->peer) + ": " + operation + ": " + Words(error));
}

// Until the socket is ready, or DeadlineExceeded.
base::Task<absl::Status> Dialog::WaitFor(bool writing) {
  auto state = state_;
  if (state->expired) co_return absl::DeadlineExceededError("i/o timeout");
  if (auto ec = state->Register(); ec) co_return Failure("epoll_ctl", ec.value());
  if (state->limit > base::Nanos(0) && !state->armed) state->Arm(state, state->deadline);
  auto since = state->clock.Mono();
  state->waiting = true;
  state->writing = writing;
  auto what = tcp::socket::wait_read;
  if (writing) what = tcp::socket::wait_write;
  auto done = co_await state->socket.async_wait(what, kAwait);
  state->waiting = false;
  if (state->expired) co_return absl::DeadlineExceededError("i/o timeout");
  // Asio itself throws only at the next co_await: until then the task would go on in objects that
  // may be gone.
  if (std::get<0>(done)) throw boost::system::system_error(asio::error::operation_aborted);
  state->GiveBack(state, since);
  co_return absl::OkStatus();
}

// One address costs what it always did; several share the limit.
base::Task<absl::Status> Dialog::Connect(std::vector<tcp::endpoint> endpoints) {
  auto state = state_;
  if (!std::exchange(state->started, true)) state->deadline = state->clock.Mono() + state->limit;
  absl::Status first;
  for (size_t left = endpoints.size(); left > 0; --left) {
    auto whole = state->deadline;
    bool shares = left > 1 && state->limit > base::Nanos(0);
    if (shares) {
      auto now = state->clock.Mono();
      auto share =
          std::max<base::Nanos>((whole - now) / static_cast<int64_t>(left), kLeastPerAddress);
      state->Until(state, std::min(whole, now + share));
    }
    auto ends = state->deadline;
    auto status = co_await ConnectTo(endpoints[endpoints.size() - left]);
    // With what was given back meanwhile.
    if (shares) state->Until(state, whole + (state->deadline - ends));
    if (status.ok()) co_return status;
    if (first.ok()) first = status;
    if (!state->expired) continue;
    if (state->clock.Mono() >= state->deadline) co_return status;
    state->expired = false;
  }
  co_return first;
}

base::Task<absl::Status> Dialog::ConnectTo(tcp::endpoint endpoint) {
  auto state = state_;
  state->Close();
  state->peer = endpoint;
  state->connecting = true;
  state->fd = ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (state->fd < 0) co_return Failure("socket", errno);
  state->sends = 0;
  int error = 0;
  if (::connect(state->fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0)
    error = errno;
  if (error == EINPROGRESS) {
    auto waited = absl::OkStatus();
    if (!state->kernel.connected(state->fd)) waited = co_await WaitFor(true);
    if (!waited.ok()) co_return waited;
    socklen_t size = sizeof error;
    if (::getsockopt(state->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  }
  if (error != 0) co_return Failure("connect", error);
  state->connecting = false;
  co_return absl::OkStatus();
}

base::Task<absl::Status> Dialog::Send(std::string bytes) {
  auto state = state_;
  // One request is one packet; only what follows may have to wait for the acknowledgement of that.
  const int on = 1;
  if (state->sends++ == 1) (void)::setsockopt(state->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  size_t sent = 0;
  while (sent < bytes.size()) {
    ssize_t n = ::send(state->fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
      continue;
    }
    int error = errno;
    if (error == EINTR) continue;
    if (error != EAGAIN) co_return Failure("write", error);
    auto waited = co_await WaitFor(true);
    if (!waited.ok()) co_return waited;
  }
  co_return absl::OkStatus();
}

base::Task<absl::StatusOr<size_t>> Dialog::Receive(std::string* into) {
  auto state = state_;
  for (;;) {
    // The answer is hardly ever there yet: wait first, read then.
    auto waited = co_await WaitFor(false);
    if (!waited.ok()) co_return waited;
    ssize_t n = Fetch(state->fd, *into);
    if (n >= 0) co_return static_cast<size_t>(n);
    int error = errno;
    if (error != EAGAIN && error != EINTR) co_return Failure("read", error);
  }
}

}  // namespace kubelet::probe
