// Running a program to its end.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"

namespace kubelet::base {

struct ProcessResult {
  int exit_code = 0;  // 128 + signal when killed by one
  std::string out, err;
};
// Runs a program to its end with nothing on its standard input, in a process group of its own;
// `environment` comes on top of ours. Blocking. NotFound when there is no such program;
// DeadlineExceeded: its whole group was killed after `timeout`; ResourceExhausted: so it was, for
// more than a mebibyte of output. Of stderr the last 4 KiB are kept.
absl::StatusOr<ProcessResult> RunProcess(const std::string& command,
                                         const std::vector<std::string>& args,
                                         const std::vector<std::string>& environment,
                                         Nanos timeout);

}  // namespace kubelet::base
