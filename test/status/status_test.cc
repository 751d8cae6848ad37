// The status of a pod that ends or is judged, its addresses, and what goes on from an earlier one.
#include "kubelet/status/status.h"

#include "catch.h"
#include "kubelet/api/pod.h"
#include "status/status_case.h"

namespace kubelet::status {
namespace {

TEST_CASE("addresses of the pod and its host") {
  StatusCase c;
  c.Ready();
  CHECK(c.Get().pod_ip() == "10.1.0.2");
  CHECK(c.Get().host_ip() == "192.0.2.1");
  c.pod.mutable_spec()->set_host_network(true);
  CHECK(c.Get().pod_ip() == "192.0.2.1");
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
