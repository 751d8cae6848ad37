// Time as a dependency. Production runs on RealClock; tests turn a ManualClock by hand, so no test sleeps.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "kubelet/base/time.h"

namespace boost::asio {
class io_context;
}

namespace kubelet::base {

// Core-loop object: every call and every callback is on the thread that runs the io_context.
class Clock {
 public:
  using TimerId = std::pair<MonoTime, uint64_t>;
  virtual ~Clock() = default;

  virtual WallTime Now() const = 0;
  virtual MonoTime Mono() const = 0;

  // Calls `callback` once, at or after `when` and never from inside Schedule. Returns an id for Cancel.
  TimerId Schedule(MonoTime when, std::function<void()> callback);
  TimerId After(Nanos delay, std::function<void()> callback) {
    return Schedule(Mono() + delay, std::move(callback));
  }
  // Forgets a timer; an id that has fired or is unknown is ignored.
  void Cancel(TimerId id);

 protected:
  // Runs what is due at `now`. A callback may schedule and cancel.
  void RunDue(MonoTime now);
  // Earliest timer, or MonoTime::max().
  MonoTime Next() const;
  // Told whenever Next() may have become earlier.
  virtual void NextChanged() = 0;

 private:
  std::map<TimerId, std::function<void()>> timers_;
  uint64_t sequence_ = 0;
};

// The kernel's clocks, and one asio timer however many timers are scheduled.
class RealClock : public Clock {
 public:
  explicit RealClock(boost::asio::io_context& io);
  ~RealClock() override;
  WallTime Now() const override;
  MonoTime Mono() const override;

 private:
  void NextChanged() override;
  void Arm();
  struct State;
  std::shared_ptr<State> state_;
};

// Stands still until Advance; wall and monotonic time move together.
class ManualClock : public Clock {
 public:
  explicit ManualClock(WallTime start = WallFromUnixNanos(1'700'000'000'000'000'000)) : start_(start) {}
  WallTime Now() const override { return start_ + (now_ - MonoTime()); }
  MonoTime Mono() const override { return now_; }
  // Moves to the next timer in turn and runs it, until `d` has passed. Between timers `idle` is called, so
  // that a test can run its io_context dry.
  void Advance(Nanos d, const std::function<void()>& idle = [] {});
  void JumpWall(Nanos d) { start_ += d; }

 private:
  void NextChanged() override {}
  WallTime start_;
  MonoTime now_{};
};

}  // namespace kubelet::base
