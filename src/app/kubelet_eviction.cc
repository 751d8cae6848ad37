// Evictions: how they are told what they need, and who hears of them.
#include "app/kubelet.h"
#include "app/node_options.h"

namespace kubelet::app {

void Kubelet::MakeEvictions() {
  EvictionHost::Deps deps{io_.get_executor(), clock_,   pool_,      config_, node_,
                          *runtime_,          *images_, *image_gc_, *pleg_,  *workers_,
                          stats_->stats()};
  deps.pods_cgroup = [this] { return adapters_->node_cgroups().PodsPath(); };
  deps.on_pressure = [this] {
    if (cluster_) cluster_->agent().Poke();
  };
  deps.on_event = [this](const auto& pod, const auto& event, const auto& annotations) {
    OnEvent(pod, event, annotations);
  };
  deps.on_node_warning = [this](const std::string& reason, const std::string& message) {
    runtime::PodEvent event;
    event.warning = true;
    event.reason = reason;
    event.message = message;
    OnNodeEvent(event);
  };
  eviction_host_ = std::make_unique<EvictionHost>(std::move(deps));
  evictions_ = std::make_unique<eviction::Evictions>(io_.get_executor(), clock_, *eviction_host_,
                                                     MakeEvictionOptions(config_), &metrics_);
  if (!config_.kubelet.kernel_memcg_notification()) return;
  auto mounts = os::ReadMountinfo();
  os::CgroupMounts cgroups;
  if (mounts.ok()) cgroups = os::DetectCgroups(*mounts);
  memory_alarm_ = std::make_unique<MemoryAlarm>(
      MemoryAlarm::Deps{io_.get_executor(), clock_, pool_, std::move(cgroups),
                        [this] { return MemoryLimits(); }, [this] { evictions_->Alarm(); }});
}

// How much in use leaves less than a threshold wants, of the machine and of all pods together.
std::vector<MemoryAlarm::Limit> Kubelet::MemoryLimits() const {
  std::vector<MemoryAlarm::Limit> out;
  const auto& seen = evictions_->observations();
  for (const auto& threshold : evictions_->thresholds()) {
    bool all_pods = threshold.signal == eviction::Signal::kAllocatableMemoryAvailable;
    auto left = seen.find(threshold.signal);
    if (eviction::ResourceOf(threshold.signal) != eviction::Resource::kMemory || left == seen.end())
      continue;
    int64_t capacity = left->second.capacity;
    std::string group = all_pods ? adapters_->node_cgroups().PodsPath() : "/";
    out.push_back({group, capacity - threshold.value.Of(capacity).Value()});
  }
  return out;
}

void Kubelet::StartEvictions() {
  eviction_host_->Start();
  evictions_->Start();
  if (memory_alarm_) memory_alarm_->Start();
}

std::string Kubelet::ExplainNode() const {
  std::string out;
  for (const auto& line : evictions_->Explain()) out += "Node: " + line + "\n";
  if (std::string line = shutdown_->Explain(); !line.empty()) out += "Node: " + line + "\n";
  if (std::string line = CgroupTrouble(); !line.empty()) out += "Node: " + line + "\n";
  return out;
}

}  // namespace kubelet::app
