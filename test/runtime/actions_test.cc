#include "kubelet/runtime/actions.h"

#include "catch.h"
#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using api::core::Pod;

Pod MakePod(const std::string& policy = "Always", std::vector<std::string> containers = {"c"}) {
  Pod pod;
  pod.mutable_metadata()->set_uid("u");
  pod.mutable_spec()->set_restart_policy(policy);
  for (const auto& name : containers) {
    auto* c = pod.mutable_spec()->add_containers();
    c->set_name(name);
    c->set_image("image:1");
  }
  return pod;
}

base::WallTime At(int second) { return base::WallFromUnixNanos(int64_t{second} * 1'000'000'000); }

void AddSandbox(ObservedPod& pod, SandboxState state, uint32_t attempt = 0) {
  Sandbox sandbox;
  sandbox.id = SandboxId("s" + std::to_string(attempt));
  sandbox.attempt = attempt;
  sandbox.state = state;
  sandbox.created_at = At(100 + static_cast<int>(attempt));
  pod.sandboxes.insert(pod.sandboxes.begin(), sandbox);
  pod.ips = {"10.0.0.1"};
}

ContainerStatus& AddContainer(ObservedPod& pod, const std::string& name, ContainerState state, int exit_code = 0,
                              uint32_t attempt = 0) {
  ContainerStatus status;
  status.id = ContainerId(name + std::to_string(attempt));
  status.name = name;
  status.attempt = attempt;
  status.state = state;
  status.exit_code = exit_code;
  status.created_at = At(200 + static_cast<int>(attempt));
  status.finished_at = state == ContainerState::kExited ? At(300) : base::WallTime{};
  status.annotations[kHashAnnotation] = api::ContainerHash(name, "image:1");
  if (!pod.sandboxes.empty()) pod.sandbox_of[status.id] = pod.sandboxes.front().id;
  pod.containers.insert(pod.containers.begin(), status);
  return pod.containers.front();
}

std::vector<std::string> Started(const PodActions& actions) {
  std::vector<std::string> names;
  for (const auto& start : actions.start) names.push_back(start.spec->name());
  return names;
}

using Strings = std::vector<std::string>;

TEST_CASE("a pod of which nothing is there gets its first sandbox") {
  auto actions = ComputePodActions(MakePod(), {});
  CHECK(actions.create_sandbox);
  CHECK(actions.sandbox_attempt == 0);
  CHECK_FALSE(actions.kill_pod);
}

TEST_CASE("a sandbox that died is replaced and what is left of it is stopped") {
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kNotReady, 2);
  AddContainer(seen, "c", ContainerState::kExited, 137);
  auto actions = ComputePodActions(MakePod(), seen);
  CHECK(actions.create_sandbox);
  CHECK(actions.sandbox_attempt == 3);
  CHECK(actions.kill_pod);
}

TEST_CASE("a pod that is as it should be is left alone") {
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  AddContainer(seen, "c", ContainerState::kRunning);
  CHECK(ComputePodActions(MakePod(), seen).Nothing());
}

TEST_CASE("two ready sandboxes, a changed network mode or a lost IP call for a new sandbox") {
  Pod pod = MakePod();
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  AddContainer(seen, "c", ContainerState::kRunning);
  SECTION("two ready") { AddSandbox(seen, SandboxState::kReady, 1); }
  SECTION("network mode") { seen.network = NamespaceMode::kNode; }
  SECTION("no IP") { seen.ips.clear(); }
  CHECK(ComputePodActions(pod, seen).create_sandbox);
}

TEST_CASE("restart policy decides what happens after an exit") {
  struct Row {
    const char* policy;
    int exit_code;
    bool restarts;
  };
  auto row = GENERATE(Row{"Always", 0, true}, Row{"Always", 1, true}, Row{"OnFailure", 0, false},
                      Row{"OnFailure", 1, true}, Row{"Never", 0, false}, Row{"Never", 1, false});
  INFO(row.policy << " exit " << row.exit_code);
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  AddContainer(seen, "c", ContainerState::kExited, row.exit_code, 4);
  Pod pod = MakePod(row.policy);
  auto actions = ComputePodActions(pod, seen);
  CHECK(actions.terminal == !row.restarts);
  CHECK(actions.start.size() == (row.restarts ? 1 : 0));
  if (row.restarts) {
    CHECK(actions.start[0].attempt == 5);
    CHECK(actions.start[0].previous_exit == At(300));
  } else {
    CHECK(actions.kill_pod);
  }
}

TEST_CASE("a pod goes on while one of its containers does") {
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  AddContainer(seen, "a", ContainerState::kExited, 0);
  AddContainer(seen, "b", ContainerState::kRunning);
  auto actions = ComputePodActions(MakePod("Never", {"a", "b"}), seen);
  CHECK_FALSE(actions.terminal);
  CHECK(actions.Nothing());
}

TEST_CASE("a changed image restarts the container, whatever the policy") {
  auto policy = GENERATE("Always", "Never");
  Pod pod = MakePod(policy);
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  AddContainer(seen, "c", ContainerState::kRunning);
  pod.mutable_spec()->mutable_containers(0)->set_image("image:2");
  auto actions = ComputePodActions(pod, seen);
  REQUIRE(actions.kill.size() == 1);
  CHECK(actions.kill[0].id == ContainerId("c0"));
  CHECK(Started(actions) == Strings{"c"});
}

TEST_CASE("a container that was created and never started is made again under its own number") {
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  AddContainer(seen, "c", ContainerState::kCreated, 0, 3);
  Pod pod = MakePod();
  auto actions = ComputePodActions(pod, seen);
  REQUIRE(actions.kill.size() == 1);
  REQUIRE(actions.start.size() == 1);
  CHECK(actions.start[0].attempt == 3);
}

TEST_CASE("a pod that ran to its end gets no new sandbox") {
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kNotReady);
  AddContainer(seen, "c", ContainerState::kExited, 0);
  auto actions = ComputePodActions(MakePod("OnFailure"), seen);
  CHECK_FALSE(actions.create_sandbox);
  CHECK(actions.terminal);
  CHECK_FALSE(actions.kill_pod);
}

TEST_CASE("init containers run one after the other, then the rest") {
  Pod pod = MakePod();
  for (const char* name : {"i1", "i2"}) {
    auto* c = pod.mutable_spec()->add_init_containers();
    c->set_name(name);
    c->set_image("image:1");
  }
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  CHECK(Started(ComputePodActions(pod, seen)) == Strings{"i1"});
  AddContainer(seen, "i1", ContainerState::kRunning);
  CHECK(ComputePodActions(pod, seen).Nothing());
  seen.containers.front().state = ContainerState::kExited;
  CHECK(Started(ComputePodActions(pod, seen)) == Strings{"i2"});
  AddContainer(seen, "i2", ContainerState::kExited, 0);
  CHECK(Started(ComputePodActions(pod, seen)) == Strings{"c"});
}

TEST_CASE("init containers of an earlier sandbox run again, whatever the wall clock did") {
  Pod pod = MakePod();
  auto* init = pod.mutable_spec()->add_init_containers();
  init->set_name("i");
  init->set_image("image:1");
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kNotReady, 0);
  AddContainer(seen, "i", ContainerState::kExited, 0).created_at = At(9000);
  AddContainer(seen, "c", ContainerState::kExited, 1).created_at = At(9001);
  AddSandbox(seen, SandboxState::kReady, 1);
  auto actions = ComputePodActions(pod, seen);
  CHECK(Started(actions) == Strings{"i"});
  CHECK(actions.start.at(0).attempt == 1);
  // In the new sandbox, though the clock was set back before it ran.
  AddContainer(seen, "i", ContainerState::kExited, 0, 1).created_at = At(50);
  CHECK(Started(ComputePodActions(pod, seen)) == Strings{"c"});
}

TEST_CASE("a container stopped for a new sandbox is no pod that has ended") {
  Pod pod = MakePod("OnFailure");
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kNotReady);
  AddContainer(seen, "c", ContainerState::kExited, 0);
  CHECK(ComputePodActions(pod, seen).terminal);
  Knowledge stopped;
  stopped.stopped[ContainerId("c0")] = StoppedFor::kRestart;
  auto actions = ComputePodActions(pod, seen, stopped);
  CHECK_FALSE(actions.terminal);
  CHECK(actions.create_sandbox);
  AddSandbox(seen, SandboxState::kReady, 1);
  actions = ComputePodActions(pod, seen, stopped);
  CHECK(Started(actions) == Strings{"c"});
  CHECK(actions.start.at(0).previous_exit == base::WallTime{});
}

TEST_CASE("the exit of an older definition is not the end of the new one") {
  Pod pod = MakePod("Never");
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  AddContainer(seen, "c", ContainerState::kExited, 143);
  CHECK(ComputePodActions(pod, seen).terminal);
  pod.mutable_spec()->mutable_containers(0)->set_image("image:2");
  CHECK(Started(ComputePodActions(pod, seen)) == Strings{"c"});
}

TEST_CASE("an init container that fails for good ends the pod") {
  Pod pod = MakePod("Never");
  auto* init = pod.mutable_spec()->add_init_containers();
  init->set_name("i");
  init->set_image("image:1");
  ObservedPod seen;
  AddSandbox(seen, SandboxState::kReady);
  AddContainer(seen, "i", ContainerState::kExited, 1);
  auto actions = ComputePodActions(pod, seen);
  CHECK(actions.terminal);
  CHECK(actions.start.empty());
}

}  // namespace
}  // namespace kubelet::runtime
