// Looks every ten seconds how much memory, disk and how many process ids are left, when a threshold
// asks for it. Wiring of os and node; no policy. Core loop only; what blocks runs in the pool, and
// a mount that hangs leaves the conditions as they are.
#pragma once

#include <functional>
#include <string>

#include "app/node.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/node/pressure.h"
#include "kubelet/runtime/container_runtime.h"

namespace kubelet::app {

class PressureWatch {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    const Node& node;
    runtime::ImageService& images;
    std::function<std::string()> pods_cgroup;  // empty: there is none yet
    std::function<void()> on_change;
  };
  explicit PressureWatch(Deps deps);
  void Start();
  node::Pressures Now() const { return now_; }

 private:
  base::Task<void> Watch();
  // The mount of the image store, which only the runtime knows.
  base::Task<void> FindImageStore();
  void Take(const node::Signals& signals);

  Deps deps_;
  node::Pressure pressure_;
  node::Pressures now_;
  std::string image_store_;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
