#include "kubelet/os/oom.h"

#include <fcntl.h>

#include "os/fd.h"

namespace kubelet::os {

absl::Status SetOwnOomScoreAdj(int value, const std::string& path) {
  if (value < -1000 || value > 1000) {
    return absl::InvalidArgumentError("oomScoreAdj " + std::to_string(value) +
                                      " is not in -1000..1000");
  }
  std::string text = std::to_string(value);
  // Writing what is there already needs no privilege only on some kernels.
  if (auto current = ReadSmallFile(AT_FDCWD, path, path); current.ok() && Trim(*current) == text) {
    return absl::OkStatus();
  }
  return WriteValue(AT_FDCWD, path, path, text);
}

}  // namespace kubelet::os
