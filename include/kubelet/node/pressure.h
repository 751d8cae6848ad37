// Is the node short of something? Eviction thresholds against what was observed, with a memory: the
// three pressure conditions of the Node, and what admission goes by. Pure but for that memory; one
// thread. Facts: the conditions half of pkg/kubelet/eviction (1.36); driving pods out is another
// room's.
//
// A threshold counts from the first observation on, soft ones too: their grace period is for
// evictions. What was met for so long counts until the minimum reclaim is back as well. A condition
// stays for the transition period.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/base/time.h"

namespace kubelet::node {

// Signals: memory.available, allocatableMemory.available (of the pods' cgroup), nodefs and imagefs
// with .available and .inodesFree, pid.available. containerfs.* is the same as one of the other
// two, thresholds included, and not looked at.
struct SignalLeft {
  int64_t available = 0, capacity = 0;
};
using Signals = std::map<std::string, SignalLeft>;

struct PressureOptions {
  std::map<std::string, std::string> hard,
      soft;  // evictionHard, evictionSoft: quantity or percentage
  std::map<std::string, base::Nanos> soft_grace;  // evictionSoftGracePeriod
  std::map<std::string, std::string> minimum_reclaim;
  // enforceNodeAllocatable has `pods`: the hard threshold of memory holds for all pods together,
  // too.
  bool allocatable_memory = true;
  base::Nanos transition = std::chrono::minutes(5);  // evictionPressureTransitionPeriod
};

struct Pressures {
  bool memory = false, disk = false, pid = false;
  bool operator==(const Pressures&) const = default;
};

class Pressure {
 public:
  explicit Pressure(PressureOptions options);
  // Nothing to watch: no threshold is set.
  bool Idle() const { return thresholds_.empty(); }
  bool Watches(const std::string& signal) const;
  // What is not in `signals` could not be observed and is not judged.
  Pressures Update(const Signals& signals, base::MonoTime now);

 private:
  struct Threshold {
    std::string signal, value, reclaim;
    base::Nanos grace{0};
  };
  struct Seen {
    base::MonoTime since{};
    bool held = false;  // met for its grace period: counts until the reclaim is back
  };
  void Add(const std::map<std::string, std::string>& values, bool soft);
  static bool IsMet(const Threshold& threshold, const SignalLeft& left, bool with_reclaim);

  PressureOptions options_;
  std::vector<Threshold> thresholds_;
  std::map<size_t, Seen> met_;                                  // by place in thresholds_
  std::optional<base::MonoTime> memory_at_, disk_at_, pid_at_;  // last observed
};

}  // namespace kubelet::node
