#include "kubelet/worker/lifecycle.h"

#include <algorithm>

namespace kubelet::worker {
namespace {

constexpr std::chrono::seconds kLeastGrace{1};

Terminating Stop(const StopWanted& stop) { return {std::max(stop.grace, kLeastGrace), stop.reason}; }

struct Step {
  State operator()(const Waiting&, const NameFree&) { return Syncing{}; }
  State operator()(const Waiting&, const StopWanted&) { return Finished{}; }
  State operator()(const Syncing&, const RanToEnd&) { return Ended{}; }
  State operator()(const Syncing&, const StopWanted& stop) { return Stop(stop); }
  State operator()(const Ended&, const StopWanted& stop) { return Stop(stop); }
  State operator()(const Terminating& now, const StopWanted& stop) {
    Terminating next = Stop(stop);
    return next.grace < now.grace ? next : now;
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
  static constexpr const char* kNames[] = {"Waiting", "Syncing", "Ended", "Terminating", "Removing", "Finished"};
  return kNames[state.index()];
}

}  // namespace kubelet::worker
