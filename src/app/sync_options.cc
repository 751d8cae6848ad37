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
  if (config.gates.Enabled("KubeletCrashLoopBackOffMax") &&
      back_off.has_max_container_restart_period()) {
    options.backoff_max = base::Nanos(back_off.max_container_restart_period().duration());
    options.backoff_initial = std::min(options.backoff_initial, options.backoff_max);
  }
  // Three more than there are cores keep them busy while starts wait for the disk or the kernel,
  // also with an API server's store on the same disk (test/bench, with 3, 5 and 8 on two cores).
  options.start_parallelism = cpus + 3;
  return options;
}

}  // namespace kubelet::app
