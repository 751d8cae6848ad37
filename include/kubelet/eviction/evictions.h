// Keeps the node from running out of memory, disk and process ids: looks every ten seconds, and
// sooner when the kernel raises an alarm, and ends pods when nothing else helps. Core loop only.
//
//   observe -> conditions of the node (ThresholdWatch)
//     -> pods beyond their own limits of storage: all of them end, and that is this turn
//     -> a threshold is due: what the node can remove by itself; is that enough?
//     -> else one pod (ChooseVictim); the next turn begins when it is cleaned up, or after 30 s
//
// What pods use is asked for when a choice has to be made, and for pods with limits of storage.
// Whether a pod ends is the workers' business: Host::Evict asks for it, and the status follows.
// Facts: pkg/kubelet/eviction/eviction_manager.go (1.36). Differs from upstream: memory and process
// ids are judged also while the runtime does not answer; an alarm while a pod is being cleaned up
// waits for that.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/metrics.h"
#include "kubelet/eviction/choice.h"

namespace kubelet::eviction {

// What a choice between pods needs to know. kVolumes: files but for writable layers, which the
// runtime has to be asked for.
enum class Measure { kMemory, kProcesses, kFiles, kVolumes };

class Host {
 public:
  virtual ~Host() = default;
  // A filesystem that hangs leaves its signals out.
  virtual base::Task<absl::StatusOr<Observations>> Observe() = 0;
  // nullopt: the runtime has not told yet.
  virtual std::optional<FsLayout> Layout() = 0;
  // Of all pods, for kFiles and kVolumes of these; empty: all.
  virtual base::Task<absl::StatusOr<runtime::PodUsages>> Usage(Measure what,
                                                               std::set<std::string> uids) = 0;
  virtual base::Task<absl::Status> RemoveDeadContainers() = 0;
  virtual base::Task<absl::Status> RemoveUnusedImages() = 0;
  // Admitted, and neither ended nor ending.
  virtual Pods ActivePods() = 0;
  virtual void Evict(const Victim& victim) = 0;
  // Nothing of it runs, and its volumes are gone.
  virtual bool CleanedUp(const std::string& uid) = 0;
  virtual void OnPressure(const Pressures& pressures) = 0;
  // `memory`: is going to be reclaimed. Becomes an event of the node.
  virtual void OnShortage(const std::string& resource) = 0;
};

class Evictions {
 public:
  struct Options {
    Config config;
    bool storage_limits = true;             // localStorageCapacityIsolation
    std::chrono::seconds max_pod_grace{0};  // evictionMaxPodGracePeriod
    bool pod_level_resources = true;        // gate PodLevelResources
    base::Nanos period = std::chrono::seconds(10);
    base::Nanos cleanup_patience = std::chrono::seconds(30);
    base::Nanos least_pause = std::chrono::seconds(1);  // between looks, however many alarms
  };
  Evictions(base::Executor executor, base::Clock& clock, Host& host, Options options,
            base::Registry* metrics);
  ~Evictions();
  void Start();  // once

  // Memory is getting short: look now.
  void Alarm();
  // A pod was cleaned up.
  void PodGone(const std::string& uid);
  const Pressures& pressures() const { return pressures_; }
  const std::vector<Threshold>& thresholds() const { return watch_.thresholds(); }
  const Observations& observations() const { return last_seen_; }  // the latest
  // Lines for people: what is short, who went last. Empty as a rule.
  std::vector<std::string> Explain() const;

 private:
  struct Last {
    std::string pod, signal;
    base::WallTime at;
  };
  base::Task<void> Run();
  base::Task<bool> Look();
  base::Task<bool> EnforceLimits();
  base::Task<bool> Reclaim(std::vector<Threshold> due, Observations seen, base::MonoTime seen_at);
  base::Task<bool> HelpItself(Signal signal);
  base::Task<void> AwaitCleanup();
  void TakeLayout();
  void SetPressures(const Pressures& next);
  void Evict(const Victim& victim);

  base::Clock& clock_;
  Host& host_;
  Options options_;
  ThresholdWatch watch_;
  FsLayout layout_;
  bool layout_known_ = false;
  Pressures pressures_;
  Observations last_seen_;
  std::set<std::string> leaving_;  // uids, until they are cleaned up
  std::optional<Last> last_;
  base::WakeEvent wake_;
  base::Family<base::Counter>* evictions_ = nullptr;
  base::Family<base::Histogram>* stats_age_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::eviction
