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

}  // namespace

base::Nanos Dialog::SincePacket(int fd, bool connecting) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return base::Nanos(0);
  return std::chrono::milliseconds(connecting ? info.tcpi_last_ack_recv : info.tcpi_last_data_recv);
}

struct Dialog::State {
  State(base::Executor e, base::Clock& c, base::Nanos t, SincePacketFn s)
      : socket(std::move(e)), clock(c), limit(t), since_packet(s) {}

  void Arm(std::shared_ptr<State> self, base::MonoTime when) {
    clock.Cancel(timer);
    deadline = when;
    timer = clock.Schedule(when, [weak = std::weak_ptr<State>(self)] {
      if (auto s = weak.lock()) s->Expire(s);
    });
  }

  void Expire(std::shared_ptr<State> self) {
    if (!waiting) return;
    pollfd look{socket.native_handle(), static_cast<short>(writing ? POLLOUT : POLLIN), 0};
    if (::poll(&look, 1, 0) > 0) {
      second_look = true;
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
    auto late = std::min<base::Nanos>(since_packet(socket.native_handle(), connecting), waited);
    auto when = deadline + late;
    // What came at the last moment, or while nobody looked, still gets a moment to be complete.
    if (std::exchange(second_look, false)) when = std::max(when, clock.Mono() + kLong);
    Arm(self, when);
  }

  void Close() {
    if (!socket.is_open()) return;
    error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
  }

  tcp::socket socket;
  base::Clock& clock;
  base::Nanos limit;  // zero: none
  SincePacketFn since_packet;
  base::MonoTime deadline{};
  base::Clock::TimerId timer{};
  tcp::endpoint peer;
  bool connecting = false, waiting = false, writing = false, started = false;
  bool expired = false, second_look = false;
};

Dialog::Dialog(base::Executor executor, base::Clock& clock, base::Nanos timeout,
               SincePacketFn since_packet)
    : state_(std::make_shared<State>(std::move(executor), clock, timeout, since_packet)) {}

Dialog::~Dialog() {
  state_->clock.Cancel(state_->timer);
  state_->Close();
}

absl::Status Dialog::Failure(const char* operation, int error) const {
  std::string step = state_->connecting ? "dial tcp " : std::string(operation) + " tcp ";
  if (!state_->connecting) {
    error_code ignored;
    step += Name(state_->socket.local_endpoint(ignored)) + "->";
  }
  return absl::UnavailableError(step + Name(state_->peer) + ": " + operation + ": " + Words(error));
}

// Until the socket is ready, or DeadlineExceeded.
base::Task<absl::Status> Dialog::WaitFor(bool writing) {
  auto state = state_;
  if (state->expired) co_return absl::DeadlineExceededError("i/o timeout");
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

base::Task<absl::Status> Dialog::Connect(tcp::endpoint endpoint) {
  auto state = state_;
  state->Close();
  state->peer = endpoint;
  state->connecting = true;
  error_code ec;
  state->socket.open(endpoint.protocol(), ec);
  if (!ec) state->socket.native_non_blocking(true, ec);
  if (ec) co_return Failure("socket", ec.value());
  state->socket.set_option(tcp::no_delay(true), ec);
  if (!state->started && state->limit > base::Nanos(0))
    state->Arm(state, state->clock.Mono() + state->limit);
  state->started = true;
  int error = 0;
  if (::connect(state->socket.native_handle(), endpoint.data(),
                static_cast<socklen_t>(endpoint.size())) != 0)
    error = errno;
  if (error == EINPROGRESS) {
    auto waited = co_await WaitFor(true);
    if (!waited.ok()) co_return waited;
    socklen_t size = sizeof error;
    if (::getsockopt(state->socket.native_handle(), SOL_SOCKET, SO_ERROR, &error, &size) != 0)
      error = errno;
  }
  if (error != 0) co_return Failure("connect", error);
  state->connecting = false;
  co_return absl::OkStatus();
}

base::Task<absl::Status> Dialog::Send(std::string bytes) {
  auto state = state_;
  size_t sent = 0;
  while (sent < bytes.size()) {
    ssize_t n = ::send(state->socket.native_handle(), bytes.data() + sent, bytes.size() - sent,
                       MSG_NOSIGNAL);
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
    char buffer[8192];
    ssize_t n = ::recv(state->socket.native_handle(), buffer, sizeof buffer, 0);
    if (n >= 0) {
      into->append(buffer, static_cast<size_t>(n));
      co_return static_cast<size_t>(n);
    }
    int error = errno;
    if (error != EAGAIN && error != EINTR) co_return Failure("read", error);
  }
}

}  // namespace kubelet::probe
