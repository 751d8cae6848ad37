// Ends what an exec that ran out of its time leaves behind.
//
// containerd 2 (internal/cri/server/container_execsync.go) kills the process that it started, and
// waits until nobody holds its output any more: a child that hangs makes the call hang, and one
// that has let go of the output stays for good. Both are of the session of the process that was
// started, which the runtime makes for it. So that process is looked for while it runs, shortly
// before its time is up; and when it is gone although it had not ended by itself, the rest of its
// session goes, too.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/runtime/model.h"

namespace kubelet::probe {

// Where processes are seen and killed. Consumer-owned port; core loop only.
class ContainerProcesses {
 public:
  virtual ~ContainerProcesses() = default;
  struct Process {
    int pid = 0, parent = 0, session = 0;
    bool zombie = false;
    base::Nanos age{0};
    std::vector<std::string> command;
  };
  virtual base::Task<absl::StatusOr<std::vector<Process>>> List(runtime::ContainerId id) = 0;
  virtual base::Task<void> KillSession(runtime::ContainerId id, int session) = 0;
};

// One exec under way.
struct ExecRun {
  runtime::ContainerId container;
  std::vector<std::string> command;
  std::chrono::seconds timeout{1};
  base::MonoTime sent{};
  bool over = false;           // the call has come back
  std::optional<int> session;  // of the process that was started
};

// Runs beside an exec whose time is nearly up (ask after `WatchAfter`) until it is over or has
// ended by itself.
inline base::Nanos WatchAfter(base::Nanos timeout) { return timeout * 3 / 4; }
base::Task<void> WatchExec(ContainerProcesses& processes, base::Clock& clock,
                           std::shared_ptr<ExecRun> run);
// The call came back with a timeout: kills what is left, if WatchExec had found it.
base::Task<void> EndLeftovers(ContainerProcesses& processes, std::shared_ptr<ExecRun> run);

}  // namespace kubelet::probe
