// Device plugins, and who is to know of them.
#include "app/kubelet.h"

namespace kubelet::app {

void Kubelet::MakePlugins() {
  Plugins::Deps deps{
      io_.get_executor(), clock_, pool_, config_, node_, metrics_, {}, {}, {}, {}, {}, {}};
  deps.live = [this] { return LivePods(); };
  deps.pods = [this] {
    bool active = config_.gates.Enabled("KubeletPodResourcesListUseActivePods");
    if (!active) return store_->All();
    std::vector<api::PodPtr> pods;
    for (auto& entry : workers_->Active()) pods.push_back(std::move(entry.pod));
    return pods;
  };
  deps.find = [this](const std::string& namespace_, const std::string& name) {
    api::PodPtr found;
    for (const auto& pod : store_->All()) {
      const auto& meta = pod->metadata();
      if (meta.name() == name && meta.namespace_() == namespace_) found = pod;
    }
    return found;
  };
  deps.on_node_change = [this] {
    if (cluster_) cluster_->agent().Poke();
  };
  deps.on_pod_change = [this](const std::string& uid) {
    workers_->Wake(uid);
    OnPodChange(uid);
  };
  deps.exclusive = [this]() -> const resource::ExclusiveResources& { return *resources_; };
  plugins_ = std::make_unique<Plugins>(std::move(deps));
}

// Within the pod's own step, so that there is no next one before the pod is over.
void Kubelet::RefuseDevices(const api::PodPtr& pod, const std::string& why) {
  auto refused = DevicesRefused(why);
  manager_->Reject(pod, {refused.reason, refused.message, refused.reason});
}

std::vector<api::core::ResourceStatus> Kubelet::ResourceHealth(const std::string& uid,
                                                               const std::string& container) const {
  if (!config_.gates.Enabled("ResourceHealthStatus")) return {};
  return plugins_->devices().HealthOf(uid, container);
}

}  // namespace kubelet::app
