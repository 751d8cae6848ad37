// The state of a CertificateRotator, shared with its coroutines: work in the pool cannot be called
// back and may end after the owner.
#pragma once

#include "client/certificate_rotator.h"

namespace kubelet::client {

struct CertificateRotator::State {
  State(Deps d, Options o, Hooks h)
      : deps(std::move(d)),
        options(std::move(o)),
        hooks(std::move(h)),
        wake(deps.executor, deps.clock),
        turn(deps.executor, deps.clock, 1) {}

  Deps deps;
  Options options;
  Hooks hooks;
  base::WakeEvent wake;
  base::Semaphore turn;  // one look at a time
  bool ended = false;    // the owner is gone, and the hooks with it

  // What is held.
  std::shared_ptr<const HeldPair> held;
  uint64_t generation = 0;
  double jitter = 0;
  absl::Status load_error;
  std::string logged_warning;
  std::vector<std::string> files;
  std::vector<FileStamp> stamps;
  bool looked = false, look_again = true;

  // The clock as it was at the last turn: wall time less monotonic time.
  std::optional<base::Nanos> clock_offset;

  // 401s to this generation.
  uint64_t rejected_generation = 0;
  int rejections = 0;
  base::MonoTime rejected_since, rejected_last;

  // The attempt that runs, or the back-off after one.
  std::unique_ptr<base::TaskScope> attempt;
  bool attempting = false;
  base::MonoTime attempt_until;
  std::optional<CsrTemplate> asked;
  std::string csr_name;
  int failures = 0;
  std::string last_error;
  std::optional<base::MonoTime> retry_at;

  CertificateHealth::State said = CertificateHealth::State::kNotUsed;

  // certificate_rotator.cc
  static base::Task<void> Run(std::shared_ptr<State> self);
  static base::Task<void> Look(std::shared_ptr<State> self);
  void Take(PairLook look);
  void NoticeClock();
  base::Nanos Turn();  // decides, begins an attempt; how long to wait
  bool Unneeded(const Rotation& next, const std::optional<CsrTemplate>& want) const;
  bool RejectedNow() const;
  bool RejectedForLong() const;
  Rotation Next(const std::optional<CsrTemplate>& want) const;
  CertificateHealth Health() const;
  void Say();

  // certificate_attempt.cc
  static base::Task<void> Attempt(std::shared_ptr<State> self, CsrTemplate want, bool fresh_start);
  static base::Task<absl::Status> Obtain(std::shared_ptr<State> self, CsrTemplate want,
                                         bool fresh_start);
  void Fail(const std::string& what);
  bool Valid(base::WallTime now) const;
};

}  // namespace kubelet::client
