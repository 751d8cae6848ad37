// What became of the volumes of each pod: which are mounted, which failed, why, since when, and
// when each may be tried again. The pod's worker drives; nothing here has a timer. Facts:
// pkg/util/goroutinemap/exponentialbackoff, pkg/kubelet/volumemanager of 1.36.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/api/types.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"

namespace kubelet::volume {

// `kubernetes.io/configmap` of a volume, as metrics name it; of a claim what it is claimed from is
// not known here.
std::string PluginName(const api::core::Volume& volume);

// Core loop only.
class Operations {
 public:
  // Upstream's: 500 ms, doubling to 2 min 2 s, counted from when an attempt began (upstream:
  // ended); a pod that waits so long for its volumes is told so in an event.
  static constexpr base::Nanos kFirstDelay = std::chrono::milliseconds(500);
  static constexpr base::Nanos kMaxDelay = std::chrono::seconds(122);
  static constexpr base::Nanos kPatience = std::chrono::seconds(123);

  using OnEvent = std::function<void(const std::string& uid, const api::core::Pod* pod,
                                     const std::string& reason, const std::string& message)>;
  Operations(base::Clock& clock, base::Registry* metrics, OnEvent on_event);

  // OK, or the last failure when it is too early to try again.
  absl::Status MayMount(const std::string& uid, const std::string& volume) const;
  // An attempt has ended; `volume` is empty when the pod as a whole was refused. A failure is
  // logged, told in an event (FailedMount) and delays the next attempt; Aborted and Cancelled are
  // none. Returns the status.
  absl::Status Mounted(const api::core::Pod& pod, const std::string& volume, base::MonoTime begun,
                       const absl::Status& status);
  // After all volumes of the pod had their turn: those that are not mounted; empty: it waits no
  // longer.
  void Waits(const api::core::Pod& pod, const std::set<std::string>& unmounted,
             const absl::Status& first);
  std::optional<base::MonoTime> RetryAt(const std::string& uid) const;
  // Something changed: no reason to wait.
  void RetryNow(const std::string& uid);

  // Not later than this from now: what nobody tells us of has to be asked for again.
  void RetryWithin(const std::string& uid, const std::string& volume, base::Nanos delay);
  // The plugin behind a claim, once it is known; it counts under that from then on.
  void Name(const std::string& uid, const std::string& volume, const std::string& plugin);

  // A step of an operation, by its upstream name, for the metrics.
  void Step(const std::string& uid, const std::string& volume, const char* operation,
            base::MonoTime begun, bool good);

  void UnmountedDevice(const std::string& plugin, base::MonoTime begun, bool good);

  // The pod's volumes are being taken away: what is known of its mounts is forgotten.
  void Leave(const std::string& uid);
  void TornDown(const std::string& uid, base::MonoTime begun, const absl::Status& status);

  // Lines of text: what is wrong with the pod's volumes, empty as a rule; and of pods that are
  // gone.
  std::vector<std::string> Explain(const std::string& uid) const;
  std::vector<std::string> ExplainOrphans(
      const std::function<bool(const std::string& uid)>& known) const;

 private:
  struct Failure {
    absl::Status status;
    base::Nanos delay{};
    base::MonoTime retry_at;
    base::WallTime since;
    int count = 0;
  };
  struct Volume {
    std::string plugin;
    bool mounted = false, device = false;
    std::optional<base::MonoTime> first_try;
    std::optional<Failure> failure;
  };
  struct Pod {
    std::map<std::string, Volume> volumes;
    std::optional<base::MonoTime> told;  // of a wait
    std::optional<Failure> teardown;
    // What is being taken away, for the metrics: plugin, and whether it is a device.
    std::vector<std::pair<std::string, bool>> leaving;
  };
  void Observe(const std::string& plugin, const char* operation, base::MonoTime begun, bool good);
  void Count(const std::string& plugin, int wanted, int mounted);
  std::string Line(const std::string& what, const Failure& failure, bool retry) const;

  base::Clock& clock_;
  OnEvent on_event_;
  std::map<std::string, Pod> pods_;
  std::map<std::string, std::pair<int, int>> counts_;  // of volumes by plugin: wanted, mounted
  base::Family<base::Histogram>* seconds_ = nullptr;
  base::Family<base::Histogram>* total_seconds_ = nullptr;
  base::Family<base::Gauge>* volumes_ = nullptr;
};

}  // namespace kubelet::volume
