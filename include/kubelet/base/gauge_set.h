// Gauges that are filled anew before each scrape: series that are not filled any more go. One thread.
#pragma once

#include <set>

#include "kubelet/base/metrics.h"

namespace kubelet::base {

class GaugeSet {
 public:
  explicit GaugeSet(Family<Gauge>& family) : family_(family) {}

  void Begin() { filled_.clear(); }
  void Set(const LabelValues& labels, double value) {
    family_.With(labels).Set(value);
    filled_.insert(labels);
  }
  // Takes away what was filled before and not since Begin.
  void End() {
    for (const auto& labels : shown_) {
      if (!filled_.contains(labels)) family_.Remove(labels);
    }
    shown_ = filled_;
  }

 private:
  Family<Gauge>& family_;
  std::set<LabelValues> filled_, shown_;
};

}  // namespace kubelet::base
