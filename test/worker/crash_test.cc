// kill -9 after the k-th call to the runtime, for every k: the next kubelet brings the node to the same end.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

// What is wanted before the crash, what happens around it, and what must be true in the end.
struct Scenario {
  const char* name;
  std::vector<api::PodPtr> before, after;
  bool exit = false;         // the container of `web` ends, to be restarted
  const char* image = "";    // that runs in the end; empty: nothing runs
  int most_starts = 1;
};

PodSpec Web(const char* uid, const char* image) {
  PodSpec spec;
  spec.uid = uid;
  spec.image = image;
  return spec;
}

std::vector<Scenario> Scenarios() {
  auto one = MakePod(Web("u1", "image:1"));
  return {
      {"start", {}, {one}, false, "image:1", 1},
      {"remove", {one}, {}, false, "", 1},
      {"edit with a new uid", {one}, {MakePod(Web("u2", "image:2"))}, false, "image:2", 2},
      {"edit under one uid", {one}, {MakePod(Web("u1", "image:2"))}, false, "image:2", 2},
      {"restart", {one}, {one}, true, "image:1", 2},
  };
}

// Runs the scenario with a cut after `k` calls; false when it was over before.
bool CrashAt(const Scenario& scenario, int k) {
  INFO(scenario.name << ", cut off after call " << k);
  World world;
  world.runtime.SetStopTakes(1s);
  auto first = std::make_unique<Kubelet>(world);
  first->Snapshot(scenario.before);
  world.Advance(3s);
  int calls = first->client.calls();
  first->client.CutAfter(calls + k);
  if (scenario.exit) world.runtime.Exit("web", "c", 1);
  first->Snapshot(scenario.after);
  world.Advance(4s);
  bool was_cut = first->client.cut();
  first->client.CutAfter(0);
  Kubelet second(world);
  second.Snapshot(scenario.after);
  world.Advance(30s);
  INFO(world.runtime.Dump());
  CHECK(world.runtime.Breaches() == Strings{});
  CHECK(world.runtime.Starts("web", "c") <= scenario.most_starts);
  if (*scenario.image != '\0') {
    const FakeContainer* c = world.runtime.RunningOne("web", "c");
    REQUIRE(c != nullptr);
    CHECK(c->status.image == scenario.image);
    CHECK(world.runtime.ReadySandboxes("web") == 1);
    CHECK(world.node.cgroups.size() == 1);
    CHECK(second.StateOf(c->status.labels.at(runtime::kPodUidLabel)) == "Syncing");
  } else {
    CHECK(world.runtime.Size() == 0);
    CHECK(world.node.cgroups.empty());
    CHECK(world.node.directories.empty());
    CHECK(world.node.mounts.empty());
    CHECK(second.workers->size() == 0);
  }
  CHECK(second.pleg->Problems().empty());
  return was_cut;
}

TEST_CASE("a kubelet killed after any call to the runtime is followed by one that ends in the same state") {
  for (const auto& scenario : Scenarios()) {
    int k = 0;
    while (k < 100 && CrashAt(scenario, k)) ++k;
    INFO(scenario.name << " took " << k << " calls");
    CHECK(k >= 3);
    CHECK(k < 100);
  }
}

TEST_CASE("kubelets killed one after the other, each a call further, get there together") {
  for (const auto& scenario : Scenarios()) {
    INFO(scenario.name);
    World world;
    {
      Kubelet zero(world);
      zero.Snapshot(scenario.before);
      world.Advance(3s);
      zero.client.CutAfter(0);
    }
    if (scenario.exit) world.runtime.Exit("web", "c", 1);
    for (int k = 1; k < 30; ++k) {
      Kubelet next(world);
      next.client.CutAfter(k);
      next.Snapshot(scenario.after);
      world.Advance(2s);
    }
    Kubelet last(world);
    last.Snapshot(scenario.after);
    world.Advance(60s);
    INFO(world.runtime.Dump());
    CHECK(world.runtime.Breaches() == Strings{});
    CHECK(world.runtime.Starts("web", "c") <= scenario.most_starts);
    CHECK(world.runtime.Running("web").size() == (*scenario.image != '\0' ? 1 : 0));
  }
}

}  // namespace
}  // namespace kubelet::test
