#include "app/adapters.h"

#include "app/pod_files.h"
#include "kubelet/volume/volume.h"

namespace kubelet::app {

using base::Task;

namespace {

class VolumesAdapter : public runtime::Volumes {
 public:
  VolumesAdapter(const NodeCgroups::Deps& deps, volume::VolumeOptions options)
      : volumes_(deps.executor, deps.clock, deps.pool, std::move(options)) {}
  Task<absl::StatusOr<std::map<std::string, std::string>>> Prepare(api::PodPtr pod) override {
    auto prepared = co_await volumes_.Prepare(std::move(pod));
    if (!prepared.ok()) co_return prepared.status();
    std::map<std::string, std::string> paths;
    for (const auto& [name, path] : *prepared) paths[name] = path.host_path;
    co_return paths;
  }
  Task<absl::Status> Teardown(std::string uid) override {
    return volumes_.Teardown(std::move(uid));
  }
  volume::PodVolumes& volumes() { return volumes_; }

 private:
  volume::PodVolumes volumes_;
};

volume::VolumeOptions VolumeOptionsOf(const NodeCgroups::Deps& deps, volume::Objects* objects,
                                      std::function<api::NodeAllocatable()> allocatable) {
  volume::VolumeOptions options;
  options.objects = objects;
  options.allocatable = std::move(allocatable);
  options.root_dir = deps.config.flags.root_dir;
  options.memory_bytes = deps.node.machine.memory_bytes;
  return options;
}

}  // namespace

struct Adapters::Parts {
  Parts(NodeCgroups::Deps deps, volume::Objects* objects,
        std::function<api::NodeAllocatable()> allocatable)
      : volumes(deps, VolumeOptionsOf(deps, objects, std::move(allocatable))),
        files(deps.pool, {deps.config.flags.root_dir, deps.config.kubelet.pod_logs_dir()},
              deps.config.kubelet.cluster_domain()),
        cgroups(std::move(deps)) {}
  VolumesAdapter volumes;
  PodFilesAdapter files;
  NodeCgroups cgroups;
};

Adapters::Adapters(NodeCgroups::Deps deps, volume::Objects* objects,
                   std::function<api::NodeAllocatable()> allocatable)
    : parts_(std::make_unique<Parts>(std::move(deps), objects, std::move(allocatable))) {}
Adapters::~Adapters() = default;
runtime::Volumes& Adapters::volumes() { return parts_->volumes; }
runtime::Cgroups& Adapters::cgroups() { return parts_->cgroups; }
runtime::PodFiles& Adapters::files() { return parts_->files; }
volume::PodVolumes& Adapters::pod_volumes() { return parts_->volumes.volumes(); }
NodeCgroups& Adapters::node_cgroups() { return parts_->cgroups; }
void Adapters::UseDriver(runtime::CgroupDriver driver) { parts_->cgroups.UseDriver(driver); }

}  // namespace kubelet::app
