#include "app/node_options.h"

#include <algorithm>

#include "kubelet/api/time.h"
#include "kubelet/os/machine.h"
#include "kubelet/os/node_address.h"

namespace kubelet::app {

namespace {

// Of the features that a node of 1.36 declares, each named like its gate, those that are built. To
// come with its capability: UserNamespacesHostNetworkSupport (when the runtime has it too).
constexpr const char* kDeclaredFeatures[] = {
    "ExtendWebSocketsToKubelet",
    "InPlacePodLevelResourcesVerticalScaling",
    "InPlacePodVerticalScalingInitContainers",
    "RestartAllContainersOnContainerExits",
};

template <typename Map>
std::map<std::string, std::string> Sorted(const Map& map) {
  return {map.begin(), map.end()};
}

}  // namespace

node::NodeOptions MakeNodeOptions(const config::LoadedConfig& config, const Node& node) {
  const auto& kc = config.kubelet;
  const auto& flags = config.flags;
  node::NodeOptions out;
  out.name = node.name;
  out.hostname = node.name;
  out.node_ips = os::ParseNodeIps(flags.node_ip);
  out.external_cloud_provider = flags.cloud_provider == "external";
  out.provider_id = kc.provider_id();
  out.labels = flags.node_labels;
  out.taints.assign(kc.register_with_taints().begin(), kc.register_with_taints().end());
  out.controller_attach_detach = kc.enable_controller_attach_detach();
  out.max_pods = kc.max_pods();
  out.pods_per_core = kc.pods_per_core();
  out.kube_reserved = Sorted(kc.kube_reserved());
  out.system_reserved = Sorted(kc.system_reserved());
  if (auto cpus = os::ParseCpuList(kc.reserved_system_cpus()); cpus.ok())
    out.reserved_cpus = static_cast<int>(cpus->size());
  out.eviction_hard = Sorted(kc.eviction_hard());
  out.allocatable_ignore_eviction = flags.allocatable_ignore_eviction;
  out.local_storage_isolation = kc.local_storage_capacity_isolation();
  out.max_images = kc.node_status_max_images();
  out.kubelet_port = kc.port();
  out.reset_extended_resources = !node.device_checkpoint;
  out.kubelet_version =
      flags.reported_version.empty() ? config::OwnVersion() : flags.reported_version;
  if (config.gates.Enabled("NodeDeclaredFeatures")) {
    out.declared_features.emplace();
    for (const char* feature : kDeclaredFeatures) {
      // Streams need the port that they come in by.
      if (feature == std::string("ExtendWebSocketsToKubelet") && !kc.enable_server()) continue;
      if (config.gates.Enabled(feature)) out.declared_features->push_back(feature);
    }
  }
  return out;
}

eviction::Evictions::Options MakeEvictionOptions(const config::LoadedConfig& config) {
  const auto& kc = config.kubelet;
  eviction::Evictions::Options options;
  eviction::Config& out = options.config;
  out.hard = Sorted(kc.eviction_hard());
  out.soft = Sorted(kc.eviction_soft());
  out.minimum_reclaim = Sorted(kc.eviction_minimum_reclaim());
  for (const auto& [signal, text] : kc.eviction_soft_grace_period()) {
    if (auto grace = api::ParseGoDuration(text); grace.ok()) out.soft_grace[signal] = *grace;
  }
  const auto& enforced = kc.enforce_node_allocatable();
  out.allocatable_memory = std::find(enforced.begin(), enforced.end(), "pods") != enforced.end();
  if (kc.eviction_pressure_transition_period().duration() > 0)
    out.transition = base::Nanos(kc.eviction_pressure_transition_period().duration());
  options.storage_limits = kc.local_storage_capacity_isolation();
  options.max_pod_grace = std::chrono::seconds(kc.eviction_max_pod_grace_period());
  options.pod_level_resources = config.gates.Enabled("PodLevelResources");
  return options;
}

node::NodeFacts MachineFacts(const config::LoadedConfig& config, const Node& node) {
  node::NodeFacts facts;
  facts.machine = node.machine;
  if (!config.gates.Enabled("NodeSwap")) facts.machine.swap_bytes = 0;
  facts.root_fs_bytes = node.root_fs_bytes;
  facts.devices = node.devices;
  facts.addresses = node.addresses;
  return facts;
}

}  // namespace kubelet::app
