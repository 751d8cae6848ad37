#include "app/node_cgroups.h"

#include <algorithm>

#include "kubelet/api/quantity.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/cgroup_driver.h"
#include "kubelet/os/machine.h"
#include "kubelet/resource/oom_score.h"

namespace kubelet::app {

using base::Task;

namespace {

int64_t Amount(const std::string& text, bool milli) {
  auto quantity = api::Quantity::Parse(text);
  if (!quantity.ok()) return 0;  // the configuration was validated
  return milli ? quantity->MilliValue() : quantity->Value();
}

template <typename Map>
resource::NodeAmounts Reserved(const Map& reserved) {
  resource::NodeAmounts amounts;
  for (const auto& [name, text] : reserved) {
    if (name == "cpu") amounts.cpu_milli = Amount(text, true);
    if (name == "memory") amounts.memory_bytes = Amount(text, false);
    if (name == "pid") amounts.pids = Amount(text, false);
  }
  return amounts;
}

resource::Enforcement Enforce(const config::LoadedConfig& config, const std::string& what) {
  const auto& list = config.kubelet.enforce_node_allocatable();
  auto has = [&](const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  if (has(what)) return resource::Enforcement::kAll;
  return has(what + "-compressible") ? resource::Enforcement::kCompressible
                                     : resource::Enforcement::kNone;
}

resource::PodCgroupOptions MakeOptions(const config::LoadedConfig& config, const Node& node) {
  const auto& kc = config.kubelet;
  resource::PodCgroupOptions options;
  options.pods_per_qos = kc.cgroups_per_qos();
  if (!kc.cgroup_root().empty()) options.cgroup_root = kc.cgroup_root();
  options.cpu_cfs_quota = kc.cpu_cfs_quota();
  options.quota_period = std::chrono::microseconds(node.context.cpu_cfs_quota_period_us);
  options.pod_pids_limit = kc.pod_pids_limit();
  for (const auto& [size, pages] : node.machine.huge_pages) {
    options.huge_page_sizes.insert(size);
    options.capacity.huge_pages[size] = size * pages;
  }
  options.online_cpus = node.machine.cpu_list;
  options.capacity.cpu_milli = int64_t{node.machine.cpus} * 1000;
  options.capacity.memory_bytes = node.machine.memory_bytes;
  options.capacity.pids = node.machine.max_pids;
  options.kube_reserved = Reserved(kc.kube_reserved());
  options.system_reserved = Reserved(kc.system_reserved());
  // reservedSystemCPUs stands for both (cmd/kubelet/app/server.go).
  if (auto cpus = os::ParseCpuList(kc.reserved_system_cpus()); cpus.ok() && !cpus->empty()) {
    options.kube_reserved.cpu_milli.reset();
    options.system_reserved.cpu_milli = int64_t{1000} * static_cast<int64_t>(cpus->size());
  }
  options.enforce_pods = Enforce(config, "pods") == resource::Enforcement::kAll;
  options.enforce_kube = Enforce(config, "kube-reserved");
  options.enforce_system = Enforce(config, "system-reserved");
  options.kube_reserved_cgroup = kc.kube_reserved_cgroup();
  options.system_reserved_cgroup = kc.system_reserved_cgroup();
  return options;
}

runtime::PodLimits LimitsOf(const os::CgroupValues& values) {
  runtime::PodLimits out;
  if (values.cpu_shares) out.cpu_shares = static_cast<int64_t>(*values.cpu_shares);
  if (values.cpu_period_us) out.cpu_period_us = static_cast<int64_t>(*values.cpu_period_us);
  out.cpu_quota_us = values.cpu_quota_us;
  out.memory_bytes = values.memory_bytes;
  return out;
}

}  // namespace

NodeCgroups::NodeCgroups(Deps deps) : deps_(std::move(deps)), scope_(deps_.executor) {}

void NodeCgroups::UseDriver(runtime::CgroupDriver driver) {
  if (!std::exchange(used_, true)) scope_.Spawn("node cgroups", MakeRoot(driver));
}

Task<void> NodeCgroups::MakeRoot(runtime::CgroupDriver driver) {
  std::function<absl::StatusOr<std::shared_ptr<os::CgroupDriver>>()> connect =
      [hierarchy = deps_.node.hierarchy,
       driver]() -> absl::StatusOr<std::shared_ptr<os::CgroupDriver>> {
    if (driver == runtime::CgroupDriver::kCgroupfs) {
      return std::shared_ptr<os::CgroupDriver>(os::MakeCgroupfsDriver(hierarchy));
    }
    ASSIGN_OR_RETURN(auto manager, os::ConnectSystemd());
    return std::shared_ptr<os::CgroupDriver>(os::MakeSystemdDriver(hierarchy, std::move(manager)));
  };
  bool told = false;
  for (;;) {
    auto work = connect;
    auto made = co_await deps_.pool.Run<std::shared_ptr<os::CgroupDriver>>(
        "cgroup", std::chrono::seconds(30), std::move(work));
    absl::Status status = made.status();
    if (made.ok()) {
      groups_ = std::make_unique<resource::PodCgroups>(deps_.pool, *made, deps_.node.hierarchy,
                                                       MakeOptions(deps_.config, deps_.node));
      status = co_await groups_->EnsureRoot();
    }
    const bool differs = Trouble() != status;
    root_ = status;
    if (differs && deps_.on_trouble) deps_.on_trouble();
    TellEnforcement(status);
    for (auto& promise : std::exchange(waiting_, {})) promise.Set(true);
    if (status.ok()) break;
    if (!told) LOG_ERROR("Cannot make the cgroups of this node; will retry", "err", status);
    told = true;
    co_await base::SleepFor(deps_.clock, std::chrono::seconds(10));
  }
  if (told) LOG_INFO("The cgroups of this node are there");
  for (;;) {
    co_await UpdateQos();
    co_await base::SleepFor(deps_.clock, std::chrono::minutes(1));
  }
}

// pkg/kubelet/cm/node_container_manager_linux.go
void NodeCgroups::TellEnforcement(const absl::Status& status) {
  if (!deps_.on_event) return;
  if (!status.ok()) {
    deps_.on_event(true, "FailedNodeAllocatableEnforcement",
                   "Failed to update Node Allocatable Limits: " + base::Message(status));
    return;
  }
  auto tell = [this](const std::string& message) {
    deps_.on_event(false, "NodeAllocatableEnforced", message);
  };
  const auto& kc = deps_.config.kubelet;
  if (kc.cgroups_per_qos()) tell("Updated Node Allocatable limit across pods");
  if (Enforce(deps_.config, "system-reserved") != resource::Enforcement::kNone)
    tell("Updated limits on system reserved cgroup " + kc.system_reserved_cgroup());
  if (Enforce(deps_.config, "kube-reserved") != resource::Enforcement::kNone)
    tell("Updated limits on kube reserved cgroup " + kc.kube_reserved_cgroup());
}

std::string NodeCgroups::PodsPath() const {
  return groups_ && root_ && root_->ok() ? groups_->RootPath() : std::string();
}

Task<absl::Status> NodeCgroups::Ready() {
  if (!root_) {
    auto promise = std::make_shared<base::Promise<bool>>(deps_.executor);
    // Set when the wait is cancelled, too: a promise must end. It keeps its hook: one that kept it
    // would never go.
    auto give_up = [weak = std::weak_ptr(promise)] {
      if (auto p = weak.lock()) p->Set(false);
    };
    promise->OnCancel(std::move(give_up));
    waiting_.push_back(*promise);
    co_await promise->Get();
  }
  if (!root_) co_return absl::CancelledError("stopped while waiting for the node cgroups");
  co_return *root_;
}

Task<absl::StatusOr<std::string>> NodeCgroups::EnsurePod(api::PodPtr pod) {
  auto ready = co_await Ready();
  if (!ready.ok()) co_return ready;
  auto parent = co_await groups_->EnsurePod(pod, NoCpuQuota(*pod));
  UpdateQosSoon();
  co_return parent;
}

Task<absl::Status> NodeCgroups::RemovePod(std::string uid) {
  auto ready = co_await Ready();
  if (!ready.ok()) co_return ready;
  auto status = co_await groups_->RemovePod(uid, std::nullopt);
  UpdateQosSoon();
  co_return status;
}

Task<absl::StatusOr<runtime::PodLimits>> NodeCgroups::ReadPod(api::PodPtr pod) {
  auto ready = co_await Ready();
  if (!ready.ok()) co_return ready;
  auto values = co_await groups_->ReadPod(pod);
  if (!values.ok()) co_return values.status();
  co_return LimitsOf(*values);
}

runtime::PodLimits NodeCgroups::WantedLimits(const api::core::Pod& pod) {
  return groups_ ? LimitsOf(groups_->Wanted(pod, NoCpuQuota(pod))) : runtime::PodLimits{};
}

Task<absl::Status> NodeCgroups::LimitPod(api::PodPtr pod, runtime::PodLimits limits) {
  auto ready = co_await Ready();
  if (!ready.ok()) co_return ready;
  os::CgroupValues values;
  if (limits.cpu_shares) values.cpu_shares = static_cast<uint64_t>(*limits.cpu_shares);
  if (limits.cpu_period_us) values.cpu_period_us = static_cast<uint64_t>(*limits.cpu_period_us);
  values.cpu_quota_us = limits.cpu_quota_us;
  values.memory_bytes = limits.memory_bytes;
  auto status = co_await groups_->LimitPod(pod, values);
  UpdateQosSoon();
  co_return status;
}

Task<absl::StatusOr<runtime::MemoryUse>> NodeCgroups::MemoryInUse(
    api::PodPtr pod, std::vector<std::string> containers) {
  auto ready = co_await Ready();
  if (!ready.ok()) co_return ready;
  auto used = co_await groups_->MemoryInUse(pod, std::move(containers));
  if (!used.ok()) co_return used.status();
  runtime::MemoryUse out;
  out.pod = (*used)[""];
  used->erase("");
  out.containers = *std::move(used);
  co_return out;
}

Task<absl::StatusOr<std::set<std::string>>> NodeCgroups::ListPods() {
  if (!root_ || !root_->ok())
    co_return absl::UnavailableError("the cgroups of this node are not there yet");
  co_return co_await groups_->ListPods();
}

int64_t NodeCgroups::OomScoreAdj(const api::core::Pod& pod, const api::core::Container& container) {
  return resource::ComputeOomScoreAdj(pod, container, deps_.node.machine.memory_bytes);
}

// One update for a burst of pods.
void NodeCgroups::UpdateQosSoon() {
  if (update_scheduled_) return;
  update_scheduled_ = true;
  deps_.clock.After(std::chrono::seconds(1), [this] {
    update_scheduled_ = false;
    scope_.Spawn("qos cgroups", UpdateQos());
  });
}

Task<void> NodeCgroups::UpdateQos() {
  auto status = co_await groups_->UpdateQos(deps_.burstable_cpu(), deps_.all_pods_known());
  if (!status.ok()) LOG_WARNING("Cannot update the QoS cgroups", "err", status);
}

}  // namespace kubelet::app
