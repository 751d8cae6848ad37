// What the kubelet and its cluster tell each other.
#include "app/kubelet.h"
#include "app/node_options.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/machine.h"
#include "kubelet/status/first_look.h"

namespace kubelet::app {

using base::Task;
using std::chrono::seconds;

namespace {

// pkg/kubelet/runtime.go: a runtime that is silent for so long is down.
constexpr auto kRuntimeSilence = seconds(30);
// How long the first status of the node waits for the runtime, looking so often.
constexpr base::Nanos kFirstAnswer = seconds(3), kLook = std::chrono::milliseconds(20);

}  // namespace

void Kubelet::MakeCluster() {
  Cluster::Hooks hooks;
  hooks.on_snapshot = [this](const source::Snapshot& snapshot) { OnSnapshot(snapshot); };
  hooks.facts = [this] { return Facts(); };
  hooks.on_object_change = [this](const std::string& namespace_, const std::string& name) {
    OnObjectChange(namespace_, name);
  };
  hooks.on_volume_change = [this](const std::string& uid) {
    api::PodPtr pod = store_->Get(uid);
    if (!pod) return;
    RenewVolumes(pod);
    adapters_->pod_volumes().RetryNow(uid);
    workers_->Wake(uid);  // it may wait for this very thing
  };
  hooks.on_node = [this] { UseHostIps(); };
  hooks.ending = [this](const std::string& full_name) { return Ending(full_name); };
  hooks.apply_pod_cidr = [this](std::string cidrs) {
    own_pod_cidr_.clear();  // the Node has the last word
    return runtime_->UpdateRuntimeConfig(std::move(cidrs));
  };
  hooks.on_serving_change = [this] {
    if (https_) https_->TlsChanged();
  };
  hooks.observed = [this](const std::string& uid) {
    return pleg_ ? pleg_->Get(uid) : runtime::ObservedPodPtr();
  };
  cluster_ = std::make_unique<Cluster>(
      Cluster::Deps{io_.get_executor(), clock_, pool_, config_, node_, metrics_}, std::move(hooks));
}

Task<node::NodeFacts> Kubelet::Facts() {
  // A node that was Ready before a restart must not flip because we have not asked yet.
  for (auto waited = base::Nanos(0);
       (!node_.runtime_answered || !node_.addresses_known || !pleg_->Synced()) &&
       waited < kFirstAnswer;
       waited += kLook)
    co_await base::SleepFor(clock_, kLook);
  std::function<absl::StatusOr<int64_t>()> size = [root = config_.flags.root_dir] {
    return os::FilesystemBytes(root);
  };
  auto bytes = co_await pool_.Run<int64_t>("node status", seconds(2), std::move(size));
  if (bytes.ok()) node_.root_fs_bytes = *bytes;
  node::NodeFacts facts = MachineFacts(config_, node_);
  auto pressures = evictions_->pressures();
  facts.memory_pressure = pressures.memory;
  facts.disk_pressure = pressures.disk;
  facts.pid_pressure = pressures.pid;
  facts.shutting_down = shutdown_->shutting_down();
  facts.runtime_name = node_.runtime_name;
  facts.runtime_version = node_.runtime_version;
  facts.volumes_in_use = adapters_->pod_volumes().VolumesInUse();
  if (node_.runtime_answered) {
    facts.handlers.emplace();
    for (const auto& handler : node_.handlers) {
      facts.handlers->push_back(
          {handler.name, handler.recursive_read_only_mounts, handler.user_namespaces});
    }
    facts.supplemental_groups_policy = node_.supplemental_groups_policy;
    if (clock_.Mono() - *node_.runtime_answered > kRuntimeSilence)
      facts.errors.push_back(node::kRuntimeDown);
  } else {
    facts.errors.push_back(node::kRuntimeUnchecked);
  }
  if (auto pleg = pleg_->Health(); !pleg.ok())
    facts.errors.push_back("PLEG is not healthy: " + base::Message(pleg));
  if (!node_.runtime_trouble.empty()) facts.errors.push_back(node_.runtime_trouble);
  if (!node_.network_trouble.empty()) facts.errors.push_back(node_.network_trouble);
  if (std::string trouble = CgroupTrouble(); !trouble.empty()) facts.errors.push_back(trouble);
  if (const auto& images = image_list_->known()) {
    facts.images.emplace();
    for (const auto& image : *images) {
      facts.images->push_back(
          {image.id, image.repo_digests, image.repo_tags, static_cast<int64_t>(image.size_bytes)});
    }
  }
  co_return facts;
}

// Tokens whose time has come; volumes of pods that were running when we were started, whose objects
// may have changed meanwhile; and, where nobody tells of changes, everything now and then.
Task<void> Kubelet::RefreshVolumes() {
  constexpr int kTurnsBetweenAudits = 6;
  bool told = config_.kubelet.config_map_and_secret_change_detection_strategy() == "Watch";
  for (int turn = 1;; ++turn) {
    co_await base::SleepFor(clock_, seconds(10));
    bool audit = !told && turn % kTurnsBetweenAudits == 0;
    for (const auto& pod : store_->All()) {
      const std::string& uid = pod->metadata().uid();
      auto at = adapters_->pod_volumes().RefreshAt(uid);
      bool due = at && *at <= clock_.Now();
      if (due || audit || !renewed_.contains(uid)) RenewVolumes(pod);
    }
  }
}

void Kubelet::RenewVolumes(const api::PodPtr& pod) {
  const std::string& uid = pod->metadata().uid();
  renewed_.insert(uid);
  bool any = false;
  for (const auto& volume : pod->spec().volumes()) {
    const auto& source = volume.volume_source();
    any = any || source.has_config_map() || source.has_secret() || source.has_downward_api() ||
          source.has_projected();
  }
  if (!any) return;
  if (!renewing_.insert(uid).second) {
    // What is under way may have read the object before it changed.
    renew_again_.insert(uid);
    return;
  }
  scope_.Spawn("volumes of " + api::PodKey(*pod), RefreshVolumesOf(pod));
}

Task<void> Kubelet::RefreshVolumesOf(api::PodPtr pod) {
  const std::string uid = pod->metadata().uid();
  auto view = workers_->View(uid);
  if (view && !view->over()) {
    auto status = co_await adapters_->pod_volumes().Refresh(pod);
    if (!status.ok())
      LOG_WARNING("Cannot renew volumes; what is mounted stays", "pod", api::PodKey(*pod), "err",
                  status);
  }
  renewing_.erase(uid);
  bool again = renew_again_.erase(uid) > 0;
  api::PodPtr now = again ? store_->Get(uid) : nullptr;
  if (now) RenewVolumes(now);
}

void Kubelet::OnObjectChange(const std::string& namespace_, const std::string& name) {
  for (const auto& pod : store_->All()) {
    if (pod->metadata().namespace_() != namespace_) continue;
    auto named = client::ReferencedObjects(*pod);
    if (!named.config_maps.contains(name) && !named.secrets.contains(name)) continue;
    RenewVolumes(pod);
    adapters_->pod_volumes().RetryNow(pod->metadata().uid());
    workers_->Wake(pod->metadata().uid());  // it may wait for this very object
  }
}

bool Kubelet::Ending(const std::string& full_name) const {
  for (const auto& view : workers_->Views()) {
    if (view.name + "_" + view.namespace_ == full_name && view.over() && !view.finished)
      return true;
  }
  return false;
}

void Kubelet::SyncMirrors() {
  if (!cluster_ || !pleg_->Synced()) return;
  std::vector<api::PodPtr> pods;
  for (const auto& pod : store_->All())
    if (api::IsStatic(*pod)) pods.push_back(pod);
  bool complete = store_->Complete(source::kFileSource) && store_->Complete(source::kUrlSource);
  cluster_->mirrors().SetStatic(pods, complete);
}

void Kubelet::OnStatus(const std::string& uid) {
  if (!cluster_ || !pleg_->Synced()) return;
  const auto* status = statuses_->Get(uid);
  if (status == nullptr) {
    cluster_->statuses().Forget(uid);
    return;
  }
  auto view = workers_->View(uid);
  api::PodPtr pod = store_->Get(uid);
  if (!pod && view) pod = view->pod;
  if (!pod || !node_.addresses_known) return;
  status::StatusWriter::Flags flags;
  flags.terminal_allowed = view && !view->could_run();
  bool taken_over = pod->status().container_statuses_size() > 0 || api::IsStatic(*pod);
  bool first_look = !view || (!view->over() && !view->looked);
  if (!taken_over || !first_look) {
    cluster_->statuses().Set(uid, pod, *status, flags);
    return;
  }
  auto shown = cluster_->statuses().Shown(uid);
  if (view && shown) {
    cluster_->statuses().Set(uid, pod, status::KeepWaiting(*shown, *status), flags);
  }
}

}  // namespace kubelet::app
