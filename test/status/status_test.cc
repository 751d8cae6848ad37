#include "kubelet/status/status.h"

#include "catch.h"
#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"

namespace kubelet::status {
namespace {

using api::core::Pod;
using api::core::PodStatus;
using runtime::ContainerState;
using runtime::WaitingReason;

base::WallTime At(int64_t second) { return base::WallFromUnixNanos(second * 1'000'000'000); }

struct Case {
  Pod pod;
  runtime::ObservedPod observed;
  Input input;

  explicit Case(const std::string& policy = "Always", std::vector<std::string> containers = {"c"}) {
    pod.mutable_metadata()->set_name("web");
    pod.mutable_spec()->set_restart_policy(policy);
    for (const auto& name : containers) {
      auto* c = pod.mutable_spec()->add_containers();
      c->set_name(name);
      c->set_image("image:1");
    }
    input.runtime_name = "containerd";
    input.host_ips = {"192.0.2.1"};
    input.now = At(1000);
  }
  void Init(const std::string& name, bool sidecar = false) {
    auto* c = pod.mutable_spec()->add_init_containers();
    c->set_name(name);
    if (sidecar) c->set_restart_policy("Always");
  }
  void Ready() {
    runtime::Sandbox sandbox;
    sandbox.id = runtime::SandboxId("s");
    sandbox.state = runtime::SandboxState::kReady;
    sandbox.created_at = At(500);
    observed.sandboxes = {sandbox};
    observed.ips = {"10.1.0.2"};
  }
  void See(const std::string& name, ContainerState state, int exit_code = 0, uint32_t attempt = 0) {
    runtime::ContainerStatus c;
    c.id = runtime::ContainerId(name + std::to_string(attempt));
    c.name = name;
    c.attempt = attempt;
    c.state = state;
    c.exit_code = exit_code;
    c.reason = state == ContainerState::kExited ? (exit_code == 0 ? "Completed" : "Error") : "";
    c.started_at = At(600);
    c.finished_at = At(700);
    observed.containers.insert(observed.containers.begin(), c);
  }
  PodStatus Get() {
    input.pod = &pod;
    input.observed = &observed;
    return Generate(input);
  }
};

std::string Is(const PodStatus& status, const std::string& type) {
  for (const auto& c : status.conditions()) {
    if (c.type() == type) return c.status() + (c.reason().empty() ? "" : " " + c.reason());
  }
  return "absent";
}

// What a container was seen to be: W waits, R runs, 0/1 ended with that code, - not there.
void Apply(Case& c, const std::string& name, char seen) {
  if (seen == 'R') c.See(name, ContainerState::kRunning);
  if (seen == '0' || seen == '1') c.See(name, ContainerState::kExited, seen - '0');
  if (seen == 'C') {  // in its crash back-off
    c.See(name, ContainerState::kExited, 1);
    c.input.waiting[name] = {WaitingReason::kCrashLoopBackOff, "back-off"};
  }
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
  Case c(row.policy, {"a", "b"});
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
                      Row{"Never", "0R0", "Succeeded", "True PodCompleted"});
  INFO(row.policy << " " << row.seen);
  Case c(row.policy);
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
    Case c;
    PodStatus before;
    before.set_phase(phase);
    c.input.previous = &before;
    c.Ready();
    c.See("c", ContainerState::kRunning);
    CHECK(c.Get().phase() == phase);
  }
}

TEST_CASE("why a container waits") {
  struct Row {
    WaitingReason reason;
    const char *shown, *message;
  };
  auto row = GENERATE(Row{WaitingReason::kNone, "ContainerCreating", ""},
                      Row{WaitingReason::kContainerCreating, "ContainerCreating", ""},
                      Row{WaitingReason::kErrImagePull, "ErrImagePull", "m"},
                      Row{WaitingReason::kImagePullBackOff, "ImagePullBackOff", "m"},
                      Row{WaitingReason::kCreateContainerConfigError, "CreateContainerConfigError", "m"});
  Case c;
  c.Ready();
  if (row.reason != WaitingReason::kNone) c.input.waiting["c"] = {row.reason, "m"};
  const auto status = c.Get();
  CHECK(status.container_statuses(0).state().waiting().reason() == row.shown);
  CHECK(status.container_statuses(0).state().waiting().message() == row.message);
}

TEST_CASE("a container in its crash back-off waits, and its last exit is the last state") {
  Case c;
  c.Ready();
  c.See("c", ContainerState::kExited, 3, 1);
  c.See("c", ContainerState::kExited, 4, 2);
  c.input.waiting["c"] = {WaitingReason::kCrashLoopBackOff, "back-off 20s"};
  c.input.termination_messages["c2"] = "bye";
  auto s = c.Get().container_statuses(0);
  CHECK(s.restart_count() == 2);
  CHECK(s.state().waiting().reason() == "CrashLoopBackOff");
  CHECK(s.last_state().terminated().exit_code() == 4);
  CHECK(s.last_state().terminated().message() == "bye");
  CHECK(s.container_id() == "containerd://c2");
  c.input.terminating = true;  // no back-off any more: the exit itself
  s = c.Get().container_statuses(0);
  CHECK(s.state().terminated().exit_code() == 4);
  CHECK(s.last_state().terminated().exit_code() == 3);
}

TEST_CASE("a container the runtime has lost keeps its count, and ended unknown if it ran") {
  Case c;
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_restart_count(5);
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  auto s = c.Get().container_statuses(0);
  CHECK(s.restart_count() == 5);
  CHECK(s.last_state().terminated().exit_code() == 137);
  CHECK(s.last_state().terminated().reason() == "ContainerStatusUnknown");
}

TEST_CASE("times of conditions move only when they change") {
  Case c;
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
  Case c;
  c.Ready();
  c.See("c", ContainerState::kRunning);
  c.pod.mutable_spec()->add_readiness_gates()->set_condition_type("example.com/lb");
  CHECK(Is(c.Get(), "Ready") == "False ReadinessGatesNotReady");
  PodStatus before;
  auto* gate = before.add_conditions();
  gate->set_type("example.com/lb");
  gate->set_status("True");
  c.input.previous = &before;
  PodStatus now = c.Get();
  CHECK(Is(now, "Ready") == "True");
  CHECK(Is(now, "example.com/lb") == "True");
}

TEST_CASE("addresses of the pod and its host") {
  Case c;
  c.Ready();
  CHECK(c.Get().pod_ip() == "10.1.0.2");
  CHECK(c.Get().host_ip() == "192.0.2.1");
  c.pod.mutable_spec()->set_host_network(true);
  CHECK(c.Get().pod_ip() == "192.0.2.1");
}

}  // namespace
}  // namespace kubelet::status
