// What static pods read from local files: a part of Kubelet.
#include "app/kubelet.h"
#include "kubelet/api/pod.h"

namespace kubelet::app {

void Kubelet::MakeStaticObjects() {
  const std::string& dir = config_.flags.local_objects_dir;
  if (dir.empty()) return;
  source::LocalObjectsOptions options;
  options.path = dir;
  options.check_period = base::Nanos(config_.kubelet.file_check_frequency().duration());
  source::LocalObjects::Deps deps{io_.get_executor(), clock_, pool_, {}, {}};
  deps.on_change = [this](const std::string& namespace_, const std::string& name) {
    OnLocalObjectChange(namespace_, name);
  };
  static_objects_ =
      std::make_unique<StaticObjects>(std::move(options), std::move(deps), cluster_.get());
}

api::NodeAllocatable Kubelet::Allocatable() const {
  if (cluster_ && cluster_->KnownNode()) return cluster_->Allocatable();
  // Without a Node: as it would be there.
  auto amounts = admission_->Allocatable();
  api::NodeAllocatable all;
  all.cpu_milli = amounts["cpu"];
  all.memory_bytes = amounts["memory"];
  all.ephemeral_storage_bytes = amounts["ephemeral-storage"];
  return all;
}

void Kubelet::OnLocalObjectChange(const std::string& namespace_, const std::string& name) {
  for (const auto& pod : store_->All()) {
    if (!api::IsStatic(*pod) || pod->metadata().namespace_() != namespace_) continue;
    auto named = client::ReferencedObjects(*pod);
    if (!named.config_maps.contains(name) && !named.secrets.contains(name)) continue;
    RenewVolumes(pod);
    adapters_->pod_volumes().RetryNow(pod->metadata().uid());
    workers_->Wake(pod->metadata().uid());  // it may wait for this very object
  }
}

}  // namespace kubelet::app
