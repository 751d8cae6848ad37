// What the kubelet tells the service manager that started it.
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cstdlib>

#include "app/kubelet.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::app {

absl::Status Kubelet::FindWatchdog() {
  auto timeout =
      os::WatchdogTimeout(std::getenv("WATCHDOG_USEC"), std::getenv("WATCHDOG_PID"), getpid());
  if (!timeout.ok()) return timeout.status();
  watchdog_timeout_ = *timeout;
  return absl::OkStatus();
}

// Both from inside the loop: before it runs, nothing is ready and nothing alive.
void Kubelet::TellServiceManager() {
  boost::asio::post(io_, [] { NotifyServiceManager("READY=1"); });
  if (!watchdog_timeout_) return;
  LOG_INFO("Feeding the watchdog of the service manager", "timeout",
           base::GoDuration(*watchdog_timeout_));
  watchdog_ = std::make_unique<os::Watchdog>(clock_, *watchdog_timeout_,
                                             [] { NotifyServiceManager("WATCHDOG=1"); });
}

}  // namespace kubelet::app
