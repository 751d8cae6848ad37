// Processes of a container, as /proc shows them from outside. For what a runtime leaves behind:
// containerd ends an exec by killing the process that it started, and nothing that this one has
// forked. Every call blocks: run it through base::BlockingPool. Thread safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"

namespace kubelet::os {

struct ContainerProcess {
  int pid = 0, parent = 0, session = 0;
  bool zombie = false;
  base::Nanos age{0};                // since its start, in steps of the kernel's clock tick (10 ms)
  std::vector<std::string> command;  // empty for a zombie
};

// All whose cgroup has `container_id` in its path, as those of containerd and CRI-O have with
// either cgroup driver. `proc` is /proc, or a tree like it in tests. Processes that end meanwhile
// are left out. Internal: no such tree.
absl::StatusOr<std::vector<ContainerProcess>> ListContainerProcesses(
    const std::string& proc, const std::string& container_id);

// SIGKILL to the members of this session that are in the container; how many got it. By pidfd:
// never somebody who has taken over a process id (Linux 5.3).
int KillContainerSession(const std::string& proc, const std::string& container_id, int session);

}  // namespace kubelet::os
