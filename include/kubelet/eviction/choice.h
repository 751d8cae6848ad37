// Who has to go, and why: pure functions. Facts: pkg/kubelet/eviction helpers.go and
// eviction_manager.go (1.36), message texts and annotations included.
//
// Critical pods (static, mirror, priority of 2000000000 and more) are never chosen.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/eviction/thresholds.h"
#include "kubelet/runtime/pod_usage.h"

namespace kubelet::eviction {

using Pods = std::vector<api::PodPtr>;

struct Victim {
  api::PodPtr pod;
  std::chrono::seconds grace{1};  // at most; a pod's own may be shorter
  std::string signal;             // for the metric: `memory.available`, `emptydirfs.limit`
  std::string message;
  std::map<std::string, std::string> annotations;  // of its event
  bool disruption = false;                         // condition DisruptionTarget says the same
};

// What the kubelet may remove on its own against this threshold, before any pod.
struct NodeReclaim {
  bool dead_containers = false, unused_images = false;
  bool Any() const { return dead_containers || unused_images; }
};
NodeReclaim ReclaimFor(Signal signal, const FsLayout& layout);

// Whether files have to be measured to choose between pods.
bool RanksByFiles(Signal signal);

// The first to go comes first: those of which nothing is known, then those that use more than they
// asked for, then the lower priority, then the larger use beyond requests. pid.available: priority,
// number of processes. Stable.
void Rank(Signal signal, const FsLayout& layout, const runtime::PodUsages& usages, Pods& pods);

struct Shortage {
  std::vector<Threshold> due;  // not empty; the first is the one to reclaim
  Observations observations;
  FsLayout layout;
  // evictionMaxPodGracePeriod: cap for soft thresholds. Hard ones leave a second.
  std::chrono::seconds max_grace{0};
  bool pod_level_resources = true;  // gate PodLevelResources
};
// nullopt: nobody may be evicted.
std::optional<Victim> ChooseVictim(const Shortage& shortage, const runtime::PodUsages& usages,
                                   Pods pods);

// It has a limit of ephemeral storage or of an emptyDir, so that its files have to be measured.
bool HasStorageLimit(const api::core::Pod& pod);
// Of ephemeral storage, for which writable layers count.
bool LimitsContainers(const api::core::Pod& pod);
// Those that use more than an emptyDir's sizeLimit, than the limits of ephemeral-storage of all
// containers together or of one of them, in this order. They leave in a second, without
// DisruptionTarget: it is their own doing.
std::vector<Victim> OverLimits(const Pods& pods, const runtime::PodUsages& usages,
                               const FsLayout& layout);

}  // namespace kubelet::eviction
