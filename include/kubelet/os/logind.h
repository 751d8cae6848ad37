// systemd-logind, as far as a shutdown of the machine has to be held up: a delay lock, and the
// signal that a shutdown is about to begin. https://systemd.io/INHIBITOR_LOCKS; logind's D-Bus
// interface org.freedesktop.login1(5).
//
//   Inhibit -> descriptor; while it is open, a shutdown waits, at most InhibitDelayMaxSec
//   PrepareForShutdown(true) -> do what there is to do, close the descriptor
//   PrepareForShutdown(false) -> it was called off; Inhibit again
//
// All calls but Signals block. One caller at a time, whatever the thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"

namespace kubelet::os {

class Logind {
 public:
  virtual ~Logind() = default;
  // InhibitDelayMaxSec as it is in force.
  virtual absl::StatusOr<base::Nanos> InhibitDelay() = 0;
  // Makes it read its configuration again (SIGHUP, by way of systemd). Returns before that is done.
  virtual absl::Status Reload() = 0;
  // A delay lock on shutdowns in our name. The caller closes it.
  virtual absl::StatusOr<int> Inhibit(const std::string& why) = 0;
  // Waits for signals: the arguments of PrepareForShutdown since the last call, in order. On the
  // core loop, and the other calls not meanwhile. Unavailable: the connection is lost; make
  // another.
  virtual base::Task<absl::StatusOr<std::vector<bool>>> Signals(base::Executor executor) = 0;
};

// Over D-Bus through libsystemd.so.0, loaded now. `address` is of a peer, for tests; empty: the
// system bus. Unavailable when the library, the bus or logind is not there.
absl::StatusOr<std::unique_ptr<Logind>> ConnectLogind(const std::string& address = "");

inline constexpr char kLogindConfigDir[] = "/etc/systemd/logind.conf.d";
// 99-kubelet.conf in that directory, which is made: InhibitDelayMaxSec of so many whole seconds.
absl::Status WriteInhibitDelay(const std::string& dir, base::Nanos delay);

}  // namespace kubelet::os
