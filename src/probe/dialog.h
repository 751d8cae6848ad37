// The connection of one probe: connect, send, receive, with one time limit over all of it that
// counts only the time in which the other side had its turn.
//
// The limit begins with the first packet, when Connect is called. What we are late ourselves is
// given back: after a long wait the kernel is asked when the answer really came (TCP_INFO, since
// Linux 2.4), and before a probe is called timed out the socket is looked at once more; an answer
// that stands there counts.
//
// Sockets are closed with a reset (SO_LINGER with zero): nothing waits in TIME_WAIT, on neither
// side, and a port is free again at once. Upstream lingers for a second
// (pkg/probe/dialer_others.go), which keeps the orderly close and with it TIME_WAIT. The exchange
// is complete by then; a load balancer's health check closes the same way.
//
// Core loop only; not used after its task has ended. A cancelled task leaves by exception.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"

namespace kubelet::probe {

class Dialog {
 public:
  // How long ago the last packet came to this socket; `connecting`: of any kind, else one with
  // data.
  static base::Nanos SincePacket(int fd, bool connecting);
  // Whether connect(2), which said that it is under way, is done by now. To this machine, and so to
  // its pods, it is: the handshake is made within the call.
  static bool Connected(int fd);
  // What the kernel is asked.
  struct Kernel {
    base::Nanos (*since_packet)(int fd, bool connecting) = SincePacket;
    bool (*connected)(int fd) = Connected;
  };

  // `timeout` zero: no limit.
  Dialog(base::Executor executor, base::Clock& clock, base::Nanos timeout, Kernel kernel);
  Dialog(base::Executor executor, base::Clock& clock, base::Nanos timeout)
      : Dialog(std::move(executor), clock, timeout, Kernel()) {}
  ~Dialog();
  Dialog(const Dialog&) = delete;
  Dialog& operator=(const Dialog&) = delete;

  // To the first of these that takes the connection; the others get their share of the time, at
  // least 2 s of what is left (Go's net.Dialer, whose second attempt begins sooner). Once per
  // connection; a second call closes the first connection and goes on with the same time limit.
  // Unavailable: what the first of them said, `dial tcp 10.0.0.1:80: connect: connection refused`,
  // in Go's words. DeadlineExceeded: time is up.
  base::Task<absl::Status> Connect(std::vector<boost::asio::ip::tcp::endpoint> endpoints);
  base::Task<absl::Status> Send(std::string bytes);
  // Appends what has come; 0: the other side has closed.
  base::Task<absl::StatusOr<size_t>> Receive(std::string* into);

 private:
  struct State;
  base::Task<absl::Status> ConnectTo(boost::asio::ip::tcp::endpoint endpoint);
  base::Task<absl::Status> WaitFor(bool writing);
  absl::Status Failure(const char* operation, int error) const;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::probe
