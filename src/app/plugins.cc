#include "app/plugins.h"

#include "kubelet/base/log.h"

namespace kubelet::app {

using base::Task;

namespace {

std::vector<int64_t> List(const resource::CpuSet& cpus) { return {cpus.begin(), cpus.end()}; }

std::vector<::v1::ContainerMemory> List(const std::vector<resource::MemoryBlock>& blocks) {
  std::vector<::v1::ContainerMemory> out;
  for (const auto& block : blocks) {
    auto& memory = out.emplace_back();
    memory.set_memory_type(block.type);
    memory.set_size(block.bytes);
    for (int node : block.nodes) memory.mutable_topology()->add_nodes()->set_id(node);
  }
  return out;
}

}  // namespace

Plugins::Plugins(Deps deps) : deps_(std::move(deps)) {
  const std::string& root = deps_.config.flags.root_dir;
  resource::Devices::Options options;
  options.checkpoint = root + "/device-plugins/kubelet_internal_checkpoint";
  resource::Devices::Deps device_deps{deps_.executor,
                                      deps_.clock,
                                      resource::WriteOn(deps_.pool),
                                      deps_.live,
                                      [this] {
                                        ShowNode();
                                        deps_.on_node_change();
                                      },
                                      deps_.on_pod_change,
                                      &deps_.metrics};
  devices_ = std::make_unique<resource::Devices>(std::move(device_deps), std::move(options));
  devices_->Load();
  deps_.node.device_checkpoint = devices_->found_checkpoint();
  ShowNode();
  plugin::DevicePlugins::Options sockets;
  sockets.directory = root + "/device-plugins";
  plugin::DevicePlugins::Deps plugin_deps{deps_.executor, deps_.clock, *devices_, &deps_.metrics};
  device_plugins_ = std::make_unique<plugin::DevicePlugins>(plugin_deps, std::move(sockets));
  plugin::PodResources::Deps resource_deps{deps_.executor, deps_.clock, *devices_,
                                           deps_.pods,     deps_.find,  &deps_.metrics};
  ShowExclusive(resource_deps);
  pod_resources_ = std::make_unique<plugin::PodResources>(std::move(resource_deps),
                                                          root + "/pod-resources/kubelet.sock");
  plugin::PluginWatcher::Deps watch{deps_.executor, deps_.clock, deps_.pool, {}, &deps_.metrics};
  watch.handlers["DevicePlugin"] = device_plugins_.get();
  watcher_ = std::make_unique<plugin::PluginWatcher>(std::move(watch), root + "/plugins_registry");
}

void Plugins::ShowNode() {
  deps_.node.devices.clear();
  for (const auto& [name, counts] : devices_->Resources())
    deps_.node.devices[name] = {counts.capacity, counts.allocatable};
}

void Plugins::ShowExclusive(plugin::PodResources::Deps& deps) const {
  const auto& of = deps_.exclusive;
  deps.cpus = [of](const std::string& uid, const std::string& container) {
    return List(of().ExclusiveCpus(uid, container));
  };
  deps.allocatable_cpus = [of] { return List(of().AllocatableCpus()); };
  deps.memory = [of](const std::string& uid, const std::string& container) {
    return List(of().ExclusiveMemory(uid, container));
  };
  deps.allocatable_memory = [of] { return List(of().AllocatableMemory()); };
}

void Plugins::Start() {
  auto registration = device_plugins_->Start();
  if (!registration.ok())
    LOG_ERROR("Device plugins cannot register; pods that need none run on", "err", registration);
  auto resources = pod_resources_->Start();
  if (!resources.ok()) LOG_ERROR("Cannot serve the pod resources API", "err", resources);
  watcher_->Start();
}

Task<absl::StatusOr<runtime::DeviceGrant>> Plugins::Prepare(api::PodPtr pod,
                                                            std::string container) {
  runtime::DeviceGrant out;
  auto answer = co_await devices_->Prepare(std::move(pod), std::move(container));
  if (!answer.ok()) co_return answer.status();
  const std::map<std::string, std::string> envs(answer->envs().begin(), answer->envs().end());
  out.envs.assign(envs.begin(), envs.end());
  out.annotations.insert(answer->annotations().begin(), answer->annotations().end());
  for (const auto& mount : answer->mounts()) {
    auto& to = out.mounts.emplace_back();
    to.container_path = mount.container_path();
    to.host_path = mount.host_path();
    to.read_only = mount.read_only();
  }
  for (const auto& device : answer->devices())
    out.devices.push_back({device.container_path(), device.host_path(), device.permissions()});
  for (const auto& cdi : answer->cdi_devices()) out.cdi_devices.push_back(cdi.name());
  co_return out;
}

}  // namespace kubelet::app
