#include "probe/worker.h"

#include <algorithm>

namespace kubelet::probe {

using std::chrono::seconds;

namespace {

constexpr const char* kResults[] = {"successful", "failed", "unknown"};

base::LabelValues TotalLabels(const api::core::Pod& pod, const std::string& container,
                              ProbeType type, const char* result) {
  const auto& meta = pod.metadata();
  return {ProbeTypeName(type), result, container, meta.name(), meta.namespace_(), meta.uid()};
}

base::LabelValues SecondsLabels(const api::core::Pod& pod, const std::string& container,
                                ProbeType type) {
  return {ProbeTypeName(type), container, pod.metadata().name(), pod.metadata().namespace_()};
}

}  // namespace

const api::core::Probe* ProbeOf(const api::core::Container& container, ProbeType type) {
  switch (type) {
    case ProbeType::kStartup:
      return container.has_startup_probe() ? &container.startup_probe() : nullptr;
    case ProbeType::kReadiness:
      return container.has_readiness_probe() ? &container.readiness_probe() : nullptr;
    default:
      return container.has_liveness_probe() ? &container.liveness_probe() : nullptr;
  }
}

MachineSpec MachineSpecOf(const api::core::Probe& probe) {
  MachineSpec spec;
  spec.initial_delay = seconds(std::max(probe.initial_delay_seconds(), 0));
  spec.period = seconds(std::max(probe.period_seconds(), 1));
  spec.success_threshold = std::max(probe.success_threshold(), 1);
  spec.failure_threshold = std::max(probe.failure_threshold(), 1);
  return spec;
}

ProbeManager::Metrics::Metrics(base::Registry& registry)
    : total(registry.AddCounter(
          "prober_probe_total",
          "Cumulative number of a liveness, readiness or startup probe for a container by result.",
          {"probe_type", "result", "container", "pod", "namespace", "pod_uid"})),
      seconds(registry.AddHistogram(
          "prober_probe_duration_seconds", "Duration in seconds for a probe response.",
          base::DefaultBuckets(), {"probe_type", "container", "pod", "namespace"})) {}

// Failures have no duration, as upstream: they would be timeouts for the most part.
void ProbeManager::Metrics::Count(const api::core::Pod& pod, Worker& worker, const Outcome& outcome,
                                  base::Nanos took) {
  bool failed = outcome.result == Result::kFailure;
  size_t which = failed ? 1 : outcome.result == Result::kUnknown ? 2 : 0;
  auto type = worker.machine.type();
  base::Counter*& counter = worker.results[which];
  if (counter == nullptr) {
    counter = &total.With(TotalLabels(pod, worker.container, type, kResults[which]));
  }
  counter->Add();
  if (failed) return;
  if (worker.seconds == nullptr) {
    worker.seconds = &seconds.With(SecondsLabels(pod, worker.container, type));
  }
  worker.seconds->Observe(std::chrono::duration<double>(took).count());
}

void ProbeManager::Metrics::Detach(const api::core::Pod& pod, const Worker& worker) {
  auto type = worker.machine.type();
  for (const char* result : kResults)
    total.Remove(TotalLabels(pod, worker.container, type, result));
  seconds.Remove(SecondsLabels(pod, worker.container, type));
}

}  // namespace kubelet::probe
