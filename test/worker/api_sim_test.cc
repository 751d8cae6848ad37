// Pods of the API server on one node in memory, from their creation to the deletion of their objects.
#include "worker/api_rig.h"
#include "catch.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

PodSpec Web(const std::string& uid = "u1", const std::string& policy = "Always") {
  PodSpec spec;
  spec.uid = uid;
  spec.policy = policy;
  return spec;
}

void CheckGone(const ApiRig& rig, const std::string& uid) {
  INFO(rig.world.runtime.Dump());
  CHECK(rig.Phase(uid) == "gone");
  CHECK(rig.State(uid) == "none");
  CHECK(rig.world.runtime.Size() == 0);
  CHECK(rig.world.node.cgroups.empty());
  CHECK(rig.world.node.mounts.empty());
  CHECK(rig.world.node.directories.empty());
}

TEST_CASE("an API pod runs, is deleted, and its object goes when all of it has gone") {
  ApiRig rig;
  rig.Create(Web());
  rig.Advance(2s);
  CHECK(rig.Phase("u1") == "Running");
  CHECK(rig.Told("u1") == 0);
  rig.api_up = false;  // nobody deletes the object yet
  rig.world.runtime.SetStopTakes(5s);
  rig.Delete("u1", 20);
  rig.Advance(4s);
  CHECK(rig.State("u1") == "Terminating");
  CHECK_FALSE(rig.kubelet->workers->PodFinished("u1"));
  rig.Advance(2s);
  CHECK(rig.State("u1") == "Finished");
  CHECK(rig.kubelet->workers->PodFinished("u1"));
  CHECK(rig.Told("u1") == 1);
  CHECK(rig.world.runtime.Size() == 0);
  CHECK(rig.world.node.cgroups.empty());
  // Whatever is said about the object, that pod does not start again.
  rig.Change("u1", [](auto& pod) { (*pod.mutable_metadata()->mutable_labels())["a"] = "b"; });
  rig.Advance(5min);
  CHECK(rig.world.runtime.Starts("web", "c") == 1);
  rig.api_up = true;
  rig.Advance(1s);
  CheckGone(rig, "u1");
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("a grace period is the API's, and shortening it counts at once") {
  ApiRig rig;
  rig.world.runtime.SetStopTakes(60s);
  PodSpec spec = Web();
  spec.grace = 40;
  rig.Create(spec);
  rig.Advance(1s);
  SECTION("as the API decided") {
    rig.Delete("u1", 10);
    rig.Advance(9s);
    CHECK(rig.Running("u1") == 1);
    rig.Advance(2s);
  }
  SECTION("shortened on the way") {
    rig.Delete("u1", 40);
    rig.Advance(10s);
    CHECK(rig.Running("u1") == 1);
    rig.Delete("u1", 2);
    rig.Advance(1s);
    CHECK(rig.Running("u1") == 1);
    rig.Advance(2s);
  }
  SECTION("lengthened: nothing") {
    rig.Delete("u1", 5);
    rig.Advance(1s);
    rig.Delete("u1", 40);
    rig.Advance(5s);
  }
  SECTION("gone after a graceful deletion: what was under way goes on") {
    rig.Delete("u1", 6);
    rig.Advance(1s);
    rig.ForceDelete("u1");
    CHECK(rig.State("u1") == "Terminating");
    rig.Advance(6s);
  }
  SECTION("forced, as the API server tells it") {
    rig.Delete("u1", 0);
    rig.ForceDelete("u1");
    rig.Advance(3s);
  }
  SECTION("gone without a word of its deletion: the pod's own") {
    rig.ForceDelete("u1");
    rig.Advance(39s);
    CHECK(rig.world.runtime.Running("web").size() == 1);
    rig.Advance(2s);
  }
  SECTION("none") {
    rig.Delete("u1", 0);
    rig.Advance(3s);
  }
  CheckGone(rig, "u1");
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("a stop that is cut short is tried again, not taken for done") {
  ApiRig rig;
  rig.world.runtime.SetStopTakes(60s);
  rig.Create(Web());
  rig.Advance(1s);
  rig.Delete("u1", 30);
  rig.Advance(1s);
  rig.world.runtime.Inject({"StopContainer", "", Fault::Kind::kFail, 2});
  rig.Delete("u1", 3);
  rig.Advance(5s);
  CHECK(rig.Phase("u1") == "Running");
  CHECK(rig.State("u1") == "Terminating");
  rig.Advance(20s);
  CheckGone(rig, "u1");
}

TEST_CASE("a pod that ran to its end gives back sandbox, volumes and cgroup, and keeps its logs until it is deleted") {
  int code = GENERATE(0, 3);
  ApiRig rig;
  rig.Create(Web("u1", "Never"));
  rig.Advance(1s);
  rig.world.runtime.Exit("web", "c", code);
  rig.Advance(2s);
  CHECK(rig.Phase("u1") == (code == 0 ? "Succeeded" : "Failed"));
  CHECK(rig.State("u1") == "Ended");
  CHECK(rig.Told("u1") == 1);
  CHECK(rig.world.runtime.ReadySandboxes("web") == 0);
  CHECK(rig.world.runtime.SizeOf("web") == 2);
  CHECK(rig.world.node.cgroups.empty());
  CHECK(rig.world.node.mounts.empty());
  CHECK(rig.world.node.directories.size() == 1);
  SECTION("deleted") {}
  SECTION("and so after a restart, when it is not started again") {
    rig.Restart();
    rig.Deliver();
    rig.Advance(5min);
    CHECK(rig.State("u1") == "Ended");
    CHECK(rig.world.runtime.Starts("web", "c") == 1);
    CHECK(rig.Told("u1") == 1);
  }
  SECTION("also when the runtime has lost its containers over the restart") {
    rig.Restart();
    rig.world.runtime.ForgetAttempts("u1");
    rig.Deliver();
    rig.Advance(1min);
    CHECK(rig.world.runtime.Starts("web", "c") == 1);
  }
  rig.Delete("u1", 30);
  rig.Advance(1s);
  CheckGone(rig, "u1");
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("sidecars end with the pod, in the time it has") {
  ApiRig rig;
  PodSpec spec = Web("u1", "Never");
  spec.sidecars = {"s"};
  rig.Create(spec);
  rig.Advance(1s);
  REQUIRE(rig.Running("u1") == 2);
  rig.world.runtime.SetStopTakes(4s);
  rig.world.runtime.Exit("web", "c", 0);
  rig.Advance(2s);
  CHECK(rig.State("u1") == "Ending");
  CHECK(rig.Phase("u1") == "Running");
  rig.Advance(3s);
  CHECK(rig.Phase("u1") == "Succeeded");
  CHECK(rig.State("u1") == "Ended");
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("what the API shows as over is not run, whatever is or is not there of it") {
  bool runs = GENERATE(false, true);
  ApiRig rig;
  if (runs) {
    rig.Create(Web());
    rig.Advance(1s);
    rig.Restart();
  }
  rig.Create(Web(), [](auto& pod) { pod.mutable_status()->set_phase("Failed"); });
  rig.Advance(5s);
  CHECK(rig.State("u1") == "Ended");
  CHECK(rig.world.runtime.Starts("web", "c") == (runs ? 1 : 0));
  CHECK(rig.world.runtime.Running("web").empty());
  CHECK(rig.Phase("u1") == "Failed");
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("somebody else declares a running pod failed: it is stopped") {
  ApiRig rig;
  rig.Create(Web());
  rig.Advance(1s);
  rig.Change("u1", [](auto& pod) { pod.mutable_status()->set_phase("Failed"); });
  rig.Advance(2s);
  CHECK(rig.State("u1") == "Ended");
  CHECK(rig.world.runtime.Running("web").empty());
}

TEST_CASE("activeDeadlineSeconds ends a pod, counted from its start time") {
  ApiRig rig;
  rig.Create(Web(), [](auto& pod) { pod.mutable_spec()->set_active_deadline_seconds(20); });
  rig.Advance(10s);
  int64_t left = 11;
  SECTION("as created") {}
  SECTION("shortened") {
    rig.Change("u1", [](auto& pod) { pod.mutable_spec()->set_active_deadline_seconds(12); });
    left = 3;
  }
  CHECK(rig.Phase("u1") == "Running");
  rig.Advance(std::chrono::seconds(left - 2));
  CHECK(rig.Running("u1") == 1);
  rig.Advance(3s);
  CHECK(rig.State("u1") == "Ended");
  CHECK(rig.Phase("u1") == "Failed");
  CHECK(rig.objects.at("u1")->status().reason() == "DeadlineExceeded");
  CHECK(rig.objects.at("u1")->status().message() == "Pod was active on the node longer than the specified deadline");
  CHECK(std::count(rig.kubelet->events.begin(), rig.kubelet->events.end(), "web DeadlineExceeded") == 1);
  // A restart does not make it another pod.
  rig.Restart();
  rig.Deliver();
  rig.Advance(1min);
  CHECK(rig.objects.at("u1")->status().reason() == "DeadlineExceeded");
  CHECK(rig.world.runtime.Starts("web", "c") == 1);
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("a deadline that passed while the kubelet was away counts from the start before") {
  ApiRig rig;
  rig.Create(Web(), [](auto& pod) { pod.mutable_spec()->set_active_deadline_seconds(100); });
  rig.Advance(10s);
  rig.Restart();  // takes its time
  rig.Deliver();
  rig.Advance(1s);
  CHECK(rig.Running("u1") == 1);
  rig.Advance(30s);
  CHECK(rig.State("u1") == "Ended");
  CHECK(rig.objects.at("u1")->status().reason() == "DeadlineExceeded");
}

TEST_CASE("a pod that an earlier kubelet admitted runs on, whatever the node has become") {
  bool admits = true;
  int asked = 0;
  Kubelet::Options options;
  options.admit = [&](const api::core::Pod&) {
    ++asked;
    worker::Judgement judgement;
    if (!admits) judgement.rejection = worker::Rejection{"NodeAffinity", "no"};
    return judgement;
  };
  ApiRig rig(options);
  rig.Create(Web());
  rig.Advance(1s);
  admits = false;
  SECTION("while it runs") {}
  SECTION("while its container has crashed and waits") {
    rig.world.runtime.SetLife("c", 1s, 1);
    rig.world.runtime.Exit("web", "c", 1);
    rig.Advance(3s);
  }
  rig.Restart();
  rig.Deliver();
  rig.Advance(1min);
  CHECK(asked == 1);
  CHECK(rig.State("u1") == "Syncing");
  CHECK(rig.Phase("u1") == "Running");
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("a rejected pod is never started and says why, also after a restart") {
  bool admits = true;
  Kubelet::Options options;
  options.admit = [&](const api::core::Pod&) {
    worker::Judgement judgement;
    if (!admits) judgement.rejection = worker::Rejection{"NodeAffinity", "no"};
    return judgement;
  };
  ApiRig rig(options);
  admits = false;
  rig.Create(Web());
  rig.Advance(5s);
  SECTION("once") {}
  SECTION("nor admitted later") {
    admits = true;
    rig.Change("u1", [](auto& pod) { (*pod.mutable_metadata()->mutable_labels())["a"] = "b"; });
    rig.Advance(5min);
    rig.Restart();
    rig.Deliver();
    rig.Advance(5min);
    rig.kubelet->events.push_back("web NodeAffinity");  // of the kubelet before
  }
  CHECK(rig.State("u1") == "Ended");
  CHECK(rig.Phase("u1") == "Failed");
  CHECK(rig.objects.at("u1")->status().reason() == "NodeAffinity");
  CHECK(rig.objects.at("u1")->status().message() == "Pod was rejected: no");
  CHECK(rig.world.runtime.Starts("web", "c") == 0);
  CHECK(rig.world.runtime.Running("web").empty());
  CHECK(std::count(rig.kubelet->events.begin(), rig.kubelet->events.end(), "web NodeAffinity") == 1);
  rig.Delete("u1", 30);
  rig.Advance(2s);
  CheckGone(rig, "u1");
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("deleted and finished pods need no admission") {
  int asked = 0;
  Kubelet::Options options;
  options.admit = [&](const api::core::Pod&) {
    ++asked;
    return worker::Judgement();
  };
  ApiRig rig(options);
  PodSpec two = Web("u2"), three = Web("u3");
  two.name = "two";
  three.name = "three";
  rig.Create(Web("u1"), [](auto& pod) { pod.mutable_status()->set_phase("Succeeded"); });
  rig.Create(two, [](auto& pod) { pod.mutable_metadata()->mutable_deletion_timestamp()->set_seconds(1); });
  CHECK(asked == 0);
  rig.Create(three);
  CHECK(asked == 1);
}

TEST_CASE("a pod that is evicted ends in the time it is given") {
  ApiRig rig;
  rig.world.runtime.SetStopTakes(60s);
  rig.Create(Web());
  rig.Advance(1s);
  worker::Verdict verdict{"Evicted", "The node was low on resource: memory. "};
  rig.kubelet->workers->End("u1", verdict, 2s);
  rig.Advance(1s);
  CHECK(rig.Phase("u1") == "Running");
  rig.Advance(2s);
  CHECK(rig.Phase("u1") == "Failed");
  CHECK(rig.objects.at("u1")->status().reason() == "Evicted");
  CHECK(rig.State("u1") == "Ended");
}

TEST_CASE("a pod of the API may run beside another of its name; a static one does not wait for it either") {
  ApiRig rig;
  rig.world.runtime.SetStopTakes(20s);
  rig.Create(Web("u1"));
  rig.Advance(1s);
  rig.ForceDelete("u1");
  rig.Create(Web("u2"));
  rig.Advance(1s);
  CHECK(rig.State("u1") == "Terminating");
  CHECK(rig.Running("u2") == 1);
  rig.Static({MakePod(Web("s1"))});
  rig.Advance(1s);
  CHECK(rig.State("s1") == "Syncing");
  CHECK(rig.world.runtime.Running("web").size() == 3);
  // Static pods still exclude one another.
  rig.Static({MakePod(Web("s2"))});
  rig.Advance(1s);
  CHECK(rig.State("s2") == "Waiting");
  rig.Advance(25s);
  CHECK(rig.State("s2") == "Syncing");
  CHECK(rig.world.runtime.Running("web").size() == 2);
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("a static pod that has ended lets the next of its name start") {
  World world;
  Kubelet::Options options;
  options.sources = {"file", "http"};
  Kubelet kubelet(world, options);
  kubelet.Snapshot({MakePod(Web("s1", "Never"))});
  PodSpec next = Web("s2");
  next.source = "http";
  kubelet.Snapshot({MakePod(next)}, true, "http");
  CHECK(kubelet.StateOf("s2") == "Waiting");
  world.runtime.Exit("web", "c", 0);
  world.Advance(2s);
  CHECK(kubelet.StateOf("s1") == "Ended");
  CHECK(kubelet.StateOf("s2") == "Syncing");
  CHECK(world.runtime.Breaches() == Strings{});
}

TEST_CASE("a change of the status alone asks nothing of the runtime") {
  ApiRig rig;
  rig.Create(Web());
  rig.Advance(2s);
  int syncs = rig.kubelet->syncs;
  size_t calls = rig.world.runtime.calls.size();
  rig.api_up = false;
  for (int i = 0; i < 10; ++i) {
    rig.Change("u1", [&](auto& pod) {
      pod.mutable_metadata()->set_resource_version(std::to_string(i));
      pod.mutable_status()->set_nominated_node_name(std::to_string(i));
    });
  }
  CHECK(rig.kubelet->syncs == syncs);
  CHECK(rig.world.runtime.calls.size() == calls);
  CHECK(rig.kubelet->workers->View("u1")->pod == rig.objects.at("u1"));
  rig.Change("u1", [](auto& pod) { pod.mutable_spec()->mutable_containers(0)->set_image("image:2"); });
  rig.Advance(1s);
  CHECK(rig.kubelet->syncs > syncs);
  CHECK(rig.world.runtime.RunningOne("web", "c")->status.image == "image:2");
}

TEST_CASE("running pods of the API: taken over by uid, untouched before its list, ended when they are not in it") {
  ApiRig rig;
  rig.Create(Web("u1"));
  PodSpec other = Web("u2");
  other.name = "other";
  rig.Create(other);
  rig.Advance(1s);
  rig.Restart();
  rig.Advance(10min);  // the API server does not answer
  CHECK(rig.world.runtime.Running("web").size() == 1);
  CHECK(rig.world.runtime.Running("other").size() == 1);
  rig.world.runtime.SetStopTakes(60s);
  rig.objects.erase("u2");
  rig.Deliver();
  rig.Advance(3s);
  CHECK(rig.world.runtime.Starts("web", "c") == 1);
  CHECK(rig.State("u1") == "Syncing");
  CHECK(rig.world.runtime.SizeOf("other") == 0);
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("deleted while the kubelet was away: ended, cleaned up, told") {
  ApiRig rig;
  rig.Create(Web());
  rig.Advance(1s);
  bool leftovers = GENERATE(true, false);
  rig.Restart();
  if (!leftovers) {
    rig.world.runtime.SetStopTakes(0s);
    rig.world.node.mounts.erase("u1");
  }
  rig.Delete("u1", 5);
  rig.Advance(3s);
  CheckGone(rig, "u1");
  CHECK(rig.Told("u1") == 1);
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("restarts that the API server has counted are counted on when runtime and logs have forgotten them") {
  ApiRig rig;
  rig.Create(Web(), [](auto& pod) {
    pod.mutable_status()->set_phase("Running");
    auto* c = pod.mutable_status()->add_container_statuses();
    c->set_name("c");
    c->set_restart_count(3);
    c->mutable_state()->mutable_running();
  });
  rig.Advance(2s);
  REQUIRE(rig.world.runtime.RunningOne("web", "c") != nullptr);
  CHECK(rig.world.runtime.RunningOne("web", "c")->status.attempt == 4);
  CHECK(rig.objects.at("u1")->status().container_statuses(0).restart_count() == 4);
  rig.world.runtime.Exit("web", "c", 1);
  rig.Advance(2s);
  CHECK(rig.objects.at("u1")->status().container_statuses(0).restart_count() == 5);
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("deleted before anything could start") {
  ApiRig rig;
  rig.world.runtime.pull_takes["slow:1"] = 5min;
  PodSpec spec = Web();
  spec.image = "slow:1";
  rig.Create(spec);
  rig.Advance(2s);
  CHECK(rig.Phase("u1") == "Pending");
  rig.api_up = false;
  rig.Delete("u1", 30);
  rig.Advance(2s);
  CHECK(rig.statuses.at("u1").phase() == "Failed");
  CHECK(rig.statuses.at("u1").container_statuses(0).state().terminated().reason() == "ContainerStatusUnknown");
  rig.api_up = true;
  rig.Advance(2s);
  CheckGone(rig, "u1");
}

TEST_CASE("volumes or cgroup that do not go keep the pod from being finished") {
  const char* call = GENERATE("Volumes.Teardown", "Cgroups.RemovePod");
  bool deleted = GENERATE(true, false);
  INFO(call << " " << deleted);
  ApiRig rig;
  rig.Create(Web("u1", "Never"));
  rig.Advance(1s);
  rig.world.node.fail[call] = {absl::UnavailableError("busy"), 3};
  if (deleted) {
    rig.Delete("u1", 5);
  } else {
    rig.world.runtime.Exit("web", "c", 0);
  }
  rig.Advance(2s);
  CHECK_FALSE(rig.kubelet->workers->PodFinished("u1"));
  CHECK(rig.State("u1") == (deleted ? "Removing" : "Retiring"));
  // Nothing runs, so that may be shown.
  CHECK(rig.Phase("u1") == (deleted ? "Failed" : "Succeeded"));
  rig.Advance(20s);
  CHECK(rig.State("u1") == (deleted ? "none" : "Ended"));
  CHECK(rig.Breaches() == Strings{});
}

TEST_CASE("a container that turns up in a pod at rest is stopped again") {
  ApiRig rig;
  rig.Create(Web("u1", "Never"));
  rig.Advance(1s);
  rig.world.runtime.Exit("web", "c", 0);
  rig.Advance(2s);
  REQUIRE(rig.State("u1") == "Ended");
  // A start that the runtime finished long after it was given up.
  runtime::NodeContext context;
  context.pod_logs_dir = "/logs";
  auto pod = rig.objects.at("u1");
  auto sandbox = runtime::MakeSandboxConfig(*pod, 1, "", context);
  runtime::ContainerInputs inputs;
  inputs.image_ref = "image:1";
  inputs.attempt = 1;
  auto container = runtime::MakeContainerConfig(*pod, pod->spec().containers(0), inputs, context);
  REQUIRE(container.ok());
  rig.world.runtime.AddForeignPod(*sandbox, {*container});
  rig.Advance(10s);
  CHECK(rig.Running("u1") == 0);
  CHECK(rig.world.runtime.ReadySandboxes("web") == 0);
  CHECK(rig.State("u1") == "Ended");
  CHECK(rig.Phase("u1") == "Succeeded");
}

}  // namespace
}  // namespace kubelet::test
