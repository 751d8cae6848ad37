// kill -9 after the k-th call to the runtime, for pods with init containers, sidecars and hooks.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;
using api::core::Pod;
using Strings = std::vector<std::string>;

Kubelet::Options WithApi() {
  Kubelet::Options options;
  options.sources = {"api"};
  return options;
}

std::shared_ptr<Pod> FullPod(const char* source = "file") {
  PodSpec spec;
  spec.source = source;
  spec.init = {"i"};
  spec.sidecars = {"s"};
  auto pod = std::make_shared<Pod>(*MakePod(spec));
  auto* c = pod->mutable_spec()->mutable_containers(0);
  c->mutable_lifecycle()->mutable_post_start()->mutable_exec()->add_command("warm");
  c->mutable_lifecycle()->mutable_pre_stop()->mutable_exec()->add_command("drain");
  auto* s = pod->mutable_spec()->mutable_init_containers(1);
  s->mutable_lifecycle()->mutable_pre_stop()->mutable_exec()->add_command("flush");
  c->set_restart_policy("Always");
  auto* rule = c->add_restart_policy_rules();
  rule->set_action("RestartAllContainers");
  rule->mutable_exit_codes()->set_operator_("In");
  rule->mutable_exit_codes()->add_values(42);
  return pod;
}

api::PodPtr Deleted(const Pod& pod) {
  auto deleted = std::make_shared<Pod>(pod);
  deleted->mutable_metadata()->mutable_deletion_timestamp()->set_seconds(1);
  deleted->mutable_metadata()->set_deletion_grace_period_seconds(30);
  return deleted;
}

void Prepare(World& world) {
  world.runtime.SetLife("i", 500ms, 0);
  world.runtime.SetStopTakes(500ms);
  world.runtime.execs["warm"].takes = 500ms;
  world.runtime.execs["drain"].takes = 500ms;
}

void CheckUp(const World& world, int most_starts) {
  INFO(world.runtime.Dump());
  CHECK(world.runtime.Breaches() == Strings{});
  CHECK(world.runtime.RunningOne("web", "s") != nullptr);
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(world.runtime.ReadySandboxes("web") == 1);
  for (const char* name : {"i", "s", "c"}) CHECK(world.runtime.Starts("web", name) <= most_starts);
}

// Each returns false when the crash came after the end.
bool CrashWhileStarting(int k) {
  INFO("starting, cut off after call " << k);
  World world;
  Prepare(world);
  auto first = std::make_unique<Kubelet>(world);
  first->client.CutAfter(first->client.calls() + k);
  first->Snapshot({FullPod()});
  world.Advance(4s);
  bool was_cut = first->client.cut();
  first->client.CutAfter(0);
  bool ran = world.runtime.RunningOne("web", "c") != nullptr;
  int init_runs = world.runtime.Starts("web", "i");
  Kubelet second(world);
  second.Snapshot({FullPod()});
  world.Advance(30s);
  CheckUp(world, 1);
  if (ran) CHECK(world.runtime.Starts("web", "i") == init_runs);
  return was_cut;
}

bool CrashWhileEnding(int k) {
  INFO("ending, cut off after call " << k);
  World world;
  Prepare(world);
  auto pod = FullPod("api");
  auto first = std::make_unique<Kubelet>(world, WithApi());
  first->Snapshot({pod}, true, "api");
  world.Advance(4s);
  first->client.CutAfter(first->client.calls() + k);
  first->Snapshot({Deleted(*pod)}, true, "api");
  world.Advance(4s);
  bool was_cut = first->client.cut();
  first->client.CutAfter(0);
  Kubelet second(world, WithApi());
  second.Snapshot({Deleted(*pod)}, true, "api");
  world.Advance(60s);
  INFO(world.runtime.Dump());
  CHECK(world.runtime.Running("web").empty());
  CHECK(world.runtime.Breaches() == Strings{});
  CHECK(world.runtime.Starts("web", "c") == 1);
  // Whatever was cut off: each hook had its whole run before its container was told to end.
  for (const char* hook : {"c drain", "s flush"}) CHECK(world.runtime.Count("ExecSync", hook) >= 1);
  base::MonoTime last_c{}, first_s = base::MonoTime::max();
  for (const auto& signal : world.runtime.signals) {
    if (signal.container == "c") last_c = std::max(last_c, signal.at);
    if (signal.container == "s") first_s = std::min(first_s, signal.at);
  }
  CHECK(last_c <= first_s);
  return was_cut;
}

bool CrashWhileRestartingAll(int k) {
  INFO("restarting all, cut off after call " << k);
  World world;
  Prepare(world);
  auto first = std::make_unique<Kubelet>(world);
  first->Snapshot({FullPod()});
  world.Advance(4s);
  first->client.CutAfter(first->client.calls() + k);
  world.runtime.Exit("web", "c", 42);
  world.Advance(6s);
  bool was_cut = first->client.cut();
  first->client.CutAfter(0);
  Kubelet second(world);
  second.Snapshot({FullPod()});
  world.Advance(30s);
  CheckUp(world, 2);
  CHECK(world.runtime.Starts("web", "c") == 2);
  CHECK(world.runtime.Starts("web", "s") == 2);
  CHECK(world.runtime.Count("RunPodSandbox") == 1);
  return was_cut;
}

int Steps(bool (*crash)(int)) {
  int k = 0;
  while (k < 150 && crash(k)) ++k;
  return k;
}

TEST_CASE("init container, sidecar and hooks: a crash after any call while the pod starts") {
  int steps = Steps(CrashWhileStarting);
  CHECK(steps > 10);
  CHECK(steps < 150);
}

TEST_CASE("init container, sidecar and hooks: a crash after any call while the pod ends") {
  int steps = Steps(CrashWhileEnding);
  CHECK(steps > 5);
  CHECK(steps < 150);
}

TEST_CASE("a restart of all containers goes on after a crash at any call") {
  int steps = Steps(CrashWhileRestartingAll);
  CHECK(steps > 10);
  CHECK(steps < 150);
}

}  // namespace
}  // namespace kubelet::test
