// A shutdown of the machine: what it needs to know of pods, and who hears of it.
#include "app/kubelet.h"

namespace kubelet::app {

namespace {

std::vector<node::ShutdownGroup> Groups(const config::LoadedConfig& config) {
  const auto& kc = config.kubelet;
  if (!config.gates.Enabled("GracefulNodeShutdown")) return {};
  std::vector<node::ShutdownGroup> groups;
  if (config.gates.Enabled("GracefulNodeShutdownBasedOnPodPriority")) {
    for (const auto& group : kc.shutdown_grace_period_by_pod_priority())
      groups.push_back(
          {group.priority(), std::chrono::seconds(group.shutdown_grace_period_seconds())});
  }
  if (!groups.empty()) return groups;
  return node::GroupsOf(base::Nanos(kc.shutdown_grace_period().duration()),
                        base::Nanos(kc.shutdown_grace_period_critical_pods().duration()));
}

}  // namespace

void Kubelet::MakeShutdown() {
  node::Shutdown::Options options;
  options.groups = Groups(config_);
  bool remembered = config_.gates.Enabled("GracefulNodeShutdownBasedOnPodPriority");
  if (remembered && !options.groups.empty())
    options.state_file = config_.flags.root_dir + "/graceful_node_shutdown_state";
  node::Shutdown::Deps deps{io_.get_executor(), clock_, pool_};
  deps.connect = [] { return os::ConnectLogind(); };
  deps.pods = [this] { return eviction_host_->ActivePods(); };
  deps.end = [this](const api::PodPtr& pod, std::chrono::seconds grace) {
    worker::Verdict verdict{node::kShutdownReason, node::kShutdownMessage};
    verdict.disruption = node::kShutdownMessage;
    verdict.by_node = true;
    workers_->End(pod->metadata().uid(), std::move(verdict), grace);
  };
  deps.start_again = [this](const std::string& uid) {
    workers_->StartAgain(uid, "the shutdown of its node was called off");
  };
  deps.cleaned_up = [this](const std::string& uid) { return eviction_host_->CleanedUp(uid); };
  deps.statuses_written = [this] { return !cluster_ || cluster_->statuses().pending() == 0; };
  deps.on_change = [this] {
    if (cluster_) cluster_->agent().Poke();
  };
  deps.on_event = [this](const node::NodeEvent& event) {
    if (cluster_) cluster_->RecordNodeEvent(event.warning, event.reason, event.message);
  };
  deps.metrics = &metrics_;
  shutdown_ = std::make_unique<node::Shutdown>(std::move(deps), std::move(options));
}

}  // namespace kubelet::app
