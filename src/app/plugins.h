// Plugins of this node: the sockets by which they come and the room that keeps what they give.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/node.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/plugin/device_plugins.h"
#include "kubelet/plugin/plugin_watcher.h"
#include "kubelet/plugin/pod_resources.h"
#include "kubelet/resource/devices.h"
#include "kubelet/resource/exclusive.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::app {

class Plugins : public runtime::DeviceGrants {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    Node& node;  // gets the resources
    base::Registry& metrics;
    std::function<std::optional<std::set<std::string>>()> live;
    std::function<std::vector<api::PodPtr>()> pods;  // that the pod resources API lists
    std::function<api::PodPtr(const std::string& namespace_, const std::string& name)> find;
    std::function<void()> on_node_change;
    std::function<void(const std::string& uid)> on_pod_change;
    // CPUs and memory of containers, for the pod resources API; asked once the loop runs.
    std::function<const resource::ExclusiveResources&()> exclusive;
  };
  // Reads the checkpoint: before the node is registered. Blocks.
  explicit Plugins(Deps deps);
  // Plugins may come from here on.
  void Start();

  resource::Devices& devices() { return *devices_; }
  absl::Status Health() const { return device_plugins_->Check(); }
  // runtime::DeviceGrants
  base::Task<absl::StatusOr<runtime::DeviceGrant>> Prepare(api::PodPtr pod,
                                                           std::string container) override;

 private:
  void ShowNode();
  void ShowExclusive(plugin::PodResources::Deps& deps) const;

  Deps deps_;
  std::unique_ptr<resource::Devices> devices_;
  std::unique_ptr<plugin::DevicePlugins> device_plugins_;
  std::unique_ptr<plugin::PodResources> pod_resources_;
  std::unique_ptr<plugin::PluginWatcher> watcher_;
};

}  // namespace kubelet::app
