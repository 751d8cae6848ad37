#include "kubelet/worker/lifecycle.h"

#include "catch.h"

namespace kubelet::worker {
namespace {

using namespace std::chrono_literals;

const std::vector<State> kStates = {Waiting{}, Syncing{}, Ended{}, Terminating{10s, "first"}, Removing{}, Finished{}};
const std::vector<Event> kEvents = {NameFree{}, RanToEnd{}, StopWanted{5s, "second"}, NothingRuns{}, CleanedUp{}};

// The table of the header, row by row; a state's own name where nothing happens.
const char* const kTable[6][5] = {
    {"Syncing", "Waiting", "Finished", "Waiting", "Waiting"},
    {"Syncing", "Ended", "Terminating", "Syncing", "Syncing"},
    {"Ended", "Ended", "Terminating", "Ended", "Ended"},
    {"Terminating", "Terminating", "Terminating", "Removing", "Terminating"},
    {"Removing", "Removing", "Removing", "Removing", "Finished"},
    {"Finished", "Finished", "Finished", "Finished", "Finished"},
};

TEST_CASE("every state meets every event as the table says") {
  for (size_t s = 0; s < kStates.size(); ++s) {
    for (size_t e = 0; e < kEvents.size(); ++e) {
      INFO(Name(kStates[s]) << " with event " << e);
      CHECK(std::string(Name(Next(kStates[s], kEvents[e]))) == kTable[s][e]);
    }
  }
}

TEST_CASE("no sequence of events leads back to an earlier state") {
  for (const auto& state : kStates) {
    for (const auto& event : kEvents) CHECK(Next(state, event).index() >= state.index());
  }
}

TEST_CASE("a grace period only becomes shorter, and never less than a second") {
  State state = Next(Syncing{}, StopWanted{30s, "removed"});
  state = Next(state, StopWanted{60s, "later"});
  CHECK(std::get<Terminating>(state).grace == 30s);
  state = Next(state, StopWanted{5s, "sooner"});
  CHECK(std::get<Terminating>(state).grace == 5s);
  CHECK(std::get<Terminating>(state).reason == "sooner");
  state = Next(state, StopWanted{0s, "now"});
  CHECK(std::get<Terminating>(state).grace == 1s);
}

}  // namespace
}  // namespace kubelet::worker
