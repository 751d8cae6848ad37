#include "probe/machine.h"

#include <algorithm>

namespace kubelet::probe {
namespace {

// What a fresh container gets before its first readiness probe: one that fails costs a whole
// period.
constexpr base::Nanos kComingUp = std::chrono::seconds(1);

base::Nanos Share(base::Nanos whole, double random) {
  return base::Nanos(static_cast<int64_t>(static_cast<double>(whole.count()) * random));
}

}  // namespace

const char* ProbeTypeName(ProbeType type) {
  switch (type) {
    case ProbeType::kStartup:
      return "Startup";
    case ProbeType::kReadiness:
      return "Readiness";
    default:
      return "Liveness";
  }
}

void Machine::Begin(const Instance& instance, base::MonoTime now, double random) {
  last_.reset();
  run_ = 0;
  earliest_ = instance.started + spec_.initial_delay;
  verdict_ = instance.verdict;
  if (!verdict_ && type_ != ProbeType::kStartup) verdict_ = type_ == ProbeType::kLiveness;
  on_hold_ = type_ == ProbeType::kStartup && verdict_.has_value();
  due_.reset();
  if (on_hold_ || instance.gated) return;
  base::Nanos jitter = Share(spec_.period, random);
  if (instance.adopted) {
    due_ = std::max(earliest_, now + jitter);
  } else if (type_ == ProbeType::kReadiness) {
    base::Nanos half = kComingUp / 2;
    due_ = std::max(earliest_, instance.started + half + Share(half, random));
  } else {
    due_ = earliest_ + jitter;
  }
}

void Machine::Open(base::MonoTime now, double random) {
  bool waits = type_ == ProbeType::kLiveness;
  due_ = std::max(earliest_, now + (waits ? Share(spec_.period, random) : base::Nanos(0)));
}

void Machine::Sent(base::MonoTime now) {
  base::MonoTime next = due_.value_or(now) + spec_.period;
  due_ = next < now ? now + spec_.period : next;
}

bool Machine::Took(bool success) {
  run_ = last_ == success ? run_ + 1 : 1;
  last_ = success;
  if (run_ < (success ? spec_.success_threshold : spec_.failure_threshold)) return false;
  bool changed = verdict_ != success;
  verdict_ = success;
  if (type_ == ProbeType::kStartup || (type_ == ProbeType::kLiveness && !success)) {
    on_hold_ = true;
    due_.reset();
  }
  return changed;
}

}  // namespace kubelet::probe
