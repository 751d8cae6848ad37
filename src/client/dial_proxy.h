// The parts of dialling: the attempt with its deadline, and the way through a proxy.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <string>

#include "kubelet/client/dial.h"
#include "kubelet/base/status.h"

namespace kubelet::client {

inline constexpr auto kDialAwait = boost::asio::as_tuple(boost::asio::use_awaitable);

// One attempt. When its time is over the transport is closed, which ends what is under way.
struct DialStep {
  DialStep(base::Executor executor, base::Clock& c, base::Nanos timeout)
      : clock(c), deadline(c.Mono() + timeout), transport(std::make_shared<Transport>(executor)) {
    timer = clock.Schedule(deadline, [this] {
      expired = true;
      transport->Close();
    });
  }
  ~DialStep() { clock.Cancel(timer); }
  DialStep(const DialStep&) = delete;
  DialStep& operator=(const DialStep&) = delete;

  base::Nanos Left() const {
    return std::max<base::Nanos>(deadline - clock.Mono(), base::Nanos(1));
  }
  // OK without an error; Unavailable with `what` and the cause. A cancelled task leaves by
  // exception.
  absl::Status Failed(const std::string& what, const boost::system::error_code& ec) const;

  base::Clock& clock;
  base::MonoTime deadline;
  std::shared_ptr<Transport> transport;
  base::Clock::TimerId timer;
  bool expired = false;
};

std::string Words(const boost::system::error_code& ec);

// CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928, 1929) on a connected socket; names are left
// to the proxy to look up. Unavailable: it says no (the message quotes it), or is no proxy.
base::Task<absl::Status> ConnectThrough(DialStep& step, Proxy proxy, ServerUrl server);

}  // namespace kubelet::client
