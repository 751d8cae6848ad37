// Status of pods whose containers restart by rules, and of ephemeral containers.
#include "catch.h"
#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"
#include "kubelet/status/status.h"

namespace kubelet::status {
namespace {

using api::core::Pod;
using api::core::PodStatus;
using runtime::ContainerState;

struct RestartStatusCase {
  Pod pod;
  runtime::ObservedPod observed;
  PodStatus previous;
  Input input;

  RestartStatusCase() {
    pod.mutable_metadata()->set_name("web");
    pod.mutable_spec()->set_restart_policy("Never");
    auto* a = pod.mutable_spec()->add_containers();
    a->set_name("a");
    a->set_restart_policy("Never");
    auto* rule = a->add_restart_policy_rules();
    rule->set_action("RestartAllContainers");
    rule->mutable_exit_codes()->set_operator_("In");
    rule->mutable_exit_codes()->add_values(42);
    pod.mutable_spec()->add_containers()->set_name("b");
    runtime::Sandbox sandbox;
    sandbox.id = runtime::SandboxId("s");
    sandbox.state = runtime::SandboxState::kReady;
    observed.sandboxes = {sandbox};
    observed.ips = {"10.1.0.2"};
  }
  runtime::ContainerStatus& See(const std::string& name, ContainerState state, int exit_code = 0, uint32_t attempt = 0) {
    runtime::ContainerStatus c;
    c.id = runtime::ContainerId(name + std::to_string(attempt));
    c.name = name;
    c.attempt = attempt;
    c.state = state;
    c.exit_code = exit_code;
    c.reason = state == ContainerState::kExited ? "Error" : "";
    observed.containers.insert(observed.containers.begin(), c);
    return observed.containers.front();
  }
  PodStatus Get() {
    input.pod = &pod;
    input.observed = &observed;
    input.runtime_name = "containerd";
    auto status = Generate(input);
    previous = status;
    input.previous = &previous;
    return status;
  }
};

api::core::PodCondition Restarting(const PodStatus& status) {
  for (const auto& c : status.conditions()) {
    if (c.type() == "AllContainersRestarting") return c;
  }
  return {};
}

TEST_CASE("a restart of all containers: condition, waiting reason, counts and phase on the way") {
  RestartStatusCase c;
  c.See("a", ContainerState::kRunning);
  c.See("b", ContainerState::kRunning);
  CHECK(Restarting(c.Get()).status() == "False");

  c.observed.containers.clear();
  c.See("a", ContainerState::kExited, 42);
  c.See("b", ContainerState::kRunning);
  auto asked = c.Get();
  CHECK(Restarting(asked).status() == "True");
  CHECK(Restarting(asked).reason() == "RestartAllContainersStarted");
  CHECK(Restarting(asked).message() == "container exited with restart policy rule");
  CHECK(asked.phase() == "Running");

  // b is removed, a not yet.
  c.observed.containers.clear();
  c.See("a", ContainerState::kExited, 42);
  CHECK(Restarting(c.Get()).status() == "True");

  c.observed.containers.clear();
  auto removed = c.Get();
  CHECK(Restarting(removed).status() == "False");
  CHECK(removed.phase() == "Running");
  for (const auto& status : removed.container_statuses()) {
    INFO(status.name());
    CHECK(status.restart_count() == 1);
    CHECK(status.last_state().terminated().exit_code() == 137);
    CHECK(status.last_state().terminated().reason() == "RestartingAllContainers");
  }
  CHECK(removed.container_statuses(0).state().waiting().reason() == "RestartingAllContainers");

  c.See("a", ContainerState::kRunning, 0, 1);
  c.See("b", ContainerState::kRunning, 0, 1);
  auto again = c.Get();
  CHECK(again.phase() == "Running");
  CHECK(Restarting(again).status() == "False");
  for (const auto& status : again.container_statuses()) {
    CHECK(status.restart_count() == 1);
    CHECK(status.last_state().terminated().reason() == "RestartingAllContainers");
  }
}

TEST_CASE("a pod without such a rule has no condition about it; one that is over says why") {
  RestartStatusCase c;
  c.pod.mutable_spec()->mutable_containers(0)->clear_restart_policy_rules();
  CHECK(Restarting(c.Get()).status().empty());
  RestartStatusCase over;
  over.See("a", ContainerState::kExited, 1);
  over.See("b", ContainerState::kExited, 0);
  auto status = over.Get();
  CHECK(status.phase() == "Failed");
  CHECK(Restarting(status).status() == "False");
  CHECK(Restarting(status).reason() == "PodFailed");
}

TEST_CASE("a container's own policy decides about the phase") {
  struct Row {
    const char* own;
    int exit_code;
    const char* phase;
  };
  auto row = GENERATE(Row{"Always", 0, "Running"}, Row{"OnFailure", 1, "Running"}, Row{"OnFailure", 0, "Succeeded"},
                      Row{"Never", 1, "Failed"}, Row{"Never", 42, "Running"});
  INFO(row.own << " exit " << row.exit_code);
  RestartStatusCase c;
  c.pod.mutable_spec()->mutable_containers(0)->set_restart_policy(row.own);
  c.See("a", ContainerState::kExited, row.exit_code);
  c.See("b", ContainerState::kExited, 0);
  CHECK(c.Get().phase() == row.phase);
}

TEST_CASE("ephemeral containers are shown beside the others and count for nothing") {
  RestartStatusCase c;
  auto* e = c.pod.mutable_spec()->add_ephemeral_containers()->mutable_ephemeral_container_common();
  e->set_name("debug");
  c.See("a", ContainerState::kRunning);
  c.See("b", ContainerState::kRunning);
  auto waiting = c.Get();
  REQUIRE(waiting.ephemeral_container_statuses_size() == 1);
  CHECK(waiting.ephemeral_container_statuses(0).state().waiting().reason() == "ContainerCreating");
  CHECK(waiting.phase() == "Running");
  c.See("debug", ContainerState::kRunning);
  auto runs = c.Get();
  CHECK(runs.ephemeral_container_statuses(0).state().has_running());
  CHECK_FALSE(runs.ephemeral_container_statuses(0).has_started());
  CHECK_FALSE(runs.ephemeral_container_statuses(0).ready());
  c.observed.containers.front().state = ContainerState::kExited;
  c.observed.containers.front().exit_code = 7;
  c.input.waiting["debug"] = {runtime::WaitingReason::kCrashLoopBackOff, "never"};
  auto ended = c.Get();
  CHECK(ended.ephemeral_container_statuses(0).state().terminated().exit_code() == 7);
  CHECK(ended.phase() == "Running");
  // Its record goes; what was said stays said.
  c.observed.containers.erase(c.observed.containers.begin());
  CHECK(c.Get().ephemeral_container_statuses(0).state().terminated().exit_code() == 7);
}

TEST_CASE("what the runtime says and what the container left stand together") {
  RestartStatusCase c;
  auto& seen = c.See("a", ContainerState::kExited, 1);
  seen.message = "killed";
  c.input.termination_messages["a0"] = "";
  CHECK(c.Get().container_statuses(0).state().terminated().message() == "killed");
  c.input.termination_messages["a0"] = "good bye";
  CHECK(c.Get().container_statuses(0).state().terminated().message() == "killed: good bye");
}

TEST_CASE("the stop signal is shown with its gate") {
  RestartStatusCase c;
  c.See("a", ContainerState::kRunning).stop_signal = "SIGUSR1";
  CHECK_FALSE(c.Get().container_statuses(0).has_stop_signal());
  c.input.stop_signals = true;
  CHECK(c.Get().container_statuses(0).stop_signal() == "SIGUSR1");
}

TEST_CASE("a sidecar that waits to start keeps the pod pending, one that restarts does not") {
  RestartStatusCase c;
  auto* s = c.pod.mutable_spec()->add_init_containers();
  s->set_name("s");
  s->set_restart_policy("Always");
  CHECK(c.Get().phase() == "Pending");
  RestartStatusCase later;
  *later.pod.mutable_spec()->add_init_containers() = *s;
  later.See("a", ContainerState::kRunning);
  later.See("b", ContainerState::kRunning);
  for (const char* name : {"a0", "b0"}) later.observed.sandbox_of[runtime::ContainerId(name)] = runtime::SandboxId("s");
  later.See("s", ContainerState::kExited, 1);
  CHECK(later.Get().phase() == "Running");
}

}  // namespace
}  // namespace kubelet::status
