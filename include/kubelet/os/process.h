// Running a program to its end without a thread that waits for it: only the start goes through the
// blocking pool, the rest are events of the core loop. Core loop only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"

namespace kubelet::os {

struct ProcessRequest {
  std::string program;  // a path, or a name looked for in $PATH
  std::vector<std::string> args;
  std::vector<std::string> environment;  // NAME=value, in place of ours of the same name
  std::string input;                     // its standard input
  base::Nanos timeout = std::chrono::minutes(1);
  size_t max_output = 1 << 20;
  // Let go when the program has really ended (or was never started): later than the answer when it was killed and the
  // kernel does not let it die. On any thread.
  std::shared_ptr<void> held;
};

struct ProcessResult {
  int exit_code = 0;     // 128 + signal when killed by one
  std::string out, err;  // of err the last 4 KiB
};

// Runs the program in a process group of its own, with no signal blocked. It counts as ended when
// its first process is: one that stays behind and keeps the pipes is not waited for. NotFound,
// PermissionDenied: it cannot be started; DeadlineExceeded, ResourceExhausted (too much output):
// its whole group was killed. Cancelling kills it, too.
base::Task<absl::StatusOr<ProcessResult>> RunProcess(base::Executor executor, base::Clock& clock,
                                                     base::BlockingPool& pool,
                                                     ProcessRequest request);

}  // namespace kubelet::os
