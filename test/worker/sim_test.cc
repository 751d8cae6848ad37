// One node in memory, the real rooms on a behaving runtime: what a user of the kubelet may count on.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"
#include "kubelet/base/status.h"

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

// Starts of a container by their times, in whole seconds since the first.
std::vector<int> StartTimes(const World& world, const std::string& method = "StartContainer") {
  std::vector<int> times;
  std::optional<base::MonoTime> first;
  for (const auto& call : world.runtime.calls) {
    if (call.method != method) continue;
    if (!first) first = call.at;
    times.push_back(static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(call.at - *first).count()));
  }
  return times;
}

TEST_CASE("a container that crashes at once is started after 10, 20, 40 ... 300 seconds from its exit") {
  World world;
  world.runtime.SetLife("c", 1s, 1);
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  world.Advance(1500s);
  // It lives for a second each time; the first restart is at once.
  CHECK(StartTimes(world) == std::vector<int>{0, 1, 12, 33, 74, 155, 316, 617, 918, 1219});
  CHECK(kubelet.Waits("u1", "c") == "CrashLoopBackOff");
  std::string told = "BackOff c: Back-off restarting failed container c in pod web_ns(u1)";
  CHECK(std::count(kubelet.messages.begin(), kubelet.messages.end(), told) > 0);
  auto view = *kubelet.workers->View("u1");
  CHECK(base::Message(view.last_error).find("container c: back-off 5m0s restarting failed") == 0);
  REQUIRE(view.next_retry);
  CHECK(*view.next_retry > world.clock.Now());
  CheckRules(world);
}

TEST_CASE("a long back-off does not count as ten minutes without a crash") {
  World world;
  world.runtime.SetLife("c", 1s, 1);
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  world.Advance(950s);  // the delay is at its most
  world.runtime.SetLife("c", 310s, 1);
  world.Advance(2000s);
  auto times = StartTimes(world);
  REQUIRE(times.size() >= 4);
  for (size_t i = times.size() - 2; i < times.size(); ++i) CHECK(times[i] - times[i - 1] == 610);
}

TEST_CASE("after ten minutes without a crash the back-off starts anew") {
  World world;
  world.runtime.SetLife("c", 1s, 1);
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  world.Advance(400s);
  world.runtime.SetLife("c", 605s, 1);
  world.Advance(1300s);
  auto times = StartTimes(world);
  REQUIRE(times.size() >= 3);
  CHECK(times.back() - times[times.size() - 2] == 605);  // restarted at its exit
}

TEST_CASE("a pod that is removed and added again starts with no back-off of its former life") {
  World world;
  world.runtime.SetLife("c", 1s, 1);
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  world.Advance(700s);
  kubelet.Snapshot({});
  world.Advance(5s);
  int before = world.runtime.Starts("web", "c");
  kubelet.Snapshot({MakePod({})});
  world.Advance(3s);
  CHECK(world.runtime.Starts("web", "c") == before + 2);
}

TEST_CASE("restart policies, from the first exit to the end") {
  struct Row {
    const char* policy;
    int code;
    const char* state;
    int starts;
  };
  auto row = GENERATE(Row{"Always", 0, "Syncing", 2}, Row{"OnFailure", 0, "Ended", 1}, Row{"OnFailure", 3, "Syncing", 2},
                      Row{"Never", 0, "Ended", 1}, Row{"Never", 3, "Ended", 1});
  INFO(row.policy << " exit " << row.code);
  World world;
  Kubelet kubelet(world);
  PodSpec spec;
  spec.policy = row.policy;
  kubelet.Snapshot({MakePod(spec)});
  world.runtime.Exit("web", "c", row.code);
  world.Advance(5s);
  CHECK(kubelet.StateOf("u1") == row.state);
  CHECK(world.runtime.Starts("web", "c") == row.starts);
  // The sandbox of a pod that ran to its end goes; its containers stay for their logs.
  CHECK(world.runtime.ReadySandboxes("web") == (row.starts == 2 ? 1 : 0));
  CHECK(world.runtime.SizeOf("web") == (row.starts == 2 ? 3 : 2));
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

TEST_CASE("a pod whose sandbox dies goes on in a new one, also when its containers then end with 0") {
  World world;
  world.runtime.SetStopExitCode(0);
  Kubelet kubelet(world);
  PodSpec spec;
  spec.policy = "OnFailure";
  kubelet.Snapshot({MakePod(spec)});
  SECTION("at once") {}
  SECTION("when the new sandbox cannot be made at first") {
    world.runtime.Inject({"RunPodSandbox", "", Fault::Kind::kFail, 2});
  }
  world.runtime.BreakSandbox("web");
  world.Advance(30s);
  INFO(world.runtime.Dump());
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(kubelet.StateOf("u1") == "Syncing");
  CheckRules(world);
}

TEST_CASE("a sandbox that comes up without an IP is tried again with back-off, not in a loop") {
  World world;
  world.runtime.SetIps(false);
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  world.Advance(60s);
  CHECK(world.runtime.Count("RunPodSandbox") >= 5);
  CHECK(world.runtime.Count("RunPodSandbox") <= 12);
  world.runtime.SetIps(true);
  world.Advance(15s);
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  CheckRules(world);
}

TEST_CASE("a container that cannot be made or started is tried again with back-off, not in a loop") {
  auto method = GENERATE("CreateContainer", "StartContainer");
  INFO(method);
  World world;
  Kubelet kubelet(world);
  PodSpec spec;
  spec.containers = {"bad", "good"};
  world.runtime.Inject({method, "/bad", Fault::Kind::kFail, -1});
  kubelet.Snapshot({MakePod(spec)});
  world.Advance(60s);
  CHECK(world.runtime.RunningOne("web", "good") != nullptr);
  CHECK(world.runtime.Count(method, "/bad") >= 5);
  CHECK(world.runtime.Count(method, "/bad") <= 12);
  CHECK(kubelet.Waits("u1", "bad") == (std::string(method) == "CreateContainer" ? "CreateContainerError" : "RunContainerError"));
  world.runtime.Heal();
  world.Advance(11s);
  CHECK(world.runtime.RunningOne("web", "bad") != nullptr);
  CheckRules(world);
}

TEST_CASE("a failing pull shows its error, then its back-off, and is tried after 10, 20, 40 seconds") {
  World world;
  world.runtime.pull_error["gone:1"] = absl::NotFoundError("no such image");
  Kubelet kubelet(world);
  PodSpec spec;
  spec.image = "gone:1";
  kubelet.Snapshot({MakePod(spec)});
  CHECK(kubelet.Waits("u1", "c") == "ErrImagePull");
  world.Advance(2s);
  CHECK(kubelet.Waits("u1", "c") == "ImagePullBackOff");
  auto view = *kubelet.workers->View("u1");
  CHECK(base::Message(view.last_error).find("container c: ") == 0);
  REQUIRE(view.next_retry);
  CHECK(*view.next_retry - world.clock.Now() <= 10s);
  world.Advance(78s);
  CHECK(StartTimes(world, "PullImage") == std::vector<int>{0, 10, 30, 70});
  world.runtime.pull_error.clear();
  world.Advance(80s);
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(kubelet.workers->View("u1")->last_error.ok());
}

TEST_CASE("a pod whose directories cannot be made says so") {
  World world;
  world.node.fail["PodFiles.PreparePod"] = {absl::InternalError("no space left"), 1};
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  std::string told = "Failed : error making pod data directories: no space left";
  CHECK(std::count(kubelet.messages.begin(), kubelet.messages.end(), told) == 1);
}

TEST_CASE("an answer that never comes for one pod does not hold up another") {
  auto method = GENERATE("ListPodSandbox", "ListContainers", "GetContainerStatus", "RunPodSandbox", "CreateContainer",
                         "StartContainer", "PodSandboxStatus", "StopContainer", "StopPodSandbox", "RemovePodSandbox");
  INFO(method);
  World world;
  Kubelet kubelet(world);
  std::vector<api::PodPtr> pods;
  for (int i = 0; i < 6; ++i) {
    PodSpec spec;
    spec.name = "stuck" + std::to_string(i);
    spec.uid = "s" + std::to_string(i);
    pods.push_back(MakePod(spec));
  }
  world.runtime.Inject({method, "stuck", Fault::Kind::kHang, -1});
  kubelet.Snapshot(pods);
  world.Advance(10s);
  kubelet.Snapshot({});  // and they are to end
  world.Advance(5s);
  pods = {MakePod({})};
  kubelet.Snapshot(pods);
  world.Advance(15s);
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  world.runtime.Exit("web", "c", 1);
  world.Advance(10s);
  CHECK(world.runtime.Starts("web", "c") == 2);
  kubelet.Snapshot({});
  world.Advance(20s);
  CHECK(world.runtime.SizeOf("web") == 0);
  world.runtime.Heal();
  world.Advance(2min);
  INFO(world.runtime.Dump());
  CHECK(world.runtime.Size() == 0);
  CHECK(world.node.cgroups.empty());
  CHECK(kubelet.workers->size() == 0);
}

TEST_CASE("a runtime that goes away and comes back is caught up with") {
  World world;
  Kubelet kubelet(world);
  PodSpec other;
  other.name = "other";
  other.uid = "o1";
  kubelet.Snapshot({MakePod({}), MakePod(other)});
  world.runtime.SetDown(true);
  world.runtime.Exit("web", "c", 1);
  PodSpec added;
  added.name = "added";
  added.uid = "a1";
  kubelet.Snapshot({MakePod({}), MakePod(added)});
  world.Advance(4min);
  CHECK_FALSE(kubelet.pleg->Health().ok());
  world.runtime.SetDown(false);
  world.Advance(35s);
  CHECK(kubelet.pleg->Health().ok());
  CHECK(world.runtime.Starts("web", "c") == 2);
  CHECK(world.runtime.RunningOne("added", "c") != nullptr);
  CHECK(world.runtime.SizeOf("other") == 0);
  CheckRules(world);
}

TEST_CASE("without events, and with events lost, doubled or late, exits are noticed by the relist") {
  World world;
  SECTION("no events at all") { world.runtime.SetEvents(false); }
  SECTION("all lost") { world.runtime.SetEventFaults(100, 0, 0, 1); }
  SECTION("all twice") { world.runtime.SetEventFaults(0, 100, 0, 2); }
  SECTION("all late") { world.runtime.SetEventFaults(0, 0, 100, 3); }
  Kubelet kubelet(world);
  kubelet.Snapshot({MakePod({})});
  world.Advance(30s);
  world.runtime.Exit("web", "c", 1);
  world.Advance(6s);
  CHECK(world.runtime.Starts("web", "c") == 2);
  CheckRules(world);
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
