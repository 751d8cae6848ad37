// The part of /metrics that is filled in when somebody looks, and what never changes.
#include "app/node_stats.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/gauge_set.h"

namespace kubelet::app {

struct NodeStats::Gauges {
  explicit Gauges(base::Registry& m);
  base::Family<base::Gauge>& running_pods;
  base::GaugeSet running_containers, desired_pods, active_pods, working_pods, volumes;
  base::Histogram& containers_per_pod;
};

NodeStats::Gauges::Gauges(base::Registry& m)
    : running_pods(
          m.AddGauge("kubelet_running_pods", "Number of pods that have a running pod sandbox")),
      running_containers(m.AddGauge("kubelet_running_containers",
                                    "Number of containers currently running", {"container_state"})),
      desired_pods(
          m.AddGauge("kubelet_desired_pods",
                     "The number of pods the kubelet is being instructed to run. static is "
                     "true if the pod is not from the apiserver.",
                     {"static"})),
      active_pods(m.AddGauge("kubelet_active_pods",
                             "The number of pods the kubelet considers active and which are being "
                             "considered when admitting new pods. static is true if the pod is not "
                             "from the apiserver.",
                             {"static"})),
      working_pods(m.AddGauge(
          "kubelet_working_pods",
          "Number of pods the kubelet is actually running, broken down by lifecycle phase, whether "
          "the pod is desired, orphaned, or runtime only (also orphaned), and whether the pod is "
          "static. An orphaned pod has been removed from local configuration or force deleted in "
          "the API and consumes resources that are not otherwise visible.",
          {"lifecycle", "config", "static"})),
      volumes(m.AddGauge("volume_manager_total_volumes", "Number of volumes in Volume Manager",
                         {"plugin_name", "state"})),
      containers_per_pod(m.AddHistogram("kubelet_containers_per_pod_count",
                                        "The number of containers per pod.",
                                        base::ExponentialBuckets(1, 2, 5))
                             .Only()) {}

namespace {

using Counts = std::map<base::LabelValues, double>;

const char* StageName(config::GateStage stage) {
  switch (stage) {
    case config::GateStage::kAlpha:
      return "ALPHA";
    case config::GateStage::kBeta:
      return "BETA";
    case config::GateStage::kGA:
      return "";
    case config::GateStage::kDeprecated:
      return "DEPRECATED";
  }
  return "";
}

const char* StateName(runtime::ContainerState state) {
  switch (state) {
    case runtime::ContainerState::kCreated:
      return "created";
    case runtime::ContainerState::kRunning:
      return "running";
    case runtime::ContainerState::kExited:
      return "exited";
    case runtime::ContainerState::kUnknown:
      break;
  }
  return "unknown";
}

// pkg/kubelet/pod_workers.go PodWorkerState.
const char* LifecycleOf(const worker::WorkerView& view) {
  if (view.finished) return "terminated";
  return view.over() ? "terminating" : "sync";
}

void Show(const Counts& counts, base::GaugeSet& gauges) {
  gauges.Begin();
  for (const auto& [labels, count] : counts) gauges.Set(labels, count);
  gauges.End();
}

Counts BySource(const std::vector<api::PodPtr>& pods) {
  Counts counts = {{{""}, 0}, {{"true"}, 0}};
  for (const auto& pod : pods) ++counts[{api::IsStatic(*pod) ? "true" : ""}];
  return counts;
}

}  // namespace

void NodeStats::AddFamilies() {
  auto& m = deps_.metrics;
  gauges_ = std::make_shared<Gauges>(m);
  AddHealth();
  stats_->AddMetrics(m);
  auto& gates =
      m.AddGauge("kubernetes_feature_enabled",
                 "This metric records the data about the stage and enablement of a k8s feature.",
                 {"name", "stage"});
  for (const auto& gate : config::FeatureGates::Known()) {
    gates.With({gate.name, StageName(gate.stage)})
        .Set(deps_.config.gates.Enabled(gate.name) ? 1 : 0);
  }
  m.AddGauge("kubelet_cgroup_version", "cgroup version on the hosts.")
      .Only()
      .Set(deps_.node.hierarchy->v2() ? 2 : 1);
  m.AddGauge(
       "kubelet_metrics_provider",
       "Metrics provider used by kubelet to collect container stats. Values can be 'cadvisor' "
       "and 'cri'",
       {"provider"})
      .With({"cadvisor"})
      .Set(1);
  // There is no channel here that could overflow.
  m.AddCounter("kubelet_pleg_discard_events", "The number of discard events in PLEG.").Only();
}

void NodeStats::Fill() {
  FillPods();
  FillVolumes();
  stats_->FillMetrics();
}

void NodeStats::FillPods() {
  auto& g = *gauges_;
  double sandboxes = 0;
  Counts states;
  for (const auto& pod : deps_.pleg.All()) {
    if (pod->ReadySandbox() != nullptr) ++sandboxes;
    for (const auto& container : pod->containers) ++states[{StateName(container.state)}];
  }
  g.running_pods.Only().Set(sandboxes);
  Show(states, g.running_containers);
  Show(BySource(deps_.store.All()), g.desired_pods);
  std::vector<api::PodPtr> active;
  for (const auto& pod : deps_.workers.Active()) active.push_back(pod.pod);
  Show(BySource(active), g.active_pods);

  Counts working;
  for (const char* lifecycle : {"sync", "terminating", "terminated"}) {
    for (const char* config : {"desired", "orphan"}) {
      for (const char* of_file : {"", "true"}) working[{lifecycle, config, of_file}] = 0;
    }
    working[{lifecycle, "runtime_only", "unknown"}] = 0;
  }
  for (const auto& view : deps_.workers.Views()) {
    std::string config = "runtime_only", of_file = "unknown";
    if (view.pod) {
      config = deps_.store.Wanted(view.uid) ? "desired" : "orphan";
      of_file = api::IsStatic(*view.pod) ? "true" : "";
    }
    ++working[{LifecycleOf(view), config, of_file}];
  }
  Show(working, g.working_pods);
}

void NodeStats::PodAdded(const api::core::Pod& pod) {
  gauges_->containers_per_pod.Observe(pod.spec().containers_size());
}

// A pod's volumes are there before its sandbox is made.
void NodeStats::FillVolumes() {
  Counts counts;
  for (const auto& pod : deps_.store.All()) {
    auto observed = deps_.pleg.Get(pod->metadata().uid());
    bool there = observed && observed->ReadySandbox() != nullptr;
    for (const auto& volume : pod->spec().volumes()) {
      std::string plugin = VolumePlugin(volume);
      if (plugin.empty()) continue;
      ++counts[{plugin, "desired_state_of_world"}];
      if (there) ++counts[{plugin, "actual_state_of_world"}];
    }
  }
  Show(counts, gauges_->volumes);
}

}  // namespace kubelet::app
