#include "app/sync_options.h"

#include <algorithm>

namespace kubelet::app {

using std::chrono::seconds;

runtime::PodSyncer::Options SyncOptions(const config::LoadedConfig& config, int cpus) {
  runtime::PodSyncer::Options options;
  if (config.gates.Enabled("ReduceDefaultCrashLoopBackOffDecay")) {
    options.backoff_initial = seconds(1);
    options.backoff_max = seconds(60);
  }
  const auto& back_off = config.kubelet.crash_loop_back_off();
  if (config.gates.Enabled("KubeletCrashLoopBackOffMax") && back_off.has_max_container_restart_period()) {
    options.backoff_max = base::Nanos(back_off.max_container_restart_period().duration());
    options.backoff_initial = std::min(options.backoff_initial, options.backoff_max);
  }
  // One more than there are cores keeps them busy while a start waits for the disk or the kernel
  // (test/bench).
  options.start_parallelism = std::max(3, cpus + 1);
  return options;
}

}  // namespace kubelet::app
