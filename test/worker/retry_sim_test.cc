// One node in memory where containers end, or something fails on the way: sandboxes, pulls, calls,
// events. What is tried again, and when.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"
#include "kubelet/base/status.h"
#include "worker/sim_rules.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;

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

}  // namespace
}  // namespace kubelet::test
