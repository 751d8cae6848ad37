#include "app/adapters.h"

#include "app/pod_files.h"
#include "kubelet/resource/user_namespaces.h"
#include "kubelet/volume/volume.h"

namespace kubelet::app {

using base::Task;

namespace {

class VolumesAdapter : public runtime::Volumes {
 public:
  VolumesAdapter(const NodeCgroups::Deps& deps, volume::VolumeOptions options)
      : volumes_(deps.executor, deps.clock, deps.pool, std::move(options)) {}
  Task<absl::StatusOr<runtime::VolumePaths>> Prepare(api::PodPtr pod) override {
    auto prepared = co_await volumes_.Prepare(std::move(pod));
    if (!prepared.ok()) co_return prepared.status();
    runtime::VolumePaths paths;
    for (const auto& [name, path] : *prepared)
      paths[name] = runtime::VolumePath{path.host_path, path.selinux_relabel, path.group};
    co_return paths;
  }
  Task<absl::StatusOr<std::map<int, std::string>>> PrepareSubPaths(
      api::PodPtr pod, std::string container, std::map<int, std::string> paths) override {
    return volumes_.PrepareSubPaths(std::move(pod), std::move(container), std::move(paths));
  }
  Task<absl::StatusOr<std::string>> ReadFile(api::PodPtr pod, std::string volume,
                                             std::string path) override {
    return volumes_.ReadFile(std::move(pod), std::move(volume), std::move(path));
  }
  Task<absl::Status> Teardown(std::string uid) override {
    return volumes_.Teardown(std::move(uid));
  }
  std::optional<base::MonoTime> RetryAt(const std::string& uid) override {
    return volumes_.RetryAt(uid);
  }
  volume::PodVolumes& volumes() { return volumes_; }

 private:
  volume::PodVolumes volumes_;
};

class UserNamespacesAdapter : public runtime::UserNamespaces {
 public:
  explicit UserNamespacesAdapter(const NodeCgroups::Deps& deps)
      : blocks_(deps.executor, deps.clock, deps.pool, OptionsOf(deps.config)) {}
  Task<absl::StatusOr<runtime::IdMapping>> Ensure(std::string uid) override {
    auto block = co_await blocks_.Ensure(std::move(uid));
    if (!block.ok()) co_return block.status();
    co_return runtime::IdMapping{static_cast<uint32_t>(block->first), 0,
                                 static_cast<uint32_t>(block->length)};
  }
  Task<absl::Status> Release(std::string uid) override { return blocks_.Release(std::move(uid)); }

 private:
  static resource::UserNamespaceOptions OptionsOf(const config::LoadedConfig& config) {
    const auto& kc = config.kubelet;
    resource::UserNamespaceOptions options;
    options.root_dir = config.flags.root_dir;
    options.max_pods = kc.max_pods();
    if (kc.user_namespaces().has_ids_per_pod())
      options.ids_per_pod = static_cast<uint32_t>(kc.user_namespaces().ids_per_pod());
    return options;
  }
  resource::UserNamespaces blocks_;
};

volume::VolumeOptions VolumeOptionsOf(const NodeCgroups::Deps& deps, const VolumeSources& sources,
                                      std::function<api::NodeAllocatable()> allocatable,
                                      VolumeHooks hooks) {
  volume::VolumeOptions options;
  options.objects = sources.objects;
  options.static_objects = sources.static_objects;
  options.allocatable = std::move(allocatable);
  options.metrics = hooks.metrics;
  options.on_event = std::move(hooks.on_event);
  options.on_ready = std::move(hooks.on_ready);
  options.node_labels = std::move(hooks.node_labels);
  options.root_dir = deps.config.flags.root_dir;
  return options;
}

}  // namespace

struct Adapters::Parts {
  Parts(NodeCgroups::Deps deps, const VolumeSources& sources,
        std::function<api::NodeAllocatable()> allocatable,
        std::function<void(runtime::DnsConfig)> on_resolv_conf, VolumeHooks hooks)
      : volumes(deps, VolumeOptionsOf(deps, sources, std::move(allocatable), std::move(hooks))),
        files(deps.pool, {deps.config.flags.root_dir, deps.config.kubelet.pod_logs_dir()},
              deps.node.context, deps.config.kubelet.resolv_conf(), std::move(on_resolv_conf)),
        user_namespaces(deps),
        cgroups(std::move(deps)) {}
  VolumesAdapter volumes;
  PodFilesAdapter files;
  UserNamespacesAdapter user_namespaces;
  NodeCgroups cgroups;
};

Adapters::Adapters(NodeCgroups::Deps deps, VolumeSources sources,
                   std::function<api::NodeAllocatable()> allocatable,
                   std::function<void(runtime::DnsConfig)> on_resolv_conf, VolumeHooks hooks)
    : parts_(std::make_unique<Parts>(std::move(deps), sources, std::move(allocatable),
                                     std::move(on_resolv_conf), std::move(hooks))) {}
Adapters::~Adapters() = default;
runtime::Volumes& Adapters::volumes() { return parts_->volumes; }
runtime::Cgroups& Adapters::cgroups() { return parts_->cgroups; }
runtime::PodFiles& Adapters::files() { return parts_->files; }
runtime::UserNamespaces& Adapters::user_namespaces() { return parts_->user_namespaces; }
volume::PodVolumes& Adapters::pod_volumes() { return parts_->volumes.volumes(); }
NodeCgroups& Adapters::node_cgroups() { return parts_->cgroups; }
void Adapters::UseDriver(runtime::CgroupDriver driver) { parts_->cgroups.UseDriver(driver); }

}  // namespace kubelet::app
