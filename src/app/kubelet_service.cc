// What the kubelet tells the service manager that started it.
#include <signal.h>
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

// Waits until another kubelet of this machine is gone.
absl::Status Kubelet::TakeLock() {
  const auto& flags = config_.flags;
  if (flags.lock_file.empty()) return absl::OkStatus();
  LOG_INFO("Acquiring the lock file", "path", flags.lock_file);
  auto lock = os::LockFile::Take(flags.lock_file);
  if (!lock.ok()) return base::Annotate(lock.status(), "--lock-file");
  lock_file_ = *std::move(lock);
  if (!flags.exit_on_lock_contention) return absl::OkStatus();
  auto watched = lock_file_->Watch(io_.get_executor(), [] {
    LOG_INFO("Another process wants the lock file; ending");
    kill(getpid(), SIGTERM);
  });
  return base::Annotate(watched, "--exit-on-lock-contention");
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
