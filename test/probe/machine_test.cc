#include "probe/machine.h"

#include <string>

#include "catch.h"

namespace kubelet::probe {
namespace {

using namespace std::chrono_literals;
using base::MonoTime;

MonoTime At(base::Nanos t) { return MonoTime(t); }

MachineSpec Spec(base::Nanos delay, base::Nanos period, int success, int failure) {
  MachineSpec spec;
  spec.initial_delay = delay;
  spec.period = period;
  spec.success_threshold = success;
  spec.failure_threshold = failure;
  return spec;
}

TEST_CASE("when the first probe of a container is due") {
  struct Row {
    const char* what;
    ProbeType type;
    base::Nanos delay, started, now;
    bool adopted;
    double random;
    base::Nanos due;
  };
  const Row rows[] = {
      {"readiness leaves a moment to come up", ProbeType::kReadiness, 0s, 100s, 100s, false, 0.0,
       100'500ms},
      {"which varies", ProbeType::kReadiness, 0s, 100s, 100s, false, 0.5, 100'750ms},
      {"readiness after its delay at once", ProbeType::kReadiness, 5s, 100s, 100s, false, 0.9,
       105s},
      {"liveness within its first period", ProbeType::kLiveness, 0s, 100s, 100s, false, 0.25,
       102'500ms},
      {"liveness after delay and a share of the period", ProbeType::kLiveness, 30s, 100s, 100s,
       false, 0.5, 135s},
      {"startup likewise", ProbeType::kStartup, 3s, 100s, 100s, false, 0.5, 108s},
      {"seen late: what is overdue is due", ProbeType::kLiveness, 0s, 100s, 120s, false, 0.5, 105s},
      {"adopted: spread over one period from now", ProbeType::kReadiness, 0s, 100s, 200s, true, 0.5,
       205s},
      {"adopted, within its delay", ProbeType::kLiveness, 120s, 100s, 200s, true, 0.5, 220s},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    Machine machine(row.type, Spec(row.delay, 10s, 1, 3));
    Machine::Instance instance;
    instance.started = At(row.started);
    instance.adopted = row.adopted;
    machine.Begin(instance, At(row.now), row.random);
    REQUIRE(machine.due().has_value());
    CHECK(*machine.due() == At(row.due));
  }
}

TEST_CASE("thresholds: what a row of answers adds up to") {
  struct Row {
    const char* what;
    ProbeType type;
    int success, failure;
    const char* answers;   // + and -
    const char* verdicts;  // after each: + - or ? (none yet)
  };
  const Row rows[] = {
      {"readiness begins unready", ProbeType::kReadiness, 1, 3, "+--+---+", "++++++-+"},
      {"readiness needs successes in a row", ProbeType::kReadiness, 3, 1, "++-+++", "-----+"},
      {"liveness begins alive", ProbeType::kLiveness, 1, 3, "--+--", "+++++"},
      {"and dies at the threshold", ProbeType::kLiveness, 1, 3, "---", "++-"},
      {"startup is undecided until", ProbeType::kStartup, 1, 3, "--+", "?" "?+"},
      {"or fails", ProbeType::kStartup, 1, 3, "---", "?" "?-"},
      {"a threshold of one", ProbeType::kLiveness, 1, 1, "-", "-"},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    Machine machine(row.type, Spec(0s, 1s, row.success, row.failure));
    machine.Begin({}, At(0s), 0);
    std::string got;
    auto before = machine.verdict();
    for (const char* a = row.answers; *a != '\0'; ++a) {
      bool changed = machine.Took(*a == '+');
      CHECK(changed == (machine.verdict() != before));
      before = machine.verdict();
      got += !before ? '?' : *before ? '+' : '-';
    }
    CHECK(got == row.verdicts);
  }
}

TEST_CASE("holds: a failed liveness and a decided startup probe wait for another container") {
  Machine liveness(ProbeType::kLiveness, Spec(0s, 1s, 1, 1));
  liveness.Begin({}, At(0s), 0);
  liveness.Took(false);
  CHECK(liveness.on_hold());
  CHECK_FALSE(liveness.due());
  liveness.Begin({At(9s)}, At(9s), 0);
  CHECK(liveness.verdict() == true);
  CHECK(liveness.due() == At(9s));

  Machine startup(ProbeType::kStartup, Spec(0s, 1s, 1, 1));
  startup.Begin({}, At(0s), 0);
  startup.Took(true);
  CHECK_FALSE(startup.due());
  startup.Begin({At(9s)}, At(9s), 0);
  CHECK_FALSE(startup.verdict());
  CHECK(startup.due() == At(9s));
}

TEST_CASE("behind a startup probe readiness comes at once and liveness within its period") {
  for (auto type : {ProbeType::kReadiness, ProbeType::kLiveness}) {
    Machine machine(type, Spec(0s, 10s, 1, 3));
    Machine::Instance instance;
    instance.gated = true;
    machine.Begin(instance, At(0s), 0.5);
    CHECK_FALSE(machine.due());
    machine.Open(At(42s), 0.5);
    CHECK(machine.due() == At(type == ProbeType::kReadiness ? 42s : 47s));
  }
  Machine delayed(ProbeType::kReadiness, Spec(60s, 10s, 1, 3));
  Machine::Instance instance;
  instance.gated = true;
  delayed.Begin(instance, At(0s), 0.5);
  delayed.Open(At(42s), 0.5);
  CHECK(delayed.due() == At(60s));
}

TEST_CASE("a late loop probes once and goes on from there") {
  Machine machine(ProbeType::kReadiness, Spec(1s, 1s, 1, 3));
  machine.Begin({}, At(0s), 0);
  CHECK(machine.due() == At(1s));
  machine.Sent(At(1'010ms));
  CHECK(machine.due() == At(2s));  // no drift
  machine.Sent(At(7'500ms));
  CHECK(machine.due() == At(8'500ms));  // five were missed
}

TEST_CASE("what an earlier kubelet knew holds until the threshold") {
  Machine readiness(ProbeType::kReadiness, Spec(0s, 1s, 1, 2));
  Machine::Instance instance;
  instance.adopted = true;
  instance.verdict = true;
  readiness.Begin(instance, At(5s), 0);
  CHECK(readiness.verdict() == true);
  CHECK_FALSE(readiness.Took(false));
  CHECK(readiness.Took(false));

  Machine startup(ProbeType::kStartup, Spec(0s, 1s, 1, 2));
  startup.Begin(instance, At(5s), 0);
  CHECK(startup.on_hold());
  CHECK_FALSE(startup.due());
}

}  // namespace
}  // namespace kubelet::probe
