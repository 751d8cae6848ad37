#include "kubelet/worker/lifecycle.h"

#include <algorithm>

namespace kubelet::worker {
namespace {

constexpr std::chrono::seconds kLeastGrace{1};

template <typename To, typename Wish>
State Enter(const Wish& wish) {
  return To{std::max(wish.grace, kLeastGrace), wish.reason};
}

// A second wish counts only when it is sooner.
template <typename To, typename From, typename Wish>
State Shorter(const From& now, const Wish& wish) {
  auto grace = std::max(wish.grace, kLeastGrace);
  if (grace < now.grace) return To{grace, wish.reason};
  return To{now.grace, std::is_same_v<To, From> ? now.reason : wish.reason};
}

struct Step {
  State operator()(const Waiting&, const NameFree&) { return Syncing{}; }
  State operator()(const Waiting&, const EndWanted& end) { return Enter<Ending>(end); }
  State operator()(const Waiting&, const StopWanted&) { return Finished{}; }
  State operator()(const Syncing&, const EndWanted& end) { return Enter<Ending>(end); }
  State operator()(const Syncing&, const StopWanted& stop) { return Enter<Terminating>(stop); }
  State operator()(const Ending& now, const EndWanted& end) { return Shorter<Ending>(now, end); }
  State operator()(const Ending& now, const StopWanted& stop) {
    return Shorter<Terminating>(now, stop);
  }
  State operator()(const Ending&, const NothingRuns&) { return Retiring{}; }
  State operator()(const Retiring&, const StopWanted& stop) { return Enter<Terminating>(stop); }
  State operator()(const Retiring&, const CleanedUp&) { return Ended{}; }
  State operator()(const Ended&, const StopWanted& stop) { return Enter<Terminating>(stop); }
  State operator()(const Terminating& now, const EndWanted& end) {
    return Shorter<Terminating>(now, end);
  }
  State operator()(const Terminating& now, const StopWanted& stop) {
    return Shorter<Terminating>(now, stop);
  }
  State operator()(const Terminating&, const NothingRuns&) { return Removing{}; }
  State operator()(const Removing&, const CleanedUp&) { return Finished{}; }
  template <typename S, typename E>
  State operator()(const S& state, const E&) {
    return state;
  }
};

}  // namespace

State Next(const State& state, const Event& event) { return std::visit(Step{}, state, event); }

const char* Name(const State& state) {
  static constexpr const char* kNames[] = {"Waiting", "Syncing",     "Ending",   "Retiring",
                                           "Ended",   "Terminating", "Removing", "Finished"};
  return kNames[state.index()];
}

bool CouldRun(const State& state) {
  return std::holds_alternative<Waiting>(state) || std::holds_alternative<Syncing>(state) ||
         std::holds_alternative<Ending>(state) || std::holds_alternative<Terminating>(state);
}

bool IsOver(const State& state) {
  return !std::holds_alternative<Waiting>(state) && !std::holds_alternative<Syncing>(state);
}

}  // namespace kubelet::worker
