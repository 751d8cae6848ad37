#include "kubelet/worker/lifecycle.h"

#include "catch.h"

namespace kubelet::worker {
namespace {

using namespace std::chrono_literals;

const std::vector<State> kStates = {Waiting{},          Syncing{},                 Ending{10s, "first"}, Retiring{}, Ended{},
                                    Terminating{10s, "first"}, Removing{},          Finished{}};
const std::vector<Event> kEvents = {NameFree{}, EndWanted{5s, "second"}, StopWanted{5s, "second"}, NothingRuns{},
                                    CleanedUp{}};

// The table of the header, row by row; a state's own name where nothing happens.
const char* const kTable[8][5] = {
    {"Syncing", "Ending", "Finished", "Waiting", "Waiting"},
    {"Syncing", "Ending", "Terminating", "Syncing", "Syncing"},
    {"Ending", "Ending", "Terminating", "Retiring", "Ending"},
    {"Retiring", "Retiring", "Terminating", "Retiring", "Ended"},
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

TEST_CASE("an end that becomes a stop keeps the shorter of both grace periods") {
  State ending = Next(Syncing{}, EndWanted{8s, "deadline"});
  CHECK(std::get<Ending>(ending).grace == 8s);
  CHECK(std::get<Ending>(Next(ending, EndWanted{3s, "evicted"})).grace == 3s);
  CHECK(std::get<Terminating>(Next(ending, StopWanted{30s, "deleted"})).grace == 8s);
  CHECK(std::get<Terminating>(Next(ending, StopWanted{30s, "deleted"})).reason == "deleted");
  CHECK(std::get<Terminating>(Next(ending, StopWanted{2s, "deleted"})).grace == 2s);
}

TEST_CASE("what may run, and what is over") {
  for (const auto& state : kStates) {
    INFO(Name(state));
    bool nothing_runs = std::string("Retiring Ended Removing Finished").find(Name(state)) != std::string::npos;
    CHECK(CouldRun(state) == !nothing_runs);
    CHECK(IsOver(state) == (state.index() >= 2));
  }
}

}  // namespace
}  // namespace kubelet::worker
