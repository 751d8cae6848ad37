#include "cri/convert.h"

namespace kubelet::cri {
namespace {

std::optional<uint64_t> Value(bool known, const v1::UInt64Value& value) {
  if (!known) return std::nullopt;
  return value.value();
}

std::optional<runtime::CpuStats> Cpu(const v1::CpuUsage& cpu) {
  if (!cpu.has_usage_core_nano_seconds()) return std::nullopt;
  runtime::CpuStats out;
  out.at = base::WallFromUnixNanos(cpu.timestamp());
  out.used_ns = cpu.usage_core_nano_seconds().value();
  out.nano_cores = Value(cpu.has_usage_nano_cores(), cpu.usage_nano_cores());
  return out;
}

std::optional<runtime::MemoryStats> Memory(const v1::MemoryUsage& memory) {
  if (!memory.has_working_set_bytes()) return std::nullopt;
  runtime::MemoryStats out;
  out.at = base::WallFromUnixNanos(memory.timestamp());
  out.working_set = memory.working_set_bytes().value();
  out.usage = memory.usage_bytes().value();
  out.rss = memory.rss_bytes().value();
  out.page_faults = memory.page_faults().value();
  out.major_page_faults = memory.major_page_faults().value();
  out.available = Value(memory.has_available_bytes(), memory.available_bytes());
  return out;
}

runtime::InterfaceStats Interface(const v1::NetworkInterfaceUsage& usage) {
  runtime::InterfaceStats out;
  out.name = usage.name();
  out.rx_bytes = Value(usage.has_rx_bytes(), usage.rx_bytes());
  out.rx_errors = Value(usage.has_rx_errors(), usage.rx_errors());
  out.tx_bytes = Value(usage.has_tx_bytes(), usage.tx_bytes());
  out.tx_errors = Value(usage.has_tx_errors(), usage.tx_errors());
  return out;
}

runtime::NetworkStats Network(const v1::NetworkUsage& usage) {
  runtime::NetworkStats out;
  out.at = base::WallFromUnixNanos(usage.timestamp());
  out.main = Interface(usage.default_interface());
  for (const auto& interface : usage.interfaces()) out.others.push_back(Interface(interface));
  return out;
}

runtime::MetricValue Value(const v1::Metric& metric) {
  runtime::MetricValue out;
  out.name = metric.name();
  out.at = base::WallFromUnixNanos(metric.timestamp());
  out.counter = metric.metric_type() == v1::COUNTER;
  out.label_values.assign(metric.label_values().begin(), metric.label_values().end());
  out.value = metric.value().value();
  return out;
}

}  // namespace

runtime::ContainerStats FromProto(const v1::ContainerStats& stats) {
  runtime::ContainerStats out;
  out.container = runtime::ContainerId(stats.attributes().id());
  if (stats.has_writable_layer()) out.layer = FromProto(stats.writable_layer());
  out.cpu = Cpu(stats.cpu());
  out.memory = Memory(stats.memory());
  out.swap = stats.swap().swap_usage_bytes().value();
  return out;
}

runtime::PodStats FromProto(const v1::PodSandboxStats& stats) {
  runtime::PodStats out;
  const auto& who = stats.attributes();
  out.sandbox = runtime::SandboxId(who.id());
  out.pod_uid = who.metadata().uid();
  out.pod_name = who.metadata().name();
  out.pod_namespace = who.metadata().namespace_();
  const auto& linux = stats.linux();
  out.cpu = Cpu(linux.cpu());
  out.memory = Memory(linux.memory());
  if (linux.has_network()) out.network = Network(linux.network());
  out.processes = Value(linux.process().has_process_count(), linux.process().process_count());
  for (const auto& container : linux.containers()) out.containers.push_back(FromProto(container));
  return out;
}

runtime::MetricDescriptor FromProto(const v1::MetricDescriptor& descriptor) {
  runtime::MetricDescriptor out;
  out.name = descriptor.name();
  out.help = descriptor.help();
  out.label_keys.assign(descriptor.label_keys().begin(), descriptor.label_keys().end());
  return out;
}

runtime::PodMetrics FromProto(const v1::PodSandboxMetrics& metrics) {
  runtime::PodMetrics out;
  out.sandbox = runtime::SandboxId(metrics.pod_sandbox_id());
  for (const auto& metric : metrics.metrics()) out.values.push_back(Value(metric));
  for (const auto& container : metrics.container_metrics())
    for (const auto& metric : container.metrics()) out.values.push_back(Value(metric));
  return out;
}

}  // namespace kubelet::cri
