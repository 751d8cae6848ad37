// One node in memory that another kubelet has left: whose pods go on, and which end.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"
#include "worker/sim_rules.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;

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
  next.image = "image:2";
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

TEST_CASE("a pod another kubelet started from this manifest is taken over as it is") {
  World world;
  runtime::NodeContext context;
  context.pod_logs_dir = "/logs";
  PodSpec theirs;
  theirs.uid = "theirs";
  auto pod = MakePod(theirs);
  auto sandbox = runtime::MakeSandboxConfig(*pod, 0, "", context);
  sandbox->annotations.erase(runtime::kOwnSandboxAnnotation);
  runtime::ContainerInputs inputs;
  inputs.image_ref = "image:1";
  auto container = runtime::MakeContainerConfig(*pod, pod->spec().containers(0), inputs, context);
  REQUIRE(container.ok());
  world.runtime.AddForeignPod(*sandbox, {*container});
  Kubelet kubelet(world);
  PodSpec ours;
  ours.uid = "ours";
  bool same = GENERATE(true, false);
  if (!same) ours.image = "image:2";
  kubelet.Snapshot({MakePod(ours)});
  world.Advance(20s);
  CHECK(world.runtime.Starts("web", "c") == (same ? 1 : 2));
  CHECK(kubelet.StateOf(same ? "theirs" : "ours") == "Syncing");
  CHECK(kubelet.workers->size() == 1);
  kubelet.Snapshot({});
  world.Advance(10s);
  CHECK(world.runtime.Size() == 0);
  CheckRules(world);
}

TEST_CASE("a pod an earlier build of this kubelet started from this manifest goes on under its uid") {
  World world;
  runtime::NodeContext context;
  context.pod_logs_dir = "/logs";
  PodSpec earlier;  // its uid was the manifest's hash
  earlier.uid = "hash";
  auto pod = MakePod(earlier);
  auto sandbox = runtime::MakeSandboxConfig(*pod, 0, "", context);
  REQUIRE(sandbox->annotations[runtime::kOwnSandboxAnnotation] == "hash");
  runtime::ContainerInputs inputs;
  inputs.image_ref = "image:1";
  auto container = runtime::MakeContainerConfig(*pod, pod->spec().containers(0), inputs, context);
  REQUIRE(container.ok());
  world.runtime.AddForeignPod(*sandbox, {*container});
  Kubelet kubelet(world);
  PodSpec spec;
  spec.uid = "as-go-has-it";
  auto now = std::make_shared<api::core::Pod>(*MakePod(spec));
  bool same = GENERATE(true, false);
  (*now->mutable_metadata()->mutable_annotations())[api::kManifestAnnotation] = same ? "hash" : "edited";
  kubelet.Snapshot({now});
  world.Advance(20s);
  CHECK(world.runtime.Starts("web", "c") == (same ? 1 : 2));
  CHECK(kubelet.StateOf(same ? "hash" : "as-go-has-it") == "Syncing");
  CheckRules(world);
}

TEST_CASE("of two sources that want one name, the pod that runs goes on after a restart") {
  World world;
  PodSpec a, z;
  a.uid = "a";
  z.uid = "z";
  z.source = "http";
  Kubelet::Options options;
  options.sources = {"file", "http"};
  {
    Kubelet first(world, options);
    first.Snapshot({MakePod(z)}, true, "http");
    world.Advance(1s);
    first.Snapshot({MakePod(a)});
    world.Advance(1s);
    first.client.CutAfter(0);
  }
  Kubelet second(world, options);
  second.manager->OnSnapshot("file", {MakePod(a)}, true);
  second.Snapshot({MakePod(z)}, true, "http");
  world.Advance(10s);
  CHECK(world.runtime.Starts("web", "c") == 1);
  CheckRules(world);
  second.Snapshot({}, true, "http");
  world.Advance(5s);
  CHECK(world.runtime.RunningOne("web", "c")->status.labels.at(runtime::kPodUidLabel) == "a");
  CheckRules(world);
}

}  // namespace
}  // namespace kubelet::test
