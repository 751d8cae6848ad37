// What the kubelet looks at by itself: its runtime and its own addresses.
#include <algorithm>

#include "app/kubelet.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"

namespace kubelet::app {

using base::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What UpdateQos needs: what the burstable pods here were given.
int64_t Kubelet::BurstableCpu() const {
  int64_t sum = 0;
  for (const auto& wanted : store_->All()) {
    api::PodPtr pod = resizes_->allocations().Allocated(wanted);
    if (api::ComputeQos(*pod) == api::QosClass::kBurstable)
      sum += api::ComputePodResources(*pod).cpu_request_milli;
  }
  return sum;
}

std::optional<std::set<std::string>> Kubelet::LivePods() const {
  if (!pleg_->Synced() || !pleg_->Health().ok() || !store_->AllComplete()) return std::nullopt;
  std::set<std::string> live;
  for (const auto& pod : store_->All()) live.insert(pod->metadata().uid());
  for (const auto& view : workers_->Views()) live.insert(view.uid);
  for (const auto& pod : pleg_->All()) live.insert(pod->uid);
  return live;
}

// The address that the node's name resolves to goes before a guess from the routes, but nothing
// waits for DNS.
Task<void> Kubelet::FindAddresses() {
  std::function<absl::StatusOr<std::vector<std::string>>()> work =
      [config = &config_, name = node_.name]() -> absl::StatusOr<std::vector<std::string>> {
    return NodeAddresses(*config, name, false);
  };
  auto found = co_await pool_.Run<std::vector<std::string>>("node address", std::chrono::minutes(1),
                                                            std::move(work));
  if (found.ok() && !found->empty() && *found != node_.context.host_ips) {
    node_.context.host_ips = *found;
    node_.addresses_known = false;  // what was settled on is not so
  }
  SettleAddresses();
}

void Kubelet::SettleAddresses() {
  if (std::exchange(node_.addresses_known, true)) return;
  if (cluster_) cluster_->agent().Poke();
  for (const auto& pod : store_->All()) OnPodChange(pod->metadata().uid());
}

// Asks for version and status until the runtime is there, then looks now and then whether it still
// is.
Task<void> Kubelet::WatchRuntime() {
  for (;;) {
    auto status = co_await runtime_->Status();
    if (status.ok() && node_.runtime_name.empty()) {
      auto version = co_await runtime_->Version();
      if (version.ok()) {
        node_.runtime_name = version->runtime_name;
        node_.runtime_version = version->runtime_version;
        LOG_INFO("Container runtime", "name", version->runtime_name, "version",
                 version->runtime_version);
      }
      auto driver = co_await runtime_->RuntimeConfig();
      if (driver.ok() && *driver != node_.cgroup_driver) {
        LOG_INFO("Taking the cgroup driver of the container runtime", "driver",
                 *driver == runtime::CgroupDriver::kSystemd ? "systemd" : "cgroupfs");
        node_.cgroup_driver = *driver;
      }
      adapters_->UseDriver(node_.cgroup_driver);
      for (const auto& pod : store_->All()) OnPodChange(pod->metadata().uid());
    }
    if (status.ok() && pleg_->Health().ok()) healthy_ = clock_.Mono();
    bool was_ready = node_.network_ready && node_.runtime_health.ok();
    absl::Status health = status.status();
    bool network = false;
    if (status.ok()) {
      node_.runtime_answered = clock_.Mono();
      node_.handlers = node_.context.handlers = status->handlers;
      node_.supplemental_groups_policy = status->supplemental_groups_policy;
      node_.runtime_trouble.clear();
      node_.network_trouble.clear();
      for (const auto& condition : status->conditions) {
        bool runtime_condition = condition.type == "RuntimeReady";
        if (!condition.status && (runtime_condition || condition.type == "NetworkReady")) {
          auto& trouble = runtime_condition ? node_.runtime_trouble : node_.network_trouble;
          trouble = node::NotReadyText(condition.type, condition.reason, condition.message);
        }
        if (condition.type == "NetworkReady") network = condition.status;
        if (condition.type == "RuntimeReady" && !condition.status) {
          health = absl::UnavailableError("container runtime is not ready: " + condition.reason +
                                          ": " + condition.message);
        }
      }
    }
    if (health.ok() != node_.runtime_health.ok()) {
      if (health.ok()) {
        LOG_INFO("Container runtime is up");
      } else {
        LOG_ERROR("Container runtime is down; pods run on", "err", health);
      }
    }
    bool differs = health.ok() != node_.runtime_health.ok() || network != node_.network_ready;
    node_.runtime_health = health;
    bool woken = network && !node_.network_ready;
    node_.network_ready = network;
    if (differs && cluster_) cluster_->agent().Poke();
    if (woken) {
      for (const auto& view : workers_->Views()) workers_->Wake(view.uid);
    }
    bool ready = health.ok() && network;
    base::Nanos pause =
        ready ? base::Nanos(seconds(15)) : base::Nanos(was_ready ? seconds(1) : milliseconds(500));
    co_await base::SleepFor(clock_, pause);
  }
}

}  // namespace kubelet::app
