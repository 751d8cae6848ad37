// One node in memory, the real rooms on a behaving runtime: what a user of the kubelet may count on
// as pods come, change and go.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"
#include "worker/sim_rules.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

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

TEST_CASE("a node without pods is audited twice a minute, and as usual from its first pod on") {
  World world;
  Kubelet kubelet(world);
  kubelet.Snapshot({});
  world.Advance(10s);
  size_t before = world.runtime.calls.size();
  world.Advance(10min);
  CHECK(world.runtime.calls.size() - before <= 2 * 20 + 2);
  world.Advance(7s);
  world.runtime.SetEventFaults(100, 0, 0, 1);
  kubelet.Snapshot({MakePod({})});
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  size_t started = world.runtime.Count("ListPodSandbox");
  world.Advance(2s);
  CHECK(world.runtime.Count("ListPodSandbox") == started);
  world.runtime.Exit("web", "c", 1);
  world.Advance(5s);
  CHECK(world.runtime.Starts("web", "c") == 2);
  CheckRules(world);
}

TEST_CASE("a pod whose judgement is put off starts when it is judged again") {
  World world;
  bool known = false;
  Kubelet::Options options;
  options.admit = [&](const api::core::Pod&) {
    worker::Judgement judgement;
    judgement.later = !known;
    return judgement;
  };
  Kubelet kubelet(world, options);
  kubelet.Snapshot({MakePod({})});
  CHECK(kubelet.workers->size() == 0);
  CHECK(world.runtime.Count("RunPodSandbox") == 0);
  known = true;
  kubelet.manager->JudgeAgain();
  world.Run();
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
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
  CHECK(world.runtime.ReadySandboxes("web") == 1);
  // Its last life may have left a container, and the sandbox of that.
  CHECK((world.runtime.SizeOf("web") == 2 || world.runtime.SizeOf("web") == 4));
  CHECK(kubelet.workers->size() == 1);
  kubelet.Snapshot({});
  world.Advance(30s);
  CHECK(world.runtime.Size() == 0);
  CheckRules(world);
}

TEST_CASE("a static pod that was ended starts again when it is told to, at rest or still ending") {
  World world;
  world.runtime.SetStopTakes(2s);
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  world.Advance(5s);
  kubelet.workers->StartAgain("u1", "for no reason");
  CHECK(kubelet.StateOf("u1") == "Syncing");
  bool rests = GENERATE(false, true);
  kubelet.workers->End("u1", {"Terminated", "The node goes down."}, 5s);
  if (rests) world.Advance(30s);
  CHECK(kubelet.StateOf("u1") == (rests ? "Ended" : "Ending"));
  kubelet.workers->StartAgain("u1", "the node stays");
  world.Advance(30s);
  const FakeContainer* now = world.runtime.RunningOne("web", "c");
  REQUIRE(now != nullptr);
  CHECK(now->status.attempt == 1);
  CHECK(kubelet.StateOf("u1") == "Syncing");
  CHECK_FALSE(kubelet.workers->View("u1")->verdict);
  kubelet.Snapshot({});
  world.Advance(30s);
  CHECK(world.runtime.Size() == 0);
  CheckRules(world);
}

TEST_CASE("a static pod that is removed and added again while it ends counts on as with any restart") {
  World world;
  world.runtime.SetStopTakes(2s);
  Kubelet kubelet(world);
  PodSpec spec;
  SECTION("restarted always") {
    kubelet.Snapshot({MakePod(spec)});
    world.Advance(5s);
    for (uint32_t times = 1; times <= 3; ++times) {
      kubelet.manager->OnSnapshot("file", {}, true);
      kubelet.Snapshot({MakePod(spec)});
      CHECK(kubelet.StateOf("u1") == "Terminating");
      world.Advance(10s);
      const FakeContainer* now = world.runtime.RunningOne("web", "c");
      REQUIRE(now != nullptr);
      CHECK(now->status.attempt == times);
      // The new one, and the last one for its log.
      CHECK(world.runtime.SizeOf("web") == 4);
    }
  }
  SECTION("not restarted by its policy: it is new, and runs") {
    spec.policy = "Never";
    kubelet.Snapshot({MakePod(spec)});
    world.Advance(5s);
    kubelet.manager->OnSnapshot("file", {}, true);
    kubelet.Snapshot({MakePod(spec)});
    world.Advance(10s);
    CHECK(world.runtime.RunningOne("web", "c") != nullptr);
    CHECK(world.runtime.SizeOf("web") == 2);
  }
  SECTION("and removed once more: nothing of it is kept") {
    kubelet.Snapshot({MakePod(spec)});
    world.Advance(5s);
    kubelet.manager->OnSnapshot("file", {}, true);
    kubelet.Snapshot({MakePod(spec)});
    kubelet.Snapshot({});
    world.Advance(10s);
    CHECK(world.runtime.Size() == 0);
  }
  CheckRules(world);
}

TEST_CASE("an edit of the image under one uid restarts the container, also when the image has to be pulled first") {
  auto policy = GENERATE("Always", "OnFailure", "Never");
  World world;
  world.runtime.SetStopExitCode(0);
  world.runtime.pull_takes["new:1"] = 20s;
  Kubelet kubelet(world);
  PodSpec spec;
  spec.policy = policy;
  kubelet.Snapshot({MakePod(spec)});
  spec.image = "new:1";
  kubelet.Snapshot({MakePod(spec)});
  world.Advance(40s);
  INFO(policy << "\n" << world.runtime.Dump());
  REQUIRE(world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(world.runtime.RunningOne("web", "c")->status.image == "new:1");
  CheckRules(world);
}

TEST_CASE("a pod that cannot be inspected when its removal ends is not remembered for ever") {
  World world;
  Kubelet kubelet(world);
  world.runtime.Inject({"RunPodSandbox", "", Fault::Kind::kFail, -1});
  kubelet.Snapshot({MakePod({})});
  kubelet.manager->OnSnapshot("file", {}, true);
  world.runtime.Inject({"ListContainers", "/u1/", Fault::Kind::kFail, 3});
  world.Advance(60s);
  CHECK(kubelet.workers->size() == 0);
  CHECK(kubelet.pleg->Problems().empty());
}

TEST_CASE("init containers run in order, then sidecars stay beside the rest") {
  World world;
  world.runtime.SetLife("i1", 2s, 0);
  world.runtime.SetLife("i2", 2s, 0);
  Kubelet kubelet(world);
  PodSpec spec;
  spec.init = {"i1", "i2"};
  spec.sidecars = {"s"};
  spec.containers = {"a", "b"};
  kubelet.Snapshot({MakePod(spec)});
  Strings order;
  world.Advance(10s);
  for (const auto& call : world.runtime.calls) {
    if (call.method == "StartContainer") order.push_back(call.subject.substr(call.subject.rfind('/') + 1));
  }
  CHECK(order == Strings{"i1", "i2", "s", "a", "b"});
  world.runtime.Exit("web", "s", 1);
  world.Advance(5s);
  CHECK(world.runtime.Starts("web", "s") == 2);
  CHECK(world.runtime.Starts("web", "i1") == 1);
  CheckRules(world);
}

}  // namespace
}  // namespace kubelet::test
