// Where pods come from, and what becomes of a snapshot of them.
#include "app/kubelet.h"
#include "kubelet/api/pod.h"

namespace kubelet::app {

void Kubelet::MakeSources() {
  const auto& kc = config_.kubelet;
  auto on_snapshot = [this](const source::Snapshot& snapshot) { OnSnapshot(snapshot); };
  if (cluster_) api_source_ = cluster_->MakeSource();
  source::SourceDeps deps{io_.get_executor(), clock_, pool_, on_snapshot, nullptr};
  auto references = source::References::kRefused;
  if (static_objects_) references = source::References::kLocalObjects;
  if (!config_.gates.Enabled("PreventStaticPodAPIReferences"))
    references = source::References::kAllowed;
  if (!kc.static_pod_path().empty()) {
    source::FileSourceOptions options;
    options.path = kc.static_pod_path();
    options.node_name = node_.name;
    options.state_dir = config_.flags.root_dir;
    options.check_period = base::Nanos(kc.file_check_frequency().duration());
    options.references = references;
    sources_.push_back(source::MakeFileSource(std::move(options), deps));
  }
  if (!kc.static_pod_url().empty()) {
    source::UrlSourceOptions options;
    options.url = kc.static_pod_url();
    options.node_name = node_.name;
    options.state_dir = config_.flags.root_dir;
    for (const auto& [name, values] : kc.static_pod_url_header()) {
      for (const auto& value : values.items()) options.headers.emplace_back(name, value);
    }
    options.check_period = base::Nanos(kc.http_check_frequency().duration());
    options.references = references;
    sources_.push_back(source::MakeUrlSource(std::move(options), deps));
  }
  metrics_.AddGaugeFunction("kubelet_manifest_problems",
                            "Manifests that are refused or kept in an older form.",
                            [this] { return static_cast<double>(Problems().size()); });
}

// Whether containers of it may start yet, so that it needs what its spec refers to.
bool Kubelet::MayRun(const api::core::Pod& pod) const {
  const auto& phase = pod.status().phase();
  if (phase == "Succeeded" || phase == "Failed") return false;
  auto view = workers_->View(pod.metadata().uid());
  return !view || !view->over();
}

void Kubelet::OnSnapshot(const source::Snapshot& snapshot) {
  bool from_api = snapshot.source == source::kApiSource;
  if (from_api) {
    // Before a worker asks for them.
    for (const auto& pod : snapshot.pods) {
      const auto& uid = pod->metadata().uid();
      if (store_->Get(uid) != pod && MayRun(*pod)) cluster_->objects().AddPod(*pod);
    }
  }
  bool rules = config_.gates.Enabled("ContainerRestartRules");
  bool restart_all = config_.gates.Enabled("RestartAllContainersOnContainerExits");
  auto pods_seen = snapshot.pods;
  for (auto& pod : pods_seen) pod = runtime::WithRestartGates(pod, rules, restart_all);
  bool listed = from_api && snapshot.complete && !store_->Complete(source::kApiSource);
  auto changes = manager_->OnSnapshot(snapshot.source, pods_seen, snapshot.complete);
  // First, so that no status tells of a spec as seen while its resize is not judged yet.
  for (const auto& pod : changes.updated) resizes_->allocations().Updated(pod);
  for (const auto& pod : changes.added) stats_->PodAdded(*pod);
  for (const auto* pods : {&changes.added, &changes.updated, &changes.reconciled}) {
    for (const auto& pod : *pods) OnPodChange(pod->metadata().uid());
  }
  for (const auto& pod : changes.updated) RenewVolumes(pod);
  for (const auto& pod : changes.removed) {
    const auto& uid = pod->metadata().uid();
    resizes_->allocations().Removed(uid);
    if (from_api && !workers_->Has(uid)) cluster_->ForgetPod(uid);
  }
  if (listed) {
    // What the server shows of static pods is known now.
    for (const auto& pod : store_->All())
      if (api::IsStatic(*pod)) OnStatus(pod->metadata().uid());
  }
  // Whether a mirror is an orphan depends on every source having spoken.
  SyncMirrors();
  resources_->Look();
}

std::vector<SourceProblem> Kubelet::Problems() const {
  std::vector<SourceProblem> all;
  auto add = [&all](const std::vector<source::Problem>& problems) {
    for (const auto& p : problems) {
      bool warning = p.severity == source::Problem::Severity::kWarning;
      all.push_back({p.origin, p.pod, p.text, p.since, p.kept, warning});
    }
  };
  for (const auto& source : sources_) add(source->problems());
  if (static_objects_) add(static_objects_->local().problems());
  return all;
}

}  // namespace kubelet::app
