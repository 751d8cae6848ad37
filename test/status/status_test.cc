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

struct StatusCase {
  Pod pod;
  runtime::ObservedPod observed;
  Input input;

  explicit StatusCase(const std::string& policy = "Always",
                      std::vector<std::string> containers = {"c"}) {
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

api::core::PodCondition Find(const PodStatus& status, const std::string& type) {
  for (const auto& c : status.conditions()) {
    if (c.type() == type) return c;
  }
  return {};
}

// What a container was seen to be: W waits, R runs, 0/1 ended with that code, - not there.
void Apply(StatusCase& c, const std::string& name, char seen) {
  if (seen == 'R') c.See(name, ContainerState::kRunning);
  if (seen == '0' || seen == '1') c.See(name, ContainerState::kExited, seen - '0');
  if (seen == 'C') {  // in its crash back-off
    c.See(name, ContainerState::kExited, 1);
    c.input.waiting[name] = {WaitingReason::kCrashLoopBackOff, "back-off"};
  }
}

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
  StatusCase c;
  c.Ready();
  if (row.reason != WaitingReason::kNone) c.input.waiting["c"] = {row.reason, "m"};
  const auto status = c.Get();
  CHECK(status.container_statuses(0).state().waiting().reason() == row.shown);
  CHECK(status.container_statuses(0).state().waiting().message() == row.message);
}

TEST_CASE("a container in its crash back-off waits, and its last exit is the last state") {
  StatusCase c;
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
  StatusCase c;
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_restart_count(5);
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  auto s = c.Get().container_statuses(0);
  CHECK(s.restart_count() == 6);
  CHECK(s.last_state().terminated().exit_code() == 137);
  CHECK(s.last_state().terminated().reason() == "ContainerStatusUnknown");
  // Counted once, however often it is looked at; and what starts then counts on.
  PodStatus again = c.Get();
  c.input.previous = &again;
  CHECK(c.Get().container_statuses(0).restart_count() == 6);
  c.See("c", ContainerState::kRunning, 0, 1);
  CHECK(c.Get().container_statuses(0).restart_count() == 6);
  CHECK(c.Get().container_statuses(0).last_state().terminated().exit_code() == 137);
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

TEST_CASE("addresses of the pod and its host") {
  StatusCase c;
  c.Ready();
  CHECK(c.Get().pod_ip() == "10.1.0.2");
  CHECK(c.Get().host_ip() == "192.0.2.1");
  c.pod.mutable_spec()->set_host_network(true);
  CHECK(c.Get().pod_ip() == "192.0.2.1");
}

TEST_CASE("a container lost while its pod is deleted counts no restart") {
  StatusCase c;
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_restart_count(5);
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  c.pod.mutable_metadata()->mutable_deletion_timestamp()->set_seconds(900);
  CHECK(c.Get().container_statuses(0).restart_count() == 5);
}

TEST_CASE("lost init containers: done when a regular container is there") {
  StatusCase c;
  c.Init("i");
  c.Init("s", true);
  c.Ready();
  CHECK(c.Get().init_container_statuses(0).state().has_waiting());
  c.See("c", ContainerState::kRunning);
  auto status = c.Get();
  CHECK(status.init_container_statuses(0).state().terminated().reason() == "Completed");
  CHECK(status.init_container_statuses(0).ready());
  CHECK(status.init_container_statuses(1).state().has_waiting());
}

TEST_CASE("restart counts never go down, from what is shown, remembered or seen") {
  struct Row {
    int before;
    uint32_t attempt;
    int shown;
  };
  auto row = GENERATE(Row{0, 0, 0}, Row{3, 3, 3}, Row{3, 4, 4}, Row{3, 0, 3});
  StatusCase c;
  c.Ready();
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_restart_count(row.before);
  old->set_container_id("containerd://c" + std::to_string(row.attempt));
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  c.See("c", ContainerState::kRunning, 0, row.attempt);
  CHECK(c.Get().container_statuses(0).restart_count() == row.shown);
}

TEST_CASE("the last state survives the removal of the container that had it") {
  StatusCase c;
  c.Ready();
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_container_id("containerd://older");
  old->mutable_state()->mutable_terminated()->set_exit_code(9);
  c.input.previous = &before;
  c.See("c", ContainerState::kRunning, 0, 1);
  CHECK(c.Get().container_statuses(0).last_state().terminated().exit_code() == 9);
  PodStatus now = c.Get();
  c.input.previous = &now;
  CHECK(c.Get().container_statuses(0).last_state().terminated().exit_code() == 9);
}

TEST_CASE("phases of a pod that is stopped: by its exits, whatever the policy") {
  struct Row {
    bool is_static;
    const char *policy, *seen, *phase;
  };
  auto row = GENERATE(Row{false, "Always", "00", "Succeeded"}, Row{false, "Always", "01", "Failed"},
                      Row{false, "OnFailure", "11", "Failed"}, Row{false, "Always", "0R", "Running"},
                      Row{true, "Always", "00", "Running"}, Row{true, "Never", "00", "Succeeded"});
  INFO(row.is_static << " " << row.policy << " " << row.seen);
  StatusCase c(row.policy, {"a", "b"});
  if (row.is_static) (*c.pod.mutable_metadata()->mutable_annotations())[api::kConfigSource] = "file";
  c.Ready();
  Apply(c, "a", row.seen[0]);
  Apply(c, "b", row.seen[1]);
  c.input.terminating = c.input.stopped = true;
  CHECK(c.Get().phase() == row.phase);
}

TEST_CASE("a pod that is cleaned up: what nobody saw end, ended unknown") {
  StatusCase c("Always", {"a", "b"});
  c.Ready();
  c.See("a", ContainerState::kExited, 0);
  c.input.terminating = c.input.stopped = true;
  SECTION("of the API") {
    CHECK(c.Get().phase() == "Pending");
    c.input.finished = true;
    auto status = c.Get();
    CHECK(status.phase() == "Failed");
    CHECK(status.container_statuses(0).state().terminated().exit_code() == 0);
    CHECK(status.container_statuses(1).state().terminated().exit_code() == 137);
    CHECK(status.container_statuses(1).state().terminated().reason() == "ContainerStatusUnknown");
    CHECK(Is(status, "Ready") == "False PodFailed");
    // And so it stays when the runtime has forgotten all.
    c.input.previous = &status;
    c.observed = {};
    auto later = c.Get();
    CHECK(later.container_statuses(0).state().terminated().exit_code() == 0);
    CHECK(later.container_statuses(0).container_id() == "containerd://a0");
    CHECK(later.phase() == "Failed");
    CHECK(later.pod_ip() == "10.1.0.2");
  }
  SECTION("static: the phase is not made up") {
    (*c.pod.mutable_metadata()->mutable_annotations())[api::kConfigSource] = "file";
    c.input.finished = true;
    CHECK(c.Get().phase() == "Pending");
    CHECK(c.Get().container_statuses(1).state().has_terminated());
  }
  SECTION("regular containers that never had their turn are left waiting") {
    c.observed.containers.clear();
    c.Init("i");
    c.Init("j");
    c.See("i", ContainerState::kExited, 1);
    c.input.finished = true;
    auto status = c.Get();
    CHECK(status.container_statuses(0).state().has_waiting());
    CHECK(status.init_container_statuses(0).state().terminated().exit_code() == 1);
    CHECK(status.init_container_statuses(1).state().has_waiting());
    CHECK(status.phase() == "Failed");
  }
}

TEST_CASE("a verdict makes the pod failed, with its reason; a final phase is final") {
  struct Row {
    const char *before, *shown, *phase, *reason;
  };
  auto row = GENERATE(Row{"", "", "Failed", "DeadlineExceeded"}, Row{"Running", "Running", "Failed", "DeadlineExceeded"},
                      Row{"Failed", "Running", "Failed", "DeadlineExceeded"}, Row{"Succeeded", "Running", "Succeeded", ""},
                      Row{"Running", "Succeeded", "Succeeded", ""});
  INFO(row.before << " " << row.shown);
  StatusCase c;
  c.Ready();
  c.See("c", ContainerState::kRunning);
  PodStatus before;
  before.set_phase(row.before);
  c.input.previous = &before;
  c.pod.mutable_status()->set_phase(row.shown);
  c.input.verdict = Verdict{"DeadlineExceeded", "too long"};
  auto status = c.Get();
  CHECK(status.phase() == row.phase);
  CHECK(status.reason() == row.reason);
  if (std::string(row.reason) != "") CHECK(status.message() == "too long");
  // Reason and message stay with the phase when nobody repeats them.
  c.input.verdict.reset();
  c.input.previous = &status;
  CHECK(c.Get().reason() == row.reason);
}

TEST_CASE("what the node ends is judged when it has ended: with success it has succeeded") {
  struct Row {
    ContainerState state;
    int code;
    bool stopped, finished, is_static;
    const char *phase, *reason;
  };
  auto row = GENERATE(Row{ContainerState::kRunning, 0, false, false, false, "Running", ""},
                      Row{ContainerState::kRunning, 0, true, false, false, "Running", ""},  // not looked at since
                      Row{ContainerState::kExited, 0, true, false, false, "Succeeded", ""},
                      Row{ContainerState::kExited, 143, true, false, false, "Failed", "Preempting"},
                      Row{ContainerState::kExited, 0, true, false, true, "Failed", "Preempting"},
                      Row{ContainerState::kRunning, 0, true, true, false, "Failed", "Preempting"});
  StatusCase c;
  c.Ready();
  c.See("c", row.state, row.code);
  c.pod.mutable_spec()->set_restart_policy("Always");
  if (row.is_static) (*c.pod.mutable_metadata()->mutable_annotations())[api::kConfigSource] = "file";
  c.input.terminating = true;
  c.input.stopped = row.stopped;
  c.input.finished = row.finished;
  Verdict verdict{"Preempting", "for another"};
  verdict.disruption = "driven out";
  verdict.by_node = true;
  c.input.verdict = verdict;
  auto status = c.Get();
  INFO(row.code << row.stopped << row.finished << row.is_static);
  CHECK(status.phase() == row.phase);
  CHECK(status.reason() == row.reason);
}

TEST_CASE("a rejected pod shows why, and no containers") {
  StatusCase c;
  c.input.terminating = c.input.stopped = c.input.finished = true;
  c.input.verdict = Verdict{"NodeAffinity", "Pod was rejected: no", true};
  auto status = c.Get();
  CHECK(status.phase() == "Failed");
  CHECK(status.reason() == "NodeAffinity");
  CHECK(status.message() == "Pod was rejected: no");
  CHECK(status.container_statuses().empty());
  CHECK(status.qos_class() == "BestEffort");
  CHECK(Is(status, "Ready") == "False UnknownContainerStatuses");
  CHECK(Is(status, "PodScheduled") == "True");
  c.See("c", ContainerState::kExited, 143);
  CHECK(c.Get().container_statuses_size() == 1);
}

TEST_CASE("after a restart of the kubelet the status goes on from what the server shows") {
  StatusCase c;
  c.Ready();
  c.See("c", ContainerState::kRunning, 0, 2);
  auto* api = c.pod.mutable_status();
  api->set_phase("Running");
  api->mutable_start_time()->set_seconds(123);
  api->set_nominated_node_name("n");
  api->add_resource_claim_statuses()->set_name("claim");
  auto* ready = api->add_conditions();
  ready->set_type("Ready");
  ready->set_status("True");
  ready->mutable_last_transition_time()->set_seconds(456);
  c.input.previous = &c.pod.status();
  auto status = c.Get();
  CHECK(status.start_time().seconds() == 123);
  CHECK(Find(status, "Ready").last_transition_time().seconds() == 456);
  CHECK(status.nominated_node_name() == "n");
  CHECK(status.resource_claim_statuses_size() == 1);
  CHECK(status.conditions_size() == 5);
}

TEST_CASE("the generation of the spec is shown in the status and in each condition") {
  StatusCase c;
  c.Ready();
  c.pod.mutable_metadata()->set_generation(7);
  auto status = c.Get();
  CHECK(status.observed_generation() == 7);
  for (const auto& condition : status.conditions()) CHECK(condition.observed_generation() == 7);
  c.pod.mutable_metadata()->set_generation(6);  // an older object
  c.input.previous = &status;
  CHECK(c.Get().observed_generation() == 7);
}

TEST_CASE("order and number of addresses") {
  StatusCase c;
  c.Ready();
  c.observed.ips = {"fd00:0:0::2", "10.1.0.2", "10.1.0.3"};
  auto ips = [&] {
    std::vector<std::string> all;
    auto status = c.Get();
    for (const auto& ip : status.pod_ips()) all.push_back(ip.ip());
    return all;
  };
  CHECK(ips() == std::vector<std::string>{"10.1.0.2", "fd00::2"});
  c.input.host_ips = {"fd00::1", "192.0.2.1"};
  CHECK(ips() == std::vector<std::string>{"fd00::2", "10.1.0.2"});
  CHECK(c.Get().host_ip() == "fd00::1");
  CHECK(c.Get().host_ips_size() == 2);
  c.pod.mutable_spec()->set_host_network(true);
  CHECK(ips() == std::vector<std::string>{"fd00::1", "192.0.2.1"});
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

TEST_CASE("a container of unknown state that ran ended unknown, once") {
  StatusCase c;
  c.Ready();
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_container_id("containerd://c0");
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  c.See("c", ContainerState::kUnknown);
  PodStatus now = c.Get();
  CHECK(now.container_statuses(0).state().terminated().exit_code() == 137);
  CHECK(now.container_statuses(0).restart_count() == 1);
  c.input.previous = &now;
  CHECK(c.Get().container_statuses(0).state().terminated().exit_code() == 137);
  CHECK(c.Get().container_statuses(0).restart_count() == 1);
}

TEST_CASE("long termination messages are cut to the share of their container, not inside a character") {
  StatusCase c("Never", {"a", "b"});
  c.Ready();
  c.See("a", ContainerState::kExited, 1);
  std::string text(6143, 'x');
  c.input.termination_messages["a0"] = text + "\xC3\xA4" + text;
  CHECK(c.Get().container_statuses(0).state().terminated().message() == text);
}

TEST_CASE("resources and read-only mounts of a container") {
  StatusCase c;
  c.Ready();
  c.See("c", ContainerState::kRunning);
  auto* spec = c.pod.mutable_spec()->mutable_containers(0);
  for (const char* mode : {"", "Disabled", "IfPossible", "Enabled"}) {
    auto* mount = spec->add_volume_mounts();
    mount->set_name("v");
    mount->set_mount_path(std::string("/") + mode);
    mount->set_read_only(true);
    if (*mode != '\0') mount->set_recursive_read_only(mode);
  }
  auto modes = [&] {
    std::string all;
    auto status = c.Get();
    for (const auto& m : status.container_statuses(0).volume_mounts()) all += m.recursive_read_only().substr(0, 1);
    return all;
  };
  CHECK(modes() == "DDDE");
  runtime::MountStatus mount;
  mount.container_path = "/IfPossible";
  mount.recursive_read_only = true;
  c.observed.containers[0].mounts = {mount};
  CHECK(modes() == "DDEE");
  CHECK(c.Get().container_statuses(0).has_resources());
}

TEST_CASE("health of devices is shown with the container that holds them") {
  StatusCase c("Always", {"a", "b"});
  c.Ready();
  c.See("a", ContainerState::kRunning);
  api::core::ResourceStatus health;
  health.set_name("example.com/thing");
  health.add_resources()->set_resource_id("d1");
  c.input.resource_health["a"] = {health};
  auto status = c.Get();
  REQUIRE(status.container_statuses_size() == 2);
  REQUIRE(status.container_statuses(0).allocated_resources_status_size() == 1);
  CHECK(status.container_statuses(0).allocated_resources_status(0).name() == "example.com/thing");
  CHECK(status.container_statuses(1).allocated_resources_status().empty());
  c.input.resource_health.clear();
  CHECK(c.Get().container_statuses(0).allocated_resources_status().empty());
}

TEST_CASE("an address of another family is worth a warning, another of the same is not") {
  api::core::PodStatus before;
  CHECK(FamilyMismatch(before, {"fd00::1"}).empty());
  before.set_host_ip("192.0.2.1");
  CHECK(FamilyMismatch(before, {}).empty());
  CHECK(FamilyMismatch(before, {"192.0.2.2", "fd00::1"}).empty());
  CHECK(FamilyMismatch(before, {"fd00::1", "192.0.2.1"}) ==
        "Kubelet detected an IPv4 node IP (192.0.2.1), but the cloud provider selected an IPv6 "
        "node IP (fd00::1); "
        "pass an explicit `--node-ip` to kubelet to fix this.");
  before.set_host_ip("fd00::1");
  CHECK(FamilyMismatch(before, {"192.0.2.1"}).find("detected an IPv6 node IP (fd00::1)") !=
        std::string::npos);
}

}  // namespace
}  // namespace kubelet::status
