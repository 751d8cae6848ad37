#include "app/tune_kernel.h"

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/kernel_tunables.h"

namespace kubelet::app {

absl::Status TuneKernel(const config::LoadedConfig& config, const std::string& proc) {
  const bool protect = config.kubelet.protect_kernel_defaults();
  auto results = os::TuneKernel(protect ? os::TunableMode::kCheck : os::TunableMode::kSet, proc);
  std::string problems;
  for (const auto& result : results) {
    if (protect) {
      problems += (problems.empty() ? "" : "; ") + base::Message(result.status);
    } else if (result.status.ok()) {
      LOG_INFO("Set a parameter of the kernel", "name", result.name, "before", result.before, "now",
               result.wanted);
    } else {
      LOG_WARNING("Cannot set a parameter of the kernel; going on", "name", result.name, "wanted",
                  result.wanted, "err", result.status);
    }
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError("protectKernelDefaults: " + problems);
}

}  // namespace kubelet::app
