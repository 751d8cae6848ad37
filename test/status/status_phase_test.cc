// Phase and conditions of a pod, by its policy, its gates and what its containers and probes do.
#include "catch.h"
#include "status/status_case.h"

namespace kubelet::status {
namespace {

TEST_CASE("a container that runs is started and ready when its probes say so") {
  struct Row {
    bool started, ready;
    const char *phase, *is_ready, *initialized;
    bool shows_ready;
  };
  auto row = GENERATE(Row{true, true, "Running", "True", "True", true},
                      Row{true, false, "Running", "False ContainersNotReady", "True", false},
                      Row{false, true, "Running", "False ContainersNotReady", "True", false},
                      Row{false, false, "Running", "False ContainersNotReady", "True", false});
  StatusCase c("Always", {"a"});
  c.Ready();
  c.See("a", ContainerState::kRunning);
  c.input.health["a0"] = {row.started, row.ready};
  auto status = c.Get();
  CHECK(status.phase() == row.phase);
  CHECK(status.container_statuses(0).started() == row.started);
  CHECK(status.container_statuses(0).ready() == row.shows_ready);
  CHECK(Is(status, "Ready") == row.is_ready);
  CHECK(Is(status, "ContainersReady") == row.is_ready);
}

TEST_CASE("a sidecar that has not started holds the pod in Pending, one that is not ready only its readiness") {
  struct Row {
    bool started, ready, main_runs;
    const char *phase, *initialized, *is_ready;
  };
  auto row = GENERATE(Row{false, false, false, "Pending", "False ContainersNotInitialized", "False ContainersNotReady"},
                      Row{true, false, true, "Running", "True", "False ContainersNotReady"},
                      Row{true, true, true, "Running", "True", "True"});
  StatusCase c("Always", {"a"});
  c.Init("s", true);
  c.Ready();
  c.See("s", ContainerState::kRunning);
  c.observed.sandbox_of[runtime::ContainerId("s0")] = runtime::SandboxId("s");
  if (row.main_runs) c.See("a", ContainerState::kRunning);
  c.input.health["s0"] = {row.started, row.ready};
  auto status = c.Get();
  CHECK(status.phase() == row.phase);
  CHECK(status.init_container_statuses(0).started() == row.started);
  CHECK(status.init_container_statuses(0).ready() == row.ready);
  CHECK(Is(status, "Initialized") == row.initialized);
  CHECK(Is(status, "Ready") == row.is_ready);
}

TEST_CASE("what probes said of a container that has ended does not count") {
  StatusCase c("Never", {"a"});
  c.Ready();
  c.See("a", ContainerState::kExited, 0);
  c.input.health["a0"] = {true, true};
  auto status = c.Get();
  CHECK_FALSE(status.container_statuses(0).started());
  CHECK_FALSE(status.container_statuses(0).ready());
}

TEST_CASE("phase and conditions by policy and by what two containers do") {
  struct Row {
    const char *policy, *seen, *phase, *ready;
  };
  auto row = GENERATE(
      Row{"Always", "--", "Pending", "False ContainersNotReady"}, Row{"Always", "R-", "Pending", "False ContainersNotReady"},
      Row{"Always", "RR", "Running", "True"}, Row{"Always", "R1", "Running", "False ContainersNotReady"},
      Row{"Always", "00", "Running", "False ContainersNotReady"}, Row{"Always", "CC", "Running", "False ContainersNotReady"},
      Row{"OnFailure", "00", "Succeeded", "False PodCompleted"}, Row{"OnFailure", "01", "Running", "False ContainersNotReady"},
      Row{"OnFailure", "0C", "Running", "False ContainersNotReady"}, Row{"Never", "00", "Succeeded", "False PodCompleted"},
      Row{"Never", "01", "Failed", "False PodFailed"}, Row{"Never", "R1", "Running", "False ContainersNotReady"});
  INFO(row.policy << " " << row.seen);
  StatusCase c(row.policy, {"a", "b"});
  c.Ready();
  Apply(c, "a", row.seen[0]);
  Apply(c, "b", row.seen[1]);
  auto status = c.Get();
  CHECK(status.phase() == row.phase);
  CHECK(Is(status, "Ready") == row.ready);
  CHECK(Is(status, "ContainersReady") == row.ready);
  CHECK(Is(status, "PodScheduled") == "True");
  CHECK(Is(status, "PodReadyToStartContainers") == "True");
}

TEST_CASE("phase while init containers are under way") {
  struct Row {
    const char *policy, *seen, *phase, *initialized;
  };
  // One init container, one sidecar, one regular container.
  auto row = GENERATE(Row{"Always", "---", "Pending", "False ContainersNotInitialized"},
                      Row{"Always", "R--", "Pending", "False ContainersNotInitialized"},
                      Row{"Always", "1--", "Pending", "False ContainersNotInitialized"},
                      Row{"Never", "1--", "Failed", "False ContainersNotInitialized"},
                      Row{"Always", "0--", "Pending", "False ContainersNotInitialized"},
                      Row{"Always", "0R-", "Pending", "True"}, Row{"Always", "0RR", "Running", "True"},
                      // A sidecar that still runs keeps the pod running; it is stopped next.
                      Row{"Never", "0R0", "Running", "True"}, Row{"Never", "000", "Succeeded", "True PodCompleted"},
                      Row{"Never", "001", "Failed", "True"});
  INFO(row.policy << " " << row.seen);
  StatusCase c(row.policy);
  c.Init("i");
  c.Init("s", true);
  c.Ready();
  Apply(c, "i", row.seen[0]);
  Apply(c, "s", row.seen[1]);
  Apply(c, "c", row.seen[2]);
  auto status = c.Get();
  CHECK(status.phase() == row.phase);
  CHECK(Is(status, "Initialized") == row.initialized);
}

TEST_CASE("a phase that is final stays, whatever is seen later") {
  for (const char* phase : {"Succeeded", "Failed"}) {
    StatusCase c;
    PodStatus before;
    before.set_phase(phase);
    c.input.previous = &before;
    c.Ready();
    c.See("c", ContainerState::kRunning);
    CHECK(c.Get().phase() == phase);
  }
}

TEST_CASE("times of conditions move only when they change") {
  StatusCase c;
  c.Ready();
  c.See("c", ContainerState::kRunning);
  PodStatus before = c.Get();
  c.input.previous = &before;
  c.input.now = At(2000);
  PodStatus same = c.Get();
  for (const auto& condition : same.conditions()) CHECK(condition.last_transition_time().seconds() == 1000);
  CHECK(same.start_time().seconds() == 500);
  c.observed.containers[0].state = ContainerState::kExited;
  PodStatus after = c.Get();
  for (const auto& condition : after.conditions()) {
    bool moved = condition.type() == "Ready" || condition.type() == "ContainersReady";
    INFO(condition.type());
    CHECK(condition.last_transition_time().seconds() == (moved ? 2000 : 1000));
  }
}

TEST_CASE("readiness gates and conditions of others") {
  StatusCase c;
  c.Ready();
  c.See("c", ContainerState::kRunning);
  c.pod.mutable_spec()->add_readiness_gates()->set_condition_type("example.com/lb");
  CHECK(Is(c.Get(), "Ready") == "False ReadinessGatesNotReady");
  auto* gate = c.pod.mutable_status()->add_conditions();
  gate->set_type("example.com/lb");
  gate->set_status("False");
  CHECK(Find(c.Get(), "Ready").message() == "the status of pod readiness gate \"example.com/lb\" is not \"True\", but False");
  gate->set_status("True");
  PodStatus now = c.Get();
  CHECK(Is(now, "Ready") == "True");
  CHECK(Is(now, "example.com/lb") == "True");
  // What the server has not any more is not brought back; what the kubelet added to others' types stays.
  c.input.previous = &now;
  now.add_conditions()->set_type("DisruptionTarget");
  c.pod.mutable_status()->clear_conditions();
  PodStatus later = c.Get();
  CHECK(Is(later, "example.com/lb") == "absent");
  CHECK(Is(later, "DisruptionTarget") != "absent");
  CHECK(Is(later, "Ready") == "False ReadinessGatesNotReady");
}

TEST_CASE("a pod stays initialized while init containers run again") {
  StatusCase c;
  c.Init("i");
  c.Ready();
  PodStatus before;
  auto* initialized = before.add_conditions();
  initialized->set_type("Initialized");
  initialized->set_status("True");
  CHECK(Is(c.Get(), "Initialized") == "False ContainersNotInitialized");
  c.input.previous = &before;
  CHECK(Is(c.Get(), "Initialized") == "True");
}

}  // namespace
}  // namespace kubelet::status
