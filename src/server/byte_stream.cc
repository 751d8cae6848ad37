#include "server/byte_stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "server/socket_wait.h"

namespace kubelet::server {
namespace {

class Plain : public ByteStream {
 public:
  explicit Plain(Socket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
  }

  base::Task<absl::StatusOr<std::string>> Read() override {
    for (;;) {
      ssize_t n = recv(socket_.native_handle(), ScratchBuffer(), kReadSize, 0);
      if (n >= 0) co_return std::string(ScratchBuffer(), static_cast<size_t>(n));
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return absl::UnavailableError(std::strerror(errno));
      auto ready = co_await WaitFor(socket_, Socket::wait_read);
      if (!ready.ok()) co_return ready;
    }
  }
  base::Task<absl::Status> Write(std::string data) override {
    for (size_t sent = 0; sent < data.size();) {
      ssize_t n =
          send(socket_.native_handle(), data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<size_t>(n);
      if (n >= 0 || errno == EINTR) continue;
      if (errno != EAGAIN) co_return absl::UnavailableError(std::strerror(errno));
      auto ready = co_await WaitFor(socket_, Socket::wait_write);
      if (!ready.ok()) co_return ready;
    }
    co_return absl::OkStatus();
  }
  base::Task<void> Finish() override {
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    co_return;
  }
  void Close(bool reset) override { CloseSocket(socket_, reset); }

 private:
  Socket socket_;
};

}  // namespace

char* ScratchBuffer() {
  static thread_local std::unique_ptr<char[]> buffer(new char[kReadSize]);
  return buffer.get();
}

base::Task<absl::Status> WaitFor(Socket& socket, Socket::wait_type type) {
  if (!socket.is_open()) co_return absl::UnavailableError("the connection is closed");
  auto waited = co_await socket.async_wait(type, boost::asio::as_tuple(boost::asio::use_awaitable));
  boost::system::error_code ec = std::get<0>(waited);
  if (ec) co_return absl::UnavailableError(ec.message());
  if (!socket.is_open()) co_return absl::UnavailableError("the connection is closed");
  co_return absl::OkStatus();
}

void CloseSocket(Socket& socket, bool reset) {
  boost::system::error_code ignored;
  if (reset && socket.is_open())
    socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

std::shared_ptr<ByteStream> PlainStream(Socket socket) {
  return std::make_shared<Plain>(std::move(socket));
}

}  // namespace kubelet::server
