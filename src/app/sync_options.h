// How pods are brought up on this machine with this configuration.
#pragma once

#include "kubelet/config/config.h"
#include "kubelet/runtime/pod_syncer.h"

namespace kubelet::app {

// The crash back-off by crashLoopBackOff.maxContainerRestartPeriod and the gates KubeletCrashLoopBackOffMax and
// ReduceDefaultCrashLoopBackOffDecay (pkg/kubelet/kubelet.go newCrashLoopBackOff); as many starts at a time as gain
// something on `cpus` cores.
runtime::PodSyncer::Options SyncOptions(const config::LoadedConfig& config, int cpus);

}  // namespace kubelet::app
