// Graceful shutdown of the node: pods end in good time when the machine goes down. Core loop only.
//
//   delay lock of logind -> PrepareForShutdown(true) -> the node is not ready, no pod is admitted
//     -> pods end group by group, lowest priority first, each within the time of its group
//     -> the lock is given back, and the machine goes down
//   PrepareForShutdown(false) -> it was called off: ready again, a new lock; static pods that were
//   ended start again, all others stay as they ended
//
// logind waits no longer than its InhibitDelayMaxSec: when that is shorter than all groups
// together, a drop-in is written and logind reads its configuration again. Facts:
// pkg/kubelet/nodeshutdown (1.36). Differs from upstream: a lock that is too short is taken
// nevertheless, with a warning; a bus that is not there yet is waited for; the lock is held a
// little longer for statuses that are on their way to the API server; static pods come back when a
// shutdown is called off, and not only with the next start of the kubelet.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/node/node_status.h"
#include "kubelet/os/logind.h"

namespace kubelet::node {

// Pods of this priority and more, up to the next group's, and the time they have.
struct ShutdownGroup {
  int32_t priority = 0;
  std::chrono::seconds grace{0};
  bool operator==(const ShutdownGroup&) const = default;
};
// shutdownGracePeriod and shutdownGracePeriodCriticalPods as two groups: ordinary and critical.
// Empty: off.
std::vector<ShutdownGroup> GroupsOf(base::Nanos all, base::Nanos critical);

struct ShutdownBatch {
  ShutdownGroup group;
  std::vector<api::PodPtr> pods;
};
// In the order in which they end. Pods below the lowest priority end with the lowest. Groups
// without pods are left out: nobody waits for them. Pure.
std::vector<ShutdownBatch> PlanShutdown(std::vector<ShutdownGroup> groups,
                                        const std::vector<api::PodPtr>& pods);

inline constexpr char kShutdownReason[] = "Terminated";
inline constexpr char kShutdownMessage[] =
    "Pod was terminated in response to imminent node shutdown.";

class Shutdown {
 public:
  struct Options {
    std::vector<ShutdownGroup> groups;
    // graceful_node_shutdown_state: when the last shutdown began and ended, for the metrics; empty:
    // neither (gate GracefulNodeShutdownBasedOnPodPriority is off).
    std::string state_file;
    std::string logind_config_dir = os::kLogindConfigDir;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    // Blocks, in the pool.
    std::function<absl::StatusOr<std::unique_ptr<os::Logind>>()> connect;
    std::function<std::vector<api::PodPtr>()> pods;  // neither ended nor ending
    std::function<void(const api::PodPtr&, std::chrono::seconds grace)> end;
    std::function<bool(const std::string& uid)> cleaned_up;  // volumes included
    // Of a static pod that was ended, after on_change; may be empty.
    std::function<void(const std::string& uid)> start_again = {};
    std::function<bool()> statuses_written;                  // nothing waits to be told of pods
    std::function<void()> on_change;                         // shutting_down is another
    std::function<void(const NodeEvent&)> on_event;
    base::Registry* metrics = nullptr;
  };
  Shutdown(Deps deps, Options options);
  ~Shutdown();
  void Start();  // once; nothing happens without groups

  bool shutting_down() const { return shutting_down_; }
  // A pod was cleaned up.
  void PodGone(const std::string& uid);
  // For people: what it is doing, or why a shutdown would not be noticed. Empty as a rule.
  std::string Explain() const;

 private:
  base::Task<void> Run();
  base::Task<absl::Status> Watch();
  base::Task<absl::Status> StretchDelay(std::shared_ptr<os::Logind> logind);
  base::Task<absl::Status> TakeLock(std::shared_ptr<os::Logind> logind);
  base::Task<void> Begin();
  base::Task<void> EndPods();
  base::Task<void> AwaitStatuses();
  base::Task<void> LoadState();
  base::Task<void> Store(base::WallTime start, std::optional<base::WallTime> end);
  void SetShuttingDown(bool now);
  void Release();

  Deps deps_;
  Options options_;
  bool shutting_down_ = false;
  int lock_ = -1;
  absl::Status problem_;
  std::string step_;
  std::set<std::string> leaving_;
  std::set<std::string> ended_static_;  // since it began
  base::WakeEvent gone_;
  base::Gauge* started_ = nullptr;
  base::Gauge* ended_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::node
