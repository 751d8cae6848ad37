// resource::PodCgroups behind the runtime's port. The driver is known only when the runtime has
// said which one it uses; until then starting pods wait here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/node.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/promise.h"
#include "kubelet/config/config.h"
#include "kubelet/resource/pod_cgroups.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::app {

class NodeCgroups : public runtime::Cgroups {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    const Node& node;
    // CPU that the burstable pods of this node ask for, in milli-CPU.
    std::function<int64_t()> burstable_cpu;
    // Every source of pods has told what it has, so that these are all.
    std::function<bool()> all_pods_known;
    // An Event of the node. May be empty.
    std::function<void(bool warning, const std::string& reason, const std::string& message)>
        on_event = {};
    // Whether the pod has CPUs to itself, so that no quota applies. May be empty.
    std::function<bool(const api::core::Pod&)> no_cpu_quota = {};
    // Trouble() is another now. May be empty.
    std::function<void()> on_trouble = {};
  };
  explicit NodeCgroups(Deps deps);

  base::Task<absl::StatusOr<std::string>> EnsurePod(api::PodPtr pod) override;
  base::Task<absl::Status> RemovePod(std::string uid) override;
  base::Task<absl::StatusOr<runtime::PodLimits>> ReadPod(api::PodPtr pod) override;
  runtime::PodLimits WantedLimits(const api::core::Pod& pod) override;
  base::Task<absl::Status> LimitPod(api::PodPtr pod, runtime::PodLimits limits) override;
  base::Task<absl::StatusOr<runtime::MemoryUse>> MemoryInUse(
      api::PodPtr pod, std::vector<std::string> containers) override;
  // Pods that have a cgroup; Unavailable before the driver is known.
  base::Task<absl::StatusOr<std::set<std::string>>> ListPods();
  int64_t OomScoreAdj(const api::core::Pod& pod, const api::core::Container& container) override;

  // The group of all pods under the cgroup mounts; empty: there is none (yet).
  std::string PodsPath() const;
  // Why the node's groups cannot be made, as of the last try; OK before the first one, too.
  absl::Status Trouble() const { return root_.value_or(absl::OkStatus()); }
  // When the runtime has answered; only the first call counts. Makes the node's groups; a failure
  // is tried again every ten seconds.
  void UseDriver(runtime::CgroupDriver driver);

 private:
  base::Task<void> MakeRoot(runtime::CgroupDriver driver);
  base::Task<absl::Status> Ready();
  bool NoCpuQuota(const api::core::Pod& pod) const {
    return deps_.no_cpu_quota && deps_.no_cpu_quota(pod);
  }
  void TellEnforcement(const absl::Status& status);
  base::Task<void> UpdateQos();
  void UpdateQosSoon();

  Deps deps_;
  std::unique_ptr<resource::PodCgroups> groups_;
  std::optional<absl::Status> root_;
  std::vector<base::Promise<bool>> waiting_;
  bool used_ = false;
  bool update_scheduled_ = false;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
