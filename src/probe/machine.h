// One probe of one container: when it is due, and what its answers add up to. Pure: the caller
// passes the time.
//
// Facts: pkg/kubelet/prober/worker.go (1.36). There a probe ticks from the moment the pod is taken
// on, so that the first one falls anywhere into the first period of the container; here that moment
// is drawn:
//
//   readiness          start + initialDelay, but not before the container had about a second to
//   come up startup, liveness  start + initialDelay + random * period behind a startup   readiness
//   at the moment the startup probe succeeds, liveness random * period after it adopted (it ran
//   before this kubelet did) everything within one period from now
//
// From then on every period, counted from when the probe was due; a probe that is late is made at
// once and the count begins anew, nothing is made up for. A liveness probe that failed and a
// startup probe that is decided hold still until there is another container.
#pragma once

#include <optional>

#include "kubelet/base/time.h"

namespace kubelet::probe {

enum class ProbeType { kStartup, kReadiness, kLiveness };
const char* ProbeTypeName(ProbeType type);  // `Startup`, as events and metrics have it

struct MachineSpec {
  base::Nanos initial_delay{0}, period{std::chrono::seconds(10)};
  int success_threshold = 1, failure_threshold = 3;
};

class Machine {
 public:
  Machine(ProbeType type, MachineSpec spec) : type_(type), spec_(spec) {}

  // A container instance that runs since `started`. `gated`: its startup probe has not succeeded
  // yet. `verdict`: what an earlier kubelet knew. `random` in [0, 1).
  struct Instance {
    base::MonoTime started{};
    bool gated = false;
    bool adopted = false;
    std::optional<bool> verdict;
  };
  void Begin(const Instance& instance, base::MonoTime now, double random);
  // It runs no longer, or must not be probed any more. The verdict stays what it was.
  void End() { due_.reset(); }
  // Its startup probe has succeeded.
  void Open(base::MonoTime now, double random);

  // nullopt: not before something changes.
  std::optional<base::MonoTime> due() const { return due_; }
  // A probe begins: due() becomes the next turn.
  void Sent(base::MonoTime now);
  // What came of it. True: the verdict is another than before.
  bool Took(bool success);

  // nullopt: no verdict yet (startup only: a readiness probe begins with false, a liveness probe
  // with true).
  std::optional<bool> verdict() const { return verdict_; }
  bool on_hold() const { return on_hold_; }
  ProbeType type() const { return type_; }

 private:
  ProbeType type_;
  MachineSpec spec_;
  std::optional<base::MonoTime> due_;
  base::MonoTime earliest_{};  // start and initial delay
  std::optional<bool> verdict_, last_;
  int run_ = 0;  // how often in a row the answer was last_
  bool on_hold_ = false;
};

}  // namespace kubelet::probe
