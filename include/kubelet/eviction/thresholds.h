// Is the node short of something? Thresholds against what was observed, with a memory: the three
// pressure conditions of the Node, which admission goes by, and what has to be reclaimed. Pure but
// for that memory; one thread.
//
//   evictionHard, evictionSoft ... -> MakeThresholds -> ThresholdWatch::Update(observations, now)
//     -> pressures (from the first observation on) and what is due (once its grace period is over)
//
// What was due counts until the minimum reclaim is back as well. A condition stays for the
// transition period. Differs from upstream: of what is due at the same time, hard thresholds come
// before soft ones and nodefs before imagefs; there it is chance.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "kubelet/api/quantity.h"
#include "kubelet/base/time.h"
#include "kubelet/eviction/signals.h"

namespace kubelet::eviction {

// `100Mi` or `10%` of the capacity.
class Amount {
 public:
  Amount() = default;
  // nullopt: switched off (0%, 100%, empty). config has refused what does not parse.
  static std::optional<Amount> Parse(const std::string& text);
  // A share is computed in float, as upstream does.
  api::Quantity Of(int64_t capacity) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  api::Quantity quantity_;
  float share_ = 0;  // not 0: a percentage
};

struct Threshold {
  Signal signal = Signal::kMemoryAvailable;
  Amount value;
  std::optional<Amount> reclaim;
  base::Nanos grace{0};
  bool hard() const { return grace == base::Nanos(0); }
};

struct Config {
  std::map<std::string, std::string> hard, soft;  // by signal
  std::map<std::string, base::Nanos> soft_grace;
  std::map<std::string, std::string> minimum_reclaim;
  // enforceNodeAllocatable has `pods`: the hard threshold of memory holds for all pods together,
  // too.
  bool allocatable_memory = true;
  base::Nanos transition = std::chrono::minutes(5);  // evictionPressureTransitionPeriod
};
// Without containerfs.*, which follows from the others once the layout is known.
std::vector<Threshold> MakeThresholds(const Config& config);
// With a copy for containerfs of each threshold of the filesystem that it is.
std::vector<Threshold> WithContainerFs(std::vector<Threshold> thresholds, const FsLayout& layout);

class ThresholdWatch {
 public:
  ThresholdWatch(std::vector<Threshold> thresholds, base::Nanos transition);
  // Nothing to watch: no threshold is set.
  bool Idle() const { return thresholds_.empty(); }
  bool Watches(Signal signal) const;
  // Thresholds of the same signal and kind keep what was seen of them.
  void Replace(std::vector<Threshold> thresholds) { thresholds_ = std::move(thresholds); }
  const std::vector<Threshold>& thresholds() const { return thresholds_; }

  struct Turn {
    Pressures pressures;
    std::vector<Threshold> due;  // the most urgent first
  };
  Turn Update(const Observations& observations, base::MonoTime now);
  // Every threshold has what it asks for, its minimum reclaim included.
  bool Relieved(const Observations& observations) const;

  struct Met {
    Threshold threshold;
    base::MonoTime since{};
    bool due = false;
  };
  // Of the last Update, for people.
  std::vector<Met> met() const;

 private:
  using Key = std::tuple<Signal, base::Nanos, std::string>;
  static Key KeyOf(const Threshold& threshold);
  struct Seen {
    base::MonoTime since{};
    bool due = false;
  };
  std::vector<Threshold> thresholds_;
  base::Nanos transition_;
  std::map<Key, Seen> seen_;
  std::optional<base::MonoTime> memory_at_, disk_at_, pid_at_;  // last observed
};

}  // namespace kubelet::eviction
