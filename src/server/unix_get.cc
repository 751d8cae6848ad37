#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "kubelet/base/status.h"
#include "kubelet/server/http_server.h"

namespace kubelet::server {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

absl::Status UnixGet(const std::string& socket_path, const std::string& target, int* code, std::string* body) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError("socket path is too long: " + socket_path);
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  Descriptor s;
  s.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s.fd < 0) return base::ErrnoStatus(errno, "socket");
  timeval limit{10, 0};
  setsockopt(s.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(s.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(s.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return absl::UnavailableError("cannot reach the kubelet at " + socket_path + ": " + std::strerror(errno) +
                                  " (is it running, and are you root?)");
  }
  std::string request = "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  for (size_t sent = 0; sent < request.size();) {
    ssize_t n = send(s.fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return base::ErrnoStatus(errno, "send to " + socket_path);
    sent += static_cast<size_t>(n);
  }
  std::string reply;
  char buffer[16384];
  for (;;) {
    ssize_t n = recv(s.fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ErrnoStatus(errno, "receive from " + socket_path);
    if (n == 0) break;
    reply.append(buffer, static_cast<size_t>(n));
  }
  size_t end = reply.find("\r\n\r\n");
  if (reply.rfind("HTTP/1.1 ", 0) != 0 || end == std::string::npos) {
    return absl::InternalError("the kubelet at " + socket_path + " gave no HTTP answer");
  }
  *code = std::atoi(reply.c_str() + 9);
  *body = reply.substr(end + 4);
  return absl::OkStatus();
}

}  // namespace kubelet::server
