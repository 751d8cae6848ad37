// What evictions see and do here: how much is left of memory, disk and process ids, what pods use,
// how the node helps itself, how a pod is ended. Wiring of os, stats, gc, image and worker; no
// policy. Core loop only; what blocks runs in the pool, and a mount that hangs is left out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "app/node.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/eviction/evictions.h"
#include "kubelet/image/image_gc.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/stats/stats.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::app {

class EvictionHost : public eviction::Host {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    const Node& node;
    runtime::ContainerRuntime& runtime;
    runtime::ImageService& images;
    image::ImageGc& image_gc;
    const pleg::Pleg& pleg;
    worker::PodWorkers& workers;
    stats::Stats& stats;
    std::function<std::string()> pods_cgroup;  // empty: there is none yet
    std::function<void()> on_pressure;
    std::function<void(const api::core::Pod&, const runtime::PodEvent&,
                       const runtime::StringMap& annotations)>
        on_event;
    std::function<void(const std::string& reason, const std::string& message)> on_node_warning;
  };
  explicit EvictionHost(Deps deps);
  // Asks the runtime where it has its images, and again now and then.
  void Start();

  base::Task<absl::StatusOr<eviction::Observations>> Observe() override;
  std::optional<eviction::FsLayout> Layout() override { return layout_; }
  base::Task<absl::StatusOr<runtime::PodUsages>> Usage(eviction::Measure what,
                                                       std::set<std::string> uids) override;
  base::Task<absl::Status> RemoveDeadContainers() override;
  base::Task<absl::Status> RemoveUnusedImages() override;
  eviction::Pods ActivePods() override;
  void Evict(const eviction::Victim& victim) override;
  bool CleanedUp(const std::string& uid) override;
  void OnPressure(const eviction::Pressures& pressures) override;
  void OnShortage(const std::string& resource) override;

 private:
  base::Task<void> FindStores();

  Deps deps_;
  std::optional<eviction::FsLayout> layout_;
  std::string image_store_;  // its mount point; empty: not known yet
  base::TaskScope scope_;
};

}  // namespace kubelet::app
