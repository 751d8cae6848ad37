#include "kubelet/os/kernel_tunables.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>

#include "os/fd.h"

namespace kubelet::os {
namespace {

std::string PathOf(const std::string& proc, std::string name) {
  std::replace(name.begin(), name.end(), '.', '/');
  return proc + "/sys/" + name;
}

absl::StatusOr<int64_t> Read(const std::string& path) {
  auto text = ReadSmallFile(AT_FDCWD, path, path);
  if (!text.ok()) return text.status();
  const std::string number = Trim(*text);
  int64_t value = 0;
  const char* end = number.data() + number.size();
  const auto parsed = std::from_chars(number.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    return absl::InternalError(path + ": is no number");
  return value;
}

}  // namespace

const std::vector<KernelTunable>& KernelTunables() {
  static const auto* tunables = new std::vector<KernelTunable>{
      {"vm.overcommit_memory", 1},
      {"vm.panic_on_oom", 0},
      {"kernel.panic", 10},
      {"kernel.panic_on_oops", 1},
      {"kernel.keys.root_maxkeys", 1000000},
      {"kernel.keys.root_maxbytes", 25000000},
  };
  return *tunables;
}

std::vector<TunableResult> TuneKernel(TunableMode mode, const std::string& proc) {
  std::vector<TunableResult> out;
  for (const auto& tunable : KernelTunables()) {
    const std::string path = PathOf(proc, tunable.name);
    const auto value = Read(path);
    if (value.ok() && *value == tunable.wanted) continue;
    TunableResult result{tunable.name, value.value_or(0), tunable.wanted, value.status()};
    if (value.ok() && mode == TunableMode::kSet)
      result.status = WriteValue(AT_FDCWD, path, path, std::to_string(tunable.wanted));
    if (value.ok() && mode == TunableMode::kCheck)
      result.status =
          absl::FailedPreconditionError("invalid kernel flag: " + tunable.name +
                                        ", expected value: " + std::to_string(tunable.wanted) +
                                        ", actual value: " + std::to_string(*value));
    out.push_back(std::move(result));
  }
  return out;
}

}  // namespace kubelet::os
