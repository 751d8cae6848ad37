// Pod lifecycle events: knows what the runtime holds and says when a pod's part of it changed.
//
// Two inputs, one truth. Runtime events are hints ("look at pod X"); their content is not believed. A relist
// of everything is the audit: every second without an event stream, every few seconds with one, twice a minute
// while there is no pod either. Either way the pod is then inspected by itself, so an answer that never comes
// delays that pod alone.
//
// Core loop only. Differs from upstream (pkg/kubelet/pleg): no serial inspection, no event channel that can
// overflow, and a pod that cannot be inspected does not make the node unhealthy; it is named by Problems().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::pleg {

class Pleg : public runtime::PodObserver {
 public:
  struct Options {
    base::Nanos relist_period = std::chrono::seconds(1);   // upstream's genericPlegRelistPeriod
    base::Nanos audit_period = std::chrono::seconds(5);    // while events flow
    base::Nanos empty_audit_period = std::chrono::seconds(30);  // ... and no pod is known
    base::Nanos retry_initial = std::chrono::milliseconds(100);
    base::Nanos healthy_for = std::chrono::minutes(3);     // upstream's relist threshold
    int inspect_parallelism = 16;
    base::Nanos slow_inspect = std::chrono::seconds(2);    // after this an inspection gives its place to others
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    runtime::ContainerRuntime& runtime;
    // A pod's observed state changed in a way that matters, or it was seen for the first time.
    std::function<void(const std::string& uid)> on_change;
    // The first complete relist is done.
    std::function<void()> on_synced;
    base::Registry* metrics = nullptr;
  };

  Pleg(Deps deps, Options options);
  ~Pleg() override;

  void Start();
  base::Task<void> Stop();

  runtime::ObservedPodPtr Get(const std::string& uid) const override;
  base::Task<absl::StatusOr<runtime::ObservedPodPtr>> Refresh(std::string uid) override;
  void Hold(const std::string& uid, bool held) override;
  bool Known(const std::string& uid) const override;
  void Distrust(const std::string& uid) override { ++EntryOf(uid).distrusted; }

  bool Synced() const { return synced_; }
  std::vector<runtime::ObservedPodPtr> All() const;
  // OK while a relist succeeded within `healthy_for`; else Unavailable, in upstream's words, with the last error.
  // Not OK before Synced() either.
  absl::Status Health() const;
  // Pods whose inspection fails or has not answered, with the reason.
  std::map<std::string, std::string> Problems() const;
  bool EventsFlow() const { return events_flow_; }

 private:
  struct Entry {
    runtime::ObservedPodPtr pod;
    bool held = false;
    bool dirty = false;       // something happened since the last question
    bool inspecting = false;
    bool provisional = false;  // `pod` is what the lists say; it was never inspected
    uint64_t distrusted = 0, trusted = 0;  // differ: details of running containers are asked anew
    std::string error;
    base::MonoTime asked;     // start of the inspection under way
  };
  struct Lists {
    std::vector<runtime::Sandbox> sandboxes;
    std::vector<runtime::Container> containers;
  };

  base::Task<void> RelistLoop();
  base::Task<void> EventLoop();
  base::Task<absl::Status> Relist();
  base::Task<void> AwaitTurn();
  base::MonoTime NextAudit() const;
  void RelistNow();
  Entry& EntryOf(const std::string& uid);
  base::Task<void> InspectWhileDirty(std::string uid);
  base::Task<absl::StatusOr<runtime::ObservedPodPtr>> Inspect(std::string uid);
  base::Task<absl::StatusOr<runtime::ObservedPodPtr>> TimedInspect(std::string uid);
  void OnEvent(const runtime::RuntimeEvent& event);
  void MarkDirty(const std::string& uid);
  void ForgetIfGone(const std::string& uid);
  static runtime::ObservedPodPtr Provisional(const std::string& uid, const Lists& lists, base::MonoTime asked);
  void Publish(const std::string& uid, runtime::ObservedPodPtr pod);
  static bool Matches(const runtime::ObservedPod* known, const Lists& lists);

  Deps deps_;
  Options options_;
  std::map<std::string, Entry> pods_;
  bool synced_ = false;
  bool events_flow_ = false;
  base::MonoTime last_relist_{};
  absl::Status last_error_;
  bool relist_asked_ = false;
  base::MonoTime first_pod_{};  // when there was a pod after there had been none
  base::WakeEvent turn_;        // the relist loop is to look again at when its turn is
  base::WakeEvent inspected_;
  base::Semaphore inspections_;
  base::Family<base::Histogram>* relist_seconds_ = nullptr;
  base::Family<base::Histogram>* relist_interval_ = nullptr;
  base::Family<base::Gauge>* last_seen_ = nullptr;
  base::Histogram* pod_seconds_ = nullptr;
  base::Counter *streams_ = nullptr, *stream_errors_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::pleg
