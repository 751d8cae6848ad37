// What the kubelet looks at by itself: its runtime.
#include <algorithm>

#include "app/kubelet.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::app {

using base::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// True when the runtime gives another name or version than before; its silence says nothing.
Task<bool> AskVersion(runtime::ContainerRuntime& runtime, Node& node) {
  auto version = co_await runtime.Version();
  if (!version.ok()) co_return false;
  if (version->runtime_name == node.runtime_name &&
      version->runtime_version == node.runtime_version)
    co_return false;
  node.runtime_name = version->runtime_name;
  node.runtime_version = version->runtime_version;
  LOG_INFO("Container runtime", "name", version->runtime_name, "version", version->runtime_version);
  co_return true;
}

// The configuration's podCIDR, empty once it was told. A runtime may write its network's
// configuration out of it, so nothing waits for a network here. Refused: said once, as upstream.
Task<void> TellPodCidr(runtime::ContainerRuntime& runtime, std::string& cidr) {
  auto status = co_await runtime.UpdateRuntimeConfig(cidr);
  if (absl::IsUnavailable(status)) co_return;
  if (status.ok()) {
    LOG_INFO("Pod CIDR of the configuration", "cidr", cidr);
  } else {
    LOG_ERROR("The runtime does not take podCIDR of the configuration", "cidr", cidr, "err",
              status);
  }
  cidr.clear();
}

}  // namespace

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

// Without groups no pod starts here. Empty: all is well, or nothing was tried yet.
std::string Kubelet::CgroupTrouble() const {
  if (const auto& status = driver_choice_->trouble(); !status.ok())
    return "the container runtime does not say which cgroup driver it uses: " +
           base::Message(status);
  if (auto status = adapters_->node_cgroups().Trouble(); !status.ok())
    return "cannot make the cgroups of this node: " + base::Message(status);
  return "";
}

// Asks for version and status until the runtime is there, then looks now and then whether it still
// is.
Task<void> Kubelet::WatchRuntime() {
  own_pod_cidr_ = config_.kubelet.pod_cidr();
  for (;;) {
    auto status = co_await runtime_->Status();
    if (status.ok() && !own_pod_cidr_.empty()) co_await TellPodCidr(*runtime_, own_pod_cidr_);
    const absl::Status driver_trouble = driver_choice_->trouble();
    bool first = status.ok() && node_.runtime_name.empty();
    if (first) {
      (void)co_await AskVersion(*runtime_, node_);
      for (const auto& pod : store_->All()) OnPodChange(pod->metadata().uid());
    }
    if (status.ok() && !driver_choice_->known()) {
      auto driver = co_await driver_choice_->Find();
      if (driver.ok()) {
        node_.cgroup_driver = *driver;
        adapters_->UseDriver(*driver);
      }
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
    bool differs = health.ok() != node_.runtime_health.ok() || network != node_.network_ready ||
                   driver_trouble != driver_choice_->trouble();
    node_.runtime_health = health;
    bool woken = network && !node_.network_ready;
    node_.network_ready = network;
    if (differs && cluster_) cluster_->agent().Poke();
    if (woken) {
      for (const auto& view : workers_->Views()) workers_->Wake(view.uid);
    }
    // One that is replaced by another version of itself is not always seen to be away.
    if (status.ok() && !first) {
      bool another = co_await AskVersion(*runtime_, node_);
      if (another && cluster_) cluster_->agent().Poke();
    }
    bool ready = health.ok() && network && driver_choice_->known();
    base::Nanos pause =
        ready ? base::Nanos(seconds(15)) : base::Nanos(was_ready ? seconds(1) : milliseconds(500));
    co_await base::SleepFor(clock_, pause);
  }
}

}  // namespace kubelet::app
