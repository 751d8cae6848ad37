// What each pod may use: the resources it was admitted with, until a resize of its spec is let
// through.
//
//   spec changes --> infeasible? --> fits? --> allocated, written down --> the pod's worker
//   actuates it
//                        |             no: deferred, asked again when room may have come
//                        +--> told; asked again only when the spec changes
//
// Order of the deferred: what asks for no more first, then priority, Guaranteed before others, then
// whoever waits longest (pkg/kubelet/allocation, 1.36). Two conditions tell of it: PodResizePending
// (Deferred, Infeasible) and PodResizeInProgress (no reason, or Error).
//
// Core loop only. Pods are immutable: Allocated gives the pod itself while its spec is what it was
// given, else a copy that is made once.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "k8s/core/v1/pod_status.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/base/metrics.h"
#include "kubelet/resource/allocation_file.h"
#include "kubelet/resource/refusal.h"

namespace kubelet::resource {

// What this node can resize at all.
struct ResizeRules {
  bool init_containers = true;  // gate InPlacePodVerticalScalingInitContainers
  bool pod_level = true;        // gate InPlacePodLevelResourcesVerticalScaling
  bool static_cpu = false;      // cpuManagerPolicy static, without the gate for exclusive CPUs
  bool static_memory = false;   // memoryManagerPolicy Static, without the gate for it
  // Whether a container of this pod may swap; empty: none may.
  std::function<bool(const api::core::Pod&, const api::core::Container&)> may_swap;
};
struct Infeasible {
  std::string message;  // as the condition has it
  std::string detail;   // label reason_detail of kubelet_pod_infeasible_resizes_total
};
// Pure. nullopt: it may be tried.
std::optional<Infeasible> CheckResize(const api::core::Pod& desired,
                                      const api::core::Pod& allocated, const ResizeRules& rules);

class Allocations {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    AllocationFile& allocated;
    const AllocationFile& actuated;
    std::function<std::vector<api::PodPtr>()> active;  // wanted and not over, as their specs say
    std::function<api::PodPtr(const std::string& uid)> find;
    std::function<bool()>
        sources_ready;  // every source has spoken: nobody is resized before all are counted
    // Does it fit beside the others? Both as they count, that is with the larger of allocated and
    // actuated.
    std::function<std::optional<Refusal>(const api::core::Pod&,
                                         const std::vector<api::PodPtr>& others)>
        fits;
    // Allocation or conditions of the pod changed: sync it, show its status.
    std::function<void(const std::string& uid)> on_change;
    std::function<void(const api::core::Pod&, bool warning, const std::string& reason,
                       const std::string& message)>
        on_event;
    base::Registry* metrics = nullptr;
  };
  Allocations(Deps deps, ResizeRules rules);
  ~Allocations();

  // `pod` with what it was given. nullptr gives nullptr.
  api::PodPtr Allocated(const api::PodPtr& pod);
  // What counts of all active pods but `uid`.
  std::vector<api::PodPtr> Others(const std::string& uid);

  // The pod passed admission as Allocated has it: that is its allocation from now on. A spec that
  // wants other resources, changed while no kubelet ran, is a resize that waits.
  void Admitted(const api::PodPtr& pod);
  void Updated(const api::PodPtr& pod);  // its object changed
  void Removed(const std::string& uid);  // no source wants it
  void Ended(const std::string& uid);    // it is over: nothing restarts
  // The last of it is gone, after Removed or Ended.
  void Forget(const std::string& uid);

  // After a sync of the allocated pod: whether actuation is still under way, and what went wrong.
  void Synced(const api::core::Pod& allocated, bool resizing,
              const std::optional<std::string>& error);

  // PodResizePending and PodResizeInProgress, as far as they are true.
  std::vector<api::core::PodCondition> Conditions(const std::string& uid) const;
  bool HasPending() const { return !pending_.empty(); }
  // A resize of it came in this turn of the loop and is judged at its end, when on_change tells:
  // what a status said of the new spec before that would be taken for the verdict.
  bool Judging(const std::string& uid) const;

 private:
  struct Entry;
  Entry& EntryOf(const api::PodPtr& pod);
  bool Wants(const api::PodPtr& pod);
  void Push(const std::string& uid);
  void Sort();
  bool Increases(const api::PodPtr& pod);
  void RetrySoon(const std::string& trigger);
  void Retry(const std::string& trigger);
  bool TryOne(const api::PodPtr& pod);
  void Let(const api::PodPtr& pod);
  void Begin(Entry& entry, int64_t generation);
  PodAllocation AllocationOf(const api::core::Pod& pod) const;
  void Arm(base::Nanos delay);
  void CountResizes(const api::core::Pod& before, const api::core::Pod& now);
  void SetPending(const api::PodPtr& pod, const std::string& reason, const std::string& message);
  bool ClearPending(Entry& entry);
  void UpdateGauges();
  void Tell(const std::string& uid);

  Deps deps_;
  ResizeRules rules_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> pending_;  // uids, in the order they are tried
  std::set<std::string> untold_;      // were judged, with on_change to come
  std::optional<std::string> soon_;   // trigger of the retry at the end of this turn of the loop
  std::optional<base::Clock::TimerId> timer_;
  base::Family<base::Counter>* requested_ = nullptr;
  base::Family<base::Counter>* infeasible_ = nullptr;
  base::Family<base::Counter>* accepted_ = nullptr;
  base::Family<base::Gauge>* pending_count_ = nullptr;
  base::Family<base::Gauge>* in_progress_count_ = nullptr;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Text of the resize events: `prefix: {"containers":[…],"generation":1,"error":"…"}`
// (pkg/kubelet/events/resize.go).
std::string ResizeMessage(const api::core::Pod& pod, int64_t generation, const std::string& error,
                          const std::string& prefix);

}  // namespace kubelet::resource
