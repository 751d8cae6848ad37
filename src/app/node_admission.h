// Puts together what admission judges by: the Node object or what it will be, the gates, the
// pressure, the pods that are here. No policy. Core loop only.
#pragma once

#include <functional>

#include "app/cluster.h"
#include "app/node.h"
#include "app/node_look.h"
#include "kubelet/admission/pod_admission.h"
#include "kubelet/eviction/signals.h"
#include "kubelet/resource/devices.h"
#include "kubelet/worker/pod_manager.h"

namespace kubelet::app {

// As upstream words it (pkg/kubelet/cm/admission).
admission::Rejection DevicesRefused(const std::string& why);

class NodeAdmission {
 public:
  struct Deps {
    base::Clock& clock;
    const config::LoadedConfig& config;
    const Node& node;
    const Cluster* cluster =
        nullptr;  // null: standalone; labels and taints are the configured ones
    std::function<std::vector<worker::PodWorkers::ActivePod>()> active;
    std::function<eviction::Pressures()> pressures;
    std::function<bool()> shutting_down;
    // The pod with the resources it was last given; empty: those of its spec.
    std::function<api::PodPtr(const api::PodPtr&)> allocated = {};
    // CPUs, memory and devices of its own: giving them, and taking back what was just given when the
    // pod is rejected in the end.
    admission::Assign assign = {};
    std::function<void(const std::string& uid)> unassign = {};
    resource::Devices* devices = nullptr;
  };
  explicit NodeAdmission(Deps deps) : deps_(std::move(deps)) {}
  // With an API server: before a pod of it is refused for the node's labels, the Node is read anew.
  void DoubtLabels(std::unique_ptr<NodeLook> look) { look_ = std::move(look); }

  worker::Judgement Judge(const api::core::Pod& pod);
  // Allocatable of the node as it is now.
  admission::Amounts Allocatable() const;

 private:
  NodeLook::NodePtr KnownNode() const;
  admission::NodeFacts Facts() const;
  std::optional<admission::Rejection> GiveDevices(const api::core::Pod& pod,
                                                  admission::Amounts& allocatable);
  Deps deps_;
  admission::PodAdmission admission_;
  std::unique_ptr<NodeLook> look_;
};

}  // namespace kubelet::app
