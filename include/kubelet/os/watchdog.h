// The watchdog of the service manager: systemd ends and restarts a service that does not say in
// time that it is alive (WatchdogSec= of the unit; sd_watchdog_enabled(3)). The sign of life is
// given on a timer of the core loop, so it stops when the loop does.
//
// Deviation from upstream (pkg/kubelet/watchdog, Kubernetes 1.36): there a runtime that is down for
// two minutes counts as a dead kubelet too. Starting the kubelet again does not mend a runtime.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/clock.h"

namespace kubelet::os {

// What $WATCHDOG_USEC and $WATCHDOG_PID (nullptr: not set) ask of the process `self`; nullopt: of
// this process nothing. InvalidArgument for text that is no positive number, and for a second or
// less, which upstream refuses to start with as well.
absl::StatusOr<std::optional<base::Nanos>> WatchdogTimeout(const char* usec, const char* pid,
                                                           int64_t self);

// Core loop. Calls `alive` at once and then every half timeout, until destroyed.
class Watchdog {
 public:
  Watchdog(base::Clock& clock, base::Nanos timeout, std::function<void()> alive);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void Tick();

  base::Clock& clock_;
  base::Nanos period_;
  std::function<void()> alive_;
  base::Clock::TimerId timer_{};
};

}  // namespace kubelet::os
