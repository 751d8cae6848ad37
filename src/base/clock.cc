#include "kubelet/base/clock.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace kubelet::base {

Clock::TimerId Clock::Schedule(MonoTime when, std::function<void()> callback) {
  TimerId id{when, ++sequence_};
  bool first = timers_.empty() || id < timers_.begin()->first;
  timers_.emplace(id, std::move(callback));
  if (first) NextChanged();
  return id;
}

void Clock::Cancel(TimerId id) { timers_.erase(id); }

void Clock::RunDue(MonoTime now) {
  // Timers set by a callback wait for the next turn, so that a zero delay cannot starve the loop.
  uint64_t last = sequence_;
  for (auto it = timers_.begin(); it != timers_.end() && it->first.first <= now;) {
    if (it->first.second > last) {
      ++it;
      continue;
    }
    auto callback = std::move(it->second);
    timers_.erase(it);
    callback();
    it = timers_.begin();
  }
}

MonoTime Clock::Next() const { return timers_.empty() ? MonoTime::max() : timers_.begin()->first.first; }

struct RealClock::State {
  State(boost::asio::io_context& io, RealClock* c) : timer(io), clock(c) {}
  boost::asio::steady_timer timer;
  RealClock* clock;
  MonoTime armed = MonoTime::max();
};

RealClock::RealClock(boost::asio::io_context& io) : state_(std::make_shared<State>(io, this)) {}
RealClock::~RealClock() {
  state_->clock = nullptr;
  state_->timer.cancel();
}
WallTime RealClock::Now() const {
  return std::chrono::time_point_cast<Nanos>(std::chrono::system_clock::now());
}
MonoTime RealClock::Mono() const { return std::chrono::steady_clock::now(); }

void RealClock::NextChanged() {
  if (Next() < state_->armed) Arm();
}

void RealClock::Arm() {
  state_->armed = Next();
  if (state_->armed == MonoTime::max()) return;
  state_->timer.expires_at(state_->armed);
  state_->timer.async_wait([state = state_](boost::system::error_code ec) {
    if (ec || state->clock == nullptr) return;
    state->armed = MonoTime::max();
    state->clock->RunDue(state->clock->Mono());
    if (state->clock != nullptr && state->clock->Next() < state->armed) state->clock->Arm();
  });
}

void ManualClock::Advance(Nanos d, const std::function<void()>& idle) {
  MonoTime end = now_ + d;
  idle();
  while (Next() <= end) {
    if (Next() > now_) now_ = Next();
    RunDue(now_);
    idle();
  }
  now_ = end;
}

}  // namespace kubelet::base
