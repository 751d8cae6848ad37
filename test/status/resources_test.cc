// Resources of containers and pods in the status, beside a resize.
#include "kubelet/api/codec.h"
#include "kubelet/status/status.h"

#include "catch.h"

namespace kubelet::status {
namespace {

using api::core::PodStatus;

api::core::Pod PodOf(const std::string& spec) {
  api::core::Pod pod;
  auto status = api::DecodeYaml(spec, *pod.mutable_spec());
  INFO(status);
  REQUIRE(status.ok());
  pod.mutable_metadata()->set_name("web");
  pod.mutable_metadata()->set_uid("u1");
  return pod;
}

struct Rig {
  api::core::Pod pod;
  runtime::ObservedPod observed;
  std::map<std::string, api::core::ResourceRequirements> actuated;
  std::optional<PodStatus> previous;
  std::vector<api::core::PodCondition> conditions;

  explicit Rig(const std::string& spec) : pod(PodOf(spec)) {
    runtime::Sandbox sandbox;
    sandbox.id = runtime::SandboxId("s");
    sandbox.state = runtime::SandboxState::kReady;
    observed.sandboxes.push_back(sandbox);
    observed.ips = {"10.0.0.1"};
    runtime::ContainerStatus c;
    c.id = runtime::ContainerId("id");
    c.name = "c";
    c.state = runtime::ContainerState::kRunning;
    observed.containers.push_back(c);
    observed.sandbox_of[c.id] = sandbox.id;
  }
  runtime::ContainerStatus& seen() { return observed.containers[0]; }
  void Reports(int64_t shares, int64_t quota, int64_t memory) {
    auto& has = seen().resources.emplace();
    has.cpu_shares = shares;
    has.cpu_quota = quota;
    has.cpu_period = 100'000;
    has.memory_limit_bytes = memory;
  }
  PodStatus Get() {
    Input input;
    input.pod = &pod;
    input.observed = &observed;
    input.previous = previous ? &*previous : nullptr;
    input.actuated = &actuated;
    input.pod_level_resources = true;
    input.resize_conditions = conditions;
    input.runtime_name = "r";
    return Generate(input);
  }
  std::string Container() { return api::EncodeJson(Get().container_statuses(0).resources()); }
};

constexpr char kBoth[] =
    "{containers: [{name: c, image: i, resources: {requests: {cpu: 200m, memory: 64Mi, ephemeral-storage: 1Gi}, "
    "limits: {cpu: 400m, memory: 128Mi}}}]}";

TEST_CASE("a running container shows what the runtime has, and what it was given beside") {
  Rig rig(kBoth);
  rig.Reports(102, 20'000, 64 << 20);
  rig.actuated["c"] = PodOf(kBoth).spec().containers(0).resources();
  (*rig.actuated["c"].mutable_requests())["memory"].set_string("32Mi");
  CHECK(rig.Container() ==
        R"({"limits":{"cpu":"200m","memory":"64Mi"},"requests":{"cpu":"100m","ephemeral-storage":"1Gi","memory":"32Mi"}})");
  auto status = rig.Get().container_statuses(0);
  CHECK(status.allocated_resources().at("cpu").string() == "200m");
  rig.seen().state = runtime::ContainerState::kExited;
  CHECK(rig.Container() ==
        R"({"limits":{"cpu":"400m","memory":"128Mi"},"requests":{"cpu":"200m","ephemeral-storage":"1Gi","memory":"64Mi"}})");
}

TEST_CASE("a runtime that tells nothing: what was actuated, else what was shown before, else what was given") {
  Rig rig(kBoth);
  std::string given =
      R"({"limits":{"cpu":"400m","memory":"128Mi"},"requests":{"cpu":"200m","ephemeral-storage":"1Gi","memory":"64Mi"}})";
  CHECK(rig.Container() == given);
  rig.previous = rig.Get();
  auto& old = *rig.previous->mutable_container_statuses(0)->mutable_resources();
  (*old.mutable_limits())["cpu"].set_string("300m");
  CHECK(rig.Get().container_statuses(0).resources().limits().at("cpu").string() == "300m");
  rig.seen().id = runtime::ContainerId("another");
  CHECK(rig.Container() == given);
  (*rig.actuated["c"].mutable_limits())["cpu"].set_string("350m");
  CHECK(rig.Get().container_statuses(0).resources().limits().at("cpu").string() == "350m");
}

TEST_CASE("amounts below what the kernel tells apart are shown as given") {
  Rig rig("{containers: [{name: c, image: i, resources: {requests: {cpu: 1m}, limits: {cpu: 5m}}}]}");
  rig.Reports(2, 1000, 0);
  CHECK(rig.Container() == R"({"limits":{"cpu":"5m"},"requests":{"cpu":"1m"}})");
  Rig empty("{containers: [{name: c, image: i}]}");
  empty.Reports(2, 0, 0);
  CHECK(empty.Container() == "{}");
}

TEST_CASE("resources of the pod as a whole") {
  Rig rig(
      "{resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2}}, containers: [{name: c, image: i, resources: "
      "{requests: {cpu: 100m}}}]}");
  rig.seen().state = runtime::ContainerState::kCreated;
  auto status = rig.Get();
  CHECK(api::EncodeJson(status.resources()) == R"({"limits":{"cpu":"2"},"requests":{"cpu":"1","memory":"1Gi"}})");
  rig.seen().state = runtime::ContainerState::kRunning;
  status = rig.Get();
  CHECK(status.phase() == "Running");
  CHECK(api::EncodeJson(status.resources()) == R"({"limits":{"cpu":"2"},"requests":{"cpu":"1","memory":"1Gi"}})");
  CHECK(status.allocated_resources().at("cpu").string() == "1");

  rig.previous = status;
  (*rig.pod.mutable_spec()->mutable_resources()->mutable_limits())["cpu"].set_string("3");
  rig.conditions.emplace_back();
  rig.conditions[0].set_type("PodResizeInProgress");
  rig.conditions[0].set_status("True");
  status = rig.Get();
  CHECK(status.resources().limits().at("cpu").string() == "2");
  CHECK(status.conditions(0).type() == "PodResizeInProgress");
  rig.previous = status;
  rig.conditions.clear();
  status = rig.Get();
  CHECK(status.resources().limits().at("cpu").string() == "3");
  for (const auto& c : status.conditions()) CHECK(c.type() != "PodResizeInProgress");
}

TEST_CASE("a pod without pod level resources shows the sums of its containers") {
  Rig rig(kBoth);
  auto status = rig.Get();
  CHECK(api::EncodeJson(status.resources()) ==
        R"({"limits":{"cpu":"400m","memory":"128Mi"},"requests":{"cpu":"200m","memory":"64Mi"}})");
  CHECK(status.allocated_resources().size() == 3);
  Rig none("{containers: [{name: c, image: i}]}");
  CHECK(api::EncodeJson(none.Get().resources()) == "{}");
  CHECK(none.Get().allocated_resources().empty());
}

}  // namespace
}  // namespace kubelet::status
