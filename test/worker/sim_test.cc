// One node in memory, the real rooms on a behaving runtime: what a user of the kubelet may count on.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

void CheckRules(const World& world) {
  CHECK(world.runtime.Breaches() == Strings{});
  CHECK_FALSE(world.busy);
}

TEST_CASE("a pod starts, and steady state asks the runtime for nothing more than the audit") {
  World world;
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(world.runtime.ReadySandboxes("web") == 1);
  CHECK(world.node.cgroups == std::set<std::string>{"u1"});
  world.Advance(10s);
  size_t before = world.runtime.calls.size();
  world.Advance(10min);
  // Two lists per audit period of five seconds, and nothing else.
  CHECK(world.runtime.calls.size() - before <= 2 * 120 + 2);
  CHECK(world.runtime.Starts("web", "c") == 1);
  CheckRules(world);
}

TEST_CASE("a removed pod leaves nothing behind") {
  World world;
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  kubelet.Snapshot({});
  world.Advance(1s);
  CHECK(world.runtime.Size() == 0);
  CHECK(world.node.cgroups.empty());
  CHECK(world.node.mounts.empty());
  CHECK(world.node.directories.empty());
  CHECK(kubelet.workers->size() == 0);
  CHECK(kubelet.pleg->Problems().empty());
  CheckRules(world);
}

TEST_CASE("after an edit the old pod ends before the new one starts") {
  World world;
  world.runtime.SetStopTakes(7s);
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  PodSpec next;
  next.uid = "u2";
  next.image = "image:2";
  kubelet.Snapshot({MakePod(next)});
  CHECK(kubelet.StateOf("u2") == "Waiting");
  world.Advance(6s);
  CHECK(world.runtime.Starts("web", "c") == 1);
  world.Advance(2s);
  REQUIRE(world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(world.runtime.RunningOne("web", "c")->status.image == "image:2");
  CHECK(world.runtime.SizeOf("web") == 2);
  CheckRules(world);
}

TEST_CASE("an edit while the kubelet is away ends the old pod first") {
  World world;
  world.runtime.SetStopTakes(3s);
  {
    Kubelet first(world);
    first.Snapshot({MakePod({})});
    first.client.CutAfter(0);
  }
  PodSpec next;
  next.uid = "u2";
  Kubelet second(world);
  SECTION("in one complete set") { second.Snapshot({MakePod(next)}); }
  SECTION("in a set that is complete only later") {
    second.Snapshot({MakePod(next)}, false);
    world.Advance(30s);
    CHECK(world.runtime.Starts("web", "c") == 1);
    second.Snapshot({MakePod(next)});
  }
  world.Advance(20s);
  CHECK(world.runtime.Starts("web", "c") == 2);
  REQUIRE(world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(world.runtime.RunningOne("web", "c")->status.labels.at(runtime::kPodUidLabel) == "u2");
  CheckRules(world);
}

TEST_CASE("a pod of an unknown uid is ended only once its own source has spoken") {
  World world;
  {
    Kubelet first(world);
    PodSpec other;
    other.name = "other";
    other.uid = "o1";
    other.source = "http";
    first.Snapshot({MakePod({}), MakePod(other)});
    first.client.CutAfter(0);
  }
  Kubelet::Options options;
  options.sources = {"file", "http"};
  Kubelet second(world, options);
  world.Advance(1min);
  CHECK(world.runtime.Running("web").size() == 1);
  second.Snapshot({});
  world.Advance(10s);
  CHECK(world.runtime.SizeOf("web") == 0);
  CHECK(world.runtime.Running("other").size() == 1);
  second.Snapshot({}, true, "http");
  world.Advance(10s);
  CHECK(world.runtime.Size() == 0);
}

TEST_CASE("a pod removed and added again under one uid at any moment ends up running once") {
  int ticks = GENERATE(range(0, 40));
  World world;
  world.runtime.SetStopTakes(2s);
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  world.Advance(5s);
  kubelet.manager->OnSnapshot("file", {}, true);
  world.io.restart();
  for (int i = 0; i < ticks; ++i) {
    if (world.io.poll_one() == 0) world.clock.Advance(500ms);
  }
  kubelet.Snapshot({MakePod({})});
  world.Advance(30s);
  INFO("added again after " << ticks << " turns of the loop\n" << world.runtime.Dump());
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(world.runtime.SizeOf("web") == 2);
  CHECK(kubelet.workers->size() == 1);
  CheckRules(world);
}

}  // namespace
}  // namespace kubelet::test
