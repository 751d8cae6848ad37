// What the kernel tells in its log (/dev/kmsg), of which one thing is of interest: that it had to
// kill a process because the machine as a whole was out of memory.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"

namespace kubelet::os {

struct OomKill {
  int pid = 0;
  std::string process;
};

// The victim, when `record` (`3,339,5140900,-;Out of memory: Killed process 7 (a) ...`) is the
// kernel's own word of a machine without memory; not for a control group at its limit, and not for
// what a program wrote. Pure. Linux mm/oom_kill.c: since 5.0 `Killed process`; before that `Kill
// process`, which names the one that was chosen (a child of it may die in its stead).
// Documentation/ABI/testing/dev-kmsg.
std::optional<OomKill> ParseSystemOom(const std::string& record);

// The records that come from now on. Core loop only; nothing is read, and nothing wakes, while the
// kernel is silent.
class KernelMessages {
 public:
  // NotFound, PermissionDenied: there is no such log for us.
  static absl::StatusOr<std::unique_ptr<KernelMessages>> Open(
      base::Executor executor, const std::string& path = "/dev/kmsg");
  ~KernelMessages();

  // Waits until the kernel has said something, and reads all of it: the victims it told of, as a
  // rule none. One waiter. Records that the kernel wrote over are passed over. Unavailable when the
  // log fails or ends.
  base::Task<absl::StatusOr<std::vector<OomKill>>> Read();

 private:
  struct State;
  explicit KernelMessages(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::os
