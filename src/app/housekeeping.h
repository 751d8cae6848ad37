// Removes what pods left behind that went while no kubelet ran: directories, logs, cgroups. Never
// looks before every source has spoken and the runtime has been listed, and never at a pod that
// anybody still knows.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "app/adapters.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/volume/pod_files.h"

namespace kubelet::app {

class Housekeeping {
 public:
  struct Deps {
    base::Clock& clock;
    base::BlockingPool& pool;
    Adapters& adapters;
    volume::PodDirs dirs;
    // Pods that are wanted, worked on or in the runtime; nullopt while that is not known for sure.
    std::function<std::optional<std::set<std::string>>()> live;
    std::function<std::vector<runtime::ObservedPodPtr>()> observed;  // all that the runtime holds
    base::Registry* metrics = nullptr;
  };
  explicit Housekeeping(Deps deps);

  // Until cancelled: soon after the start, then less and less often down to every minute.
  base::Task<void> Run();

 private:
  base::Task<void> Once();
  base::Task<void> RemoveLogs();
  Deps deps_;
  base::Family<base::Gauge>* cleaned_ = nullptr;
  base::Family<base::Gauge>* cleaned_errors_ = nullptr;
};

}  // namespace kubelet::app
