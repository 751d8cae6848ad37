// How long the machine took to become a Ready node, in the gauges kubelet_node_startup_*: 0 until then, and for good
// where the Node was there already (pkg/kubelet/util/node_startup_latency_tracker.go of 1.36). Core loop only.
#pragma once

#include <optional>

#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/node/node_agent.h"

namespace kubelet::node {

class StartupTimes {
 public:
  // The kubelet starts now. `metrics` null: nothing is told. Without `booted` what begins with the machine is not.
  StartupTimes(base::Clock& clock, base::Registry* metrics, std::optional<base::WallTime> booted);
  void Attempt();     // the first try to register
  void Registered();  // as a new Node
  // The Node as the server has it now.
  void Known(const core::Node& node);

 private:
  base::Clock& clock_;
  std::optional<base::WallTime> booted_;
  base::WallTime started_;
  std::optional<base::WallTime> attempt_, registered_, ready_;
  base::Gauge *pre_kubelet_ = nullptr, *pre_registration_ = nullptr, *registration_ = nullptr,
              *post_registration_ = nullptr, *total_ = nullptr;
};

}  // namespace kubelet::node
