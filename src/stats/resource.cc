#include "stats/cadvisor.h"
#include "stats/family.h"

namespace kubelet::stats {
namespace {

constexpr char kCounter[] = "counter";
constexpr char kGauge[] = "gauge";

bool HasSwapLimit(const Group& g) { return g.limits.swap != os::CgroupLimits::kNoLimit; }

template <typename Write>
void EachContainer(const Collector& collector, Write write) {
  for (const auto& pod : collector.pods()) {
    for (const auto& container : pod.containers) {
      if (container.group != nullptr) write(container);
    }
  }
}

template <typename Write>
void EachPod(const Collector& collector, Write write) {
  for (const auto& pod : collector.pods()) {
    // As upstream, whose pods are those of running containers.
    if (pod.group != nullptr && !pod.containers.empty()) write(*pod.group);
  }
}

void Node(const Collector& collector, FamilyWriter& out) {
  const Group& root = collector.root();
  if (!root.sampled) return;
  out.Begin("node_cpu_usage_seconds_total",
            "[STABLE] Cumulative cpu time consumed by the node in core-seconds", kCounter);
  out.PlainSeconds("", root.usage.cpu_ns, root.at);
  out.Begin("node_memory_working_set_bytes", "[STABLE] Current working set of the node in bytes",
            kGauge);
  out.Plain("", static_cast<double>(root.usage.working_set), root.at);
  out.Begin("node_swap_usage_bytes",
            "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems",
            kGauge);
  out.Plain("", static_cast<double>(root.usage.swap), root.at);
}

void Containers(const Collector& collector, FamilyWriter& out) {
  out.Begin("container_cpu_usage_seconds_total",
            "[STABLE] Cumulative cpu time consumed by the container in core-seconds", kCounter);
  EachContainer(collector, [&](const ContainerView& c) {
    out.PlainSeconds(c.group->resource_labels, c.group->usage.cpu_ns, c.group->at);
  });
  out.Begin("container_memory_working_set_bytes",
            "[STABLE] Current working set of the container in bytes", kGauge);
  EachContainer(collector, [&](const ContainerView& c) {
    out.Plain(c.group->resource_labels, static_cast<double>(c.group->usage.working_set),
              c.group->at);
  });
  out.Begin("container_start_time_seconds",
            "[STABLE] Start time of the container since unix epoch in seconds", kGauge);
  EachContainer(collector, [&](const ContainerView& c) {
    int64_t created = base::UnixNanos(c.created);
    if (created > 0) out.PlainSeconds(c.group->resource_labels, static_cast<uint64_t>(created), {});
  });
  out.Begin("container_swap_limit_bytes",
            "[ALPHA] Current amount of the container swap limit in bytes. Reported only on "
            "non-windows systems",
            kGauge);
  EachContainer(collector, [&](const ContainerView& c) {
    if (HasSwapLimit(*c.group))
      out.Plain(c.group->resource_labels, static_cast<double>(c.group->limits.swap), c.group->at);
  });
  out.Begin("container_swap_usage_bytes",
            "[ALPHA] Current amount of the container swap usage in bytes. Reported only on "
            "non-windows systems",
            kGauge);
  EachContainer(collector, [&](const ContainerView& c) {
    out.Plain(c.group->resource_labels, static_cast<double>(c.group->usage.swap), c.group->at);
  });
}

void Pods(const Collector& collector, FamilyWriter& out) {
  out.Begin("pod_cpu_usage_seconds_total",
            "[STABLE] Cumulative cpu time consumed by the pod in core-seconds", kCounter);
  EachPod(collector,
          [&](const Group& g) { out.PlainSeconds(g.resource_labels, g.usage.cpu_ns, g.at); });
  out.Begin("pod_memory_working_set_bytes", "[STABLE] Current working set of the pod in bytes",
            kGauge);
  EachPod(collector, [&](const Group& g) {
    out.Plain(g.resource_labels, static_cast<double>(g.usage.working_set), g.at);
  });
  out.Begin("pod_swap_usage_bytes",
            "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows "
            "systems",
            kGauge);
  EachPod(collector, [&](const Group& g) {
    out.Plain(g.resource_labels, static_cast<double>(g.usage.swap), g.at);
  });
}

}  // namespace

std::string ResourceText(const Collector& collector, base::MetricForm form) {
  std::string text;
  text.reserve(collector.shown().size() * 1200 + 4000);
  FamilyWriter out(form, text);
  Containers(collector, out);
  Node(collector, out);
  Pods(collector, out);
  double failed = collector.root().sampled ? 0 : 1;
  // `scrape_error`, deprecated with 1.29, is hidden by now.
  out.Begin("resource_scrape_error",
            "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
            kGauge);
  out.Plain("", failed);
  base::AppendEnd(form, text);
  return text;
}

}  // namespace kubelet::stats
