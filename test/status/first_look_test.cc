// What is told of a pod between a restart of the kubelet (or of the node) and its first sync.
#include "kubelet/status/first_look.h"

#include "catch.h"
#include "kubelet/api/pod.h"
#include "kubelet/status/status.h"

namespace kubelet::status {
namespace {

using api::core::Pod;
using api::core::PodStatus;
using runtime::ContainerState;

struct Case {
  Pod pod;
  runtime::ObservedPod observed;

  Case() {
    pod.mutable_metadata()->set_name("web");
    pod.mutable_spec()->set_restart_policy("Always");
    pod.mutable_spec()->add_containers()->set_name("a");
  }
  void See(ContainerState state, uint32_t attempt) {
    runtime::ContainerStatus c;
    c.id = runtime::ContainerId("a" + std::to_string(attempt));
    c.name = "a";
    c.attempt = attempt;
    c.state = state;
    c.exit_code = state == ContainerState::kExited ? 1 : 0;
    observed.containers.insert(observed.containers.begin(), c);
  }
  PodStatus Get(std::map<std::string, runtime::Waiting> waiting = {}) const {
    Input input;
    input.pod = &pod;
    input.observed = &observed;
    input.previous = &pod.status();
    input.waiting = std::move(waiting);
    input.runtime_name = "containerd";
    return Generate(input);
  }
};

std::string Ready(const PodStatus& status) {
  for (const auto& c : status.conditions())
    if (c.type() == "Ready") return c.status();
  return "";
}

TEST_CASE(
    "a pod shown Ready whose containers ended with the node is not Ready before its first sync") {
  Case c;
  c.See(ContainerState::kRunning, 0);
  *c.pod.mutable_status() = c.Get();
  REQUIRE(Ready(c.pod.status()) == "True");
  c.observed.containers.clear();
  c.See(ContainerState::kExited, 0);
  auto told = KeepWaiting(c.pod.status(), c.Get());
  CHECK(Ready(told) == "False");
  CHECK(told.container_statuses(0).state().terminated().exit_code() == 1);
}

TEST_CASE("a back-off that the server shows does not flip to terminated and back over a restart") {
  Case c;
  c.See(ContainerState::kExited, 2);
  runtime::Waiting why{runtime::WaitingReason::kCrashLoopBackOff, "back-off 40s restarting"};
  *c.pod.mutable_status() = c.Get({{"a", why}});
  REQUIRE(c.pod.status().container_statuses(0).state().waiting().reason() == "CrashLoopBackOff");
  REQUIRE(c.Get().container_statuses(0).state().has_terminated());
  auto told = KeepWaiting(c.pod.status(), c.Get());
  CHECK(told.SerializeAsString() == c.Get({{"a", why}}).SerializeAsString());
}

TEST_CASE(
    "a container that runs, was only being created, or of a pod that is over keeps no waiting "
    "reason") {
  Case c;
  c.See(ContainerState::kExited, 0);
  *c.pod.mutable_status() = c.Get({{"a", {runtime::WaitingReason::kCrashLoopBackOff, "back-off"}}});
  auto ended = c.Get();
  ended.set_phase("Failed");
  CHECK(KeepWaiting(c.pod.status(), ended).container_statuses(0).state().has_terminated());
  c.See(ContainerState::kRunning, 1);
  auto told = KeepWaiting(c.pod.status(), c.Get());
  CHECK(told.container_statuses(0).state().has_running());

  PodStatus creating;
  auto* status = creating.add_container_statuses();
  status->set_name("a");
  status->mutable_state()->mutable_waiting()->set_reason("ContainerCreating");
  c.observed.containers.clear();
  c.See(ContainerState::kExited, 0);
  CHECK(KeepWaiting(creating, c.Get()).container_statuses(0).state().has_terminated());
}

}  // namespace
}  // namespace kubelet::status
