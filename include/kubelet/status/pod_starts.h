// How long the pods of the API server take to start: from their creation to the moment its watch shows all their
// containers running.
//
//   kubelet_pod_start_total_duration_seconds              all of it
//   kubelet_pod_start_sli_duration_seconds                without pulls and init containers; stateless pods only
//   kubelet_first_network_pod_start_sli_duration_seconds  the first of these with a network of its own
//
// Facts: pkg/kubelet/util/pod_startup_latency_tracker.go (1.36). Only pods whose status has no startTime when they are
// first seen are followed, so none that an earlier kubelet took on, and none that the scheduler could not place at
// once. Deviations: mirror pods are passed over; pulls that overlap count once, in any order; init containers that were
// run again count as far as the runtime still knows them. Memory: a pod is held until its start was told. Core loop only.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::status {

// Bounds in seconds of every histogram of pod starts (metrics.go podStartupDurationBuckets).
std::vector<double> PodStartBuckets();

class PodStarts {
 public:
  struct Deps {
    base::Clock& clock;
    base::Registry& metrics;
    // What the runtime holds of a pod, null: nothing. For the times of its init containers.
    std::function<runtime::ObservedPodPtr(const std::string& uid)> observed;
  };
  explicit PodStarts(Deps deps);

  // A pod as the API server shows it, at each event of the watch and out of each list.
  void Observed(const api::core::Pod& pod);
  // An image begins to be pulled for a pod, and is there. One that fails goes on until it is there in the end: its
  // back-off is no time of the kubelet's. Each may be called again, and for any pod.
  void PullBegan(const std::string& uid, const std::string& image);
  void PullEnded(const std::string& uid, const std::string& image);
  void Forget(const std::string& uid);
  size_t size() const { return pods_.size(); }

 private:
  struct Entry {
    bool passed_over = false;  // the scheduler could not place it at once
    std::set<std::string> pulling;
    base::MonoTime pulling_since{};
    base::Nanos pulled{0};
  };
  void Tell(const api::core::Pod& pod, const Entry& entry);
  base::Nanos InitTime(const api::core::Pod& pod) const;

  Deps deps_;
  std::map<std::string, Entry> pods_;
  base::Family<base::Histogram>& total_;
  base::Family<base::Histogram>& sli_;
  base::Gauge& first_network_;
  bool first_network_told_ = false;
};

}  // namespace kubelet::status
