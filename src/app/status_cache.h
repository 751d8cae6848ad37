// Latest status per pod, recomputed when the pod's worker or the runtime has news. Core loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/pod_resizes.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/health.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/status/status.h"
#include "kubelet/status/terminations.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::app {

class StatusCache {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    runtime::PodObserver& observer;
    worker::PodWorkers& workers;
    const runtime::Health& health;
    std::function<api::PodPtr(const std::string& uid)> wanted;
    std::function<std::string()> runtime_name;
    std::function<std::vector<std::string>()> host_ips;
    base::Registry* metrics = nullptr;
    // The status of a pod was computed anew (it may be the same), or the pod is forgotten: then Get
    // gives nothing. The writer asks Get and PodWorkers::View. May be empty.
    std::function<void(const std::string& uid)> on_update;
    bool stop_signals = false;  // gate ContainerStopSignals
    PodResizes* resizes = nullptr;  // null: pods have what their specs say
    // Health of what a container holds; empty: it is not shown.
    std::function<std::vector<api::core::ResourceStatus>(const std::string& uid,
                                                         const std::string& container)>
        resource_health = {};
    // The node's address is of another family than the one that the pod's status showed; `message`
    // is the event's.
    std::function<void(const api::core::Pod& pod, const std::string& message)> on_family_mismatch =
        {};
  };
  explicit StatusCache(Deps deps);

  // Computes the status of a pod that is wanted or still ending; forgets one that is neither. Does
  // nothing while the runtime has not been asked about the pod: what is not known is not lost.
  void Update(const std::string& uid);
  // The life of the pod is over; another one may begin under its uid.
  void Forget(const std::string& uid);
  // startTime of its status, for activeDeadlineSeconds.
  std::optional<base::WallTime> StartedAt(const api::core::Pod& pod) const;
  const api::core::PodStatus* Get(const std::string& uid) const;

 private:
  std::map<std::string, runtime::ContainerHealth> HealthOf(const api::core::Pod& pod,
                                                          const runtime::ObservedPod& observed) const;
  void ReadMessages(const api::core::Pod& pod, const runtime::ObservedPod& observed);
  // `path` is the message file, `log` stands in for it when it is empty; each may be "".
  base::Task<void> ReadMessage(std::string uid, std::string container_id, std::string path,
                               std::string log);
  void ObserveStart(const worker::WorkerView& view, const api::core::PodStatus& before,
                    const api::core::PodStatus& now);

  struct Entry {
    api::core::PodStatus status;
    std::map<std::string, std::string>
        messages;  // container id -> termination message, empty while being read
  };
  Deps deps_;
  std::map<std::string, Entry> entries_;
  base::Family<base::Histogram>* start_seconds_ = nullptr;
  std::unique_ptr<status::Terminations> terminations_;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
