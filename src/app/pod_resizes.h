// What pods were given and what they run with, between the rooms: resource::Allocations, the
// runtime's port for what was actuated, and the worker's port, through which every sync gets the
// allocated pod. Core loop only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/base/blocking_pool.h"
#include "kubelet/config/config.h"
#include "kubelet/resource/allocation.h"
#include "kubelet/runtime/resize.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::app {

class PodResizes : public runtime::Actuations {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    base::Registry& metrics;
    std::function<std::vector<api::PodPtr>()> active;
    std::function<api::PodPtr(const std::string& uid)> find;
    std::function<bool()> sources_ready;
    // Beside the others, as they count.
    std::function<std::optional<resource::Refusal>(const api::core::Pod&,
                                                   const std::vector<api::PodPtr>& others)>
        fits;
    std::function<void(const std::string& uid)> on_change;
    std::function<void(const api::core::Pod&, const runtime::PodEvent&)> on_event;
    bool limited_swap = false;  // LimitedSwap holds on this node
  };
  // Reads the files of an earlier kubelet, which blocks.
  explicit PodResizes(Deps deps);

  resource::Allocations& allocations() { return allocations_; }
  runtime::ResizeOptions options() const { return options_; }
  // What its containers were last set to; null: nothing is written down.
  const std::map<std::string, Resources>* Actuated(const std::string& uid) const;
  void Synced(const api::core::Pod& allocated, const runtime::SyncResult& result);
  // Nothing of the pod is left.
  void Forget(const std::string& uid);

  const Resources* Container(const std::string& uid, const std::string& name) const override;
  const Resources* PodLevel(const std::string& uid) const override;
  void SetContainer(const std::string& uid, const std::string& name, Resources resources) override;
  void SetPodLevel(const std::string& uid, Resources resources) override;
  base::Task<void> Flushed() override;

 private:
  resource::AllocationFile allocated_, actuated_;
  runtime::ResizeOptions options_;
  resource::Allocations allocations_;
};

}  // namespace kubelet::app
