// Hooks, sidecars, ephemeral containers and restart rules on a behaving runtime: what happens when, by the clock.
#include "catch.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;
using api::core::Pod;
using Strings = std::vector<std::string>;

std::shared_ptr<Pod> Editable(const PodSpec& spec) { return std::make_shared<Pod>(*MakePod(spec)); }

api::core::Container& Of(Pod& pod, const std::string& name) {
  for (auto& c : *pod.mutable_spec()->mutable_containers()) {
    if (c.name() == name) return c;
  }
  for (auto& c : *pod.mutable_spec()->mutable_init_containers()) {
    if (c.name() == name) return c;
  }
  FAIL("no container " << name);
  std::abort();
}

void PreStop(Pod& pod, const std::string& name, const std::string& command) {
  Of(pod, name).mutable_lifecycle()->mutable_pre_stop()->mutable_exec()->add_command(command);
}
void PostStart(Pod& pod, const std::string& name, const std::string& command) {
  Of(pod, name).mutable_lifecycle()->mutable_post_start()->mutable_exec()->add_command(command);
}

// `name +second/grace` of every stop signal since `from`.
Strings Signals(const World& world, base::MonoTime from) {
  Strings out;
  for (const auto& signal : world.runtime.signals) {
    auto second = std::chrono::duration_cast<std::chrono::seconds>(signal.at - from).count();
    out.push_back(signal.container + " +" + std::to_string(second) + "/" + std::to_string(signal.grace.count()));
  }
  return out;
}

bool Has(const Strings& all, const std::string& one) { return std::find(all.begin(), all.end(), one) != all.end(); }
int CountOf(const Strings& all, const std::string& one) {
  return static_cast<int>(std::count(all.begin(), all.end(), one));
}

TEST_CASE("a preStop hook runs before the stop signal and counts against the grace period") {
  struct Row {
    std::chrono::seconds takes, grace;
    const char* signal;
    bool failed;
  };
  auto row = GENERATE(Row{0s, 30s, "c +0/30", false}, Row{10s, 30s, "c +10/20", false}, Row{29s, 30s, "c +29/2", false},
                      Row{100s, 5s, "c +5/2", true});
  INFO("hook of " << row.takes.count() << " s, grace " << row.grace.count() << " s");
  World world;
  Kubelet kubelet(world);
  world.runtime.execs["drain"].takes = row.takes;
  PodSpec spec;
  spec.grace = row.grace.count();
  auto pod = Editable(spec);
  PreStop(*pod, "c", "drain");
  kubelet.Snapshot({pod});
  auto from = world.clock.Mono();
  kubelet.Snapshot({});
  world.Advance(40s);
  CHECK(Signals(world, from) == Strings{row.signal});
  CHECK(Has(kubelet.events, "web FailedPreStopHook") == row.failed);
  CHECK(world.runtime.Size() == 0);
}

TEST_CASE("a hook that exceeds the grace period has the two seconds of its container as well") {
  World world;
  Kubelet kubelet(world);
  world.runtime.execs["drain"].takes = 6s;
  world.runtime.SetStopTakes(10s);
  PodSpec spec;
  spec.grace = 5;
  auto pod = Editable(spec);
  PreStop(*pod, "c", "drain");
  kubelet.Snapshot({pod});
  base::Registry metrics;
  kubelet.Snapshot({});
  world.Advance(20s);
  // Told once, at the end of the grace period; the hook itself came to its end.
  CHECK(CountOf(kubelet.events, "web FailedPreStopHook") == 1);
  CHECK(world.runtime.Count("ExecSync") == 1);
  CHECK(world.runtime.Size() == 0);
}

TEST_CASE("a preStop hook that fails is told of, and the container ends all the same") {
  World world;
  Kubelet kubelet(world);
  world.runtime.execs["drain"].exit_code = 3;
  auto pod = Editable({});
  PreStop(*pod, "c", "drain");
  kubelet.Snapshot({pod});
  kubelet.Snapshot({});
  world.Advance(1s);
  CHECK(Has(kubelet.messages, "FailedPreStopHook c: PreStopHook failed"));
  CHECK(Has(kubelet.messages, "Killing c: Stopping container c"));
  CHECK(world.runtime.Size() == 0);
}

TEST_CASE("sidecars end after the regular containers, in reverse order, and all hooks run at once") {
  World world;
  Kubelet kubelet(world);
  world.runtime.SetStopTakes(3s);
  world.runtime.execs["drain"].takes = 1s;
  PodSpec spec;
  spec.containers = {"a", "b"};
  spec.sidecars = {"s1", "s2"};
  auto pod = Editable(spec);
  for (const char* name : {"a", "b", "s1", "s2"}) PreStop(*pod, name, "drain");
  kubelet.Snapshot({pod});
  world.Advance(1s);
  REQUIRE(world.runtime.Running("web").size() == 4);
  auto from = world.clock.Mono();
  kubelet.Snapshot({});
  world.Advance(100ms);
  CHECK(world.runtime.Count("ExecSync", "drain") == 4);
  world.Advance(30s);
  CHECK(Signals(world, from) == Strings{"a +1/29", "b +1/29", "s2 +4/26", "s1 +7/23"});
  CHECK(world.runtime.Size() == 0);
}

TEST_CASE("a sidecar waits no longer than its grace period") {
  World world;
  Kubelet kubelet(world);
  world.runtime.SetStopTakes("c", 100s);
  PodSpec spec;
  spec.grace = 6;
  spec.sidecars = {"s"};
  kubelet.Snapshot({MakePod(spec)});
  world.Advance(1s);
  auto from = world.clock.Mono();
  kubelet.Snapshot({});
  world.Advance(30s);
  CHECK(Signals(world, from) == Strings{"c +0/6", "s +6/2"});
}

TEST_CASE("a pod that ran to its end stops its sidecars in order and is over") {
  World world;
  Kubelet kubelet(world);
  world.runtime.SetStopTakes(2s);
  PodSpec spec;
  spec.policy = "Never";
  spec.sidecars = {"s1", "s2"};
  kubelet.Snapshot({MakePod(spec)});
  world.Advance(1s);
  auto from = world.clock.Mono();
  world.runtime.Exit("web", "c", 0);
  world.Advance(20s);
  CHECK(Signals(world, from) == Strings{"s2 +0/30", "s1 +2/28"});
  CHECK(kubelet.StateOf("u1") == "Ended");
  CHECK(world.runtime.Starts("web", "s1") == 1);
}

TEST_CASE("a forced deletion cuts a hook short") {
  base::Registry metrics;
  World world;
  Kubelet::Options options;
  options.metrics = &metrics;
  Kubelet kubelet(world, options);
  PodSpec spec;
  spec.grace = 100;
  auto pod = Editable(spec);
  Of(*pod, "c").mutable_lifecycle()->mutable_pre_stop()->mutable_sleep()->set_seconds(60);
  kubelet.Snapshot({pod});
  auto from = world.clock.Mono();
  kubelet.workers->Stop("u1", "deleted");
  world.Advance(10s);
  CHECK(world.runtime.signals.empty());
  kubelet.workers->Stop("u1", "deleted at once", 1s);
  world.Advance(5s);
  CHECK(Signals(world, from) == Strings{"c +11/2"});
  CHECK(metrics.Render().find("kubelet_sleep_action_terminated_early_total 2") != std::string::npos);
}

TEST_CASE("a hook that was done is not run again when the stop behind it failed") {
  World world;
  Kubelet kubelet(world);
  world.runtime.Inject({"StopContainer", "web/", Fault::Kind::kFail, 2});
  auto pod = Editable({});
  PreStop(*pod, "c", "drain");
  kubelet.Snapshot({pod});
  kubelet.Snapshot({});
  world.Advance(20s);
  CHECK(world.runtime.Count("StopContainer") >= 3);
  CHECK(world.runtime.Count("ExecSync", "drain") == 1);
  CHECK(world.runtime.Size() == 0);
}

TEST_CASE("a kubelet killed in the middle of a preStop hook is followed by one that runs it again") {
  World world;
  world.runtime.execs["drain"].takes = 10s;
  PodSpec spec;
  spec.source = "api";
  auto pod = Editable(spec);
  Kubelet::Options options;
  options.sources = {"api"};
  PreStop(*pod, "c", "drain");
  auto deleted = std::make_shared<Pod>(*pod);
  deleted->mutable_metadata()->mutable_deletion_timestamp()->set_seconds(1);
  deleted->mutable_metadata()->set_deletion_grace_period_seconds(30);
  {
    Kubelet first(world, options);
    first.Snapshot({pod}, true, "api");
    first.Snapshot({deleted}, true, "api");
    world.Advance(4s);
    CHECK(world.runtime.Count("ExecSync", "drain") == 1);
    first.client.CutAfter(0);
  }
  world.runtime.signals.clear();
  Kubelet second(world, options);
  auto from = world.clock.Mono();
  second.Snapshot({deleted}, true, "api");
  world.Advance(20s);
  CHECK(world.runtime.Count("ExecSync", "drain") == 2);
  CHECK(Signals(world, from) == Strings{"c +10/20"});
}

TEST_CASE("the hook of a pod that nobody knows any more comes from its container") {
  World world;
  {
    Kubelet first(world);
    auto pod = Editable({});
    PreStop(*pod, "c", "drain");
    first.Snapshot({pod});
    first.client.CutAfter(0);
  }
  Kubelet second(world);
  second.Snapshot({});
  world.Advance(5s);
  CHECK(world.runtime.Count("ExecSync", "drain") == 1);
  CHECK(Has(second.messages, "Killing c: Stopping container c"));
  CHECK(world.runtime.Size() == 0);
}

TEST_CASE("a hook that hangs delays its own pod only") {
  World world;
  Kubelet kubelet(world);
  world.runtime.Inject({"ExecSync", "stuck/", Fault::Kind::kHang, -1});
  PodSpec stuck, other;
  stuck.name = "stuck";
  stuck.uid = "u2";
  auto pod = Editable(stuck);
  bool post = GENERATE(true, false);
  if (post) {
    PostStart(*pod, "c", "warm");
  } else {
    PreStop(*pod, "c", "drain");
  }
  kubelet.Snapshot({pod});
  kubelet.Snapshot({pod, MakePod(other)});
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
  kubelet.Snapshot({});
  world.Advance(1s);
  CHECK(world.runtime.SizeOf("web") == 0);
  CHECK(world.runtime.SizeOf("stuck") > 0);
  world.Advance(60s);
  CHECK(world.runtime.SizeOf("stuck") == 0);
}

TEST_CASE("containers after one with a postStart hook wait for it") {
  World world;
  Kubelet kubelet(world);
  world.runtime.execs["warm"].takes = 5s;
  PodSpec spec;
  spec.containers = {"a", "b"};
  auto pod = Editable(spec);
  PostStart(*pod, "a", "warm");
  kubelet.Snapshot({pod});
  world.Advance(4s);
  CHECK(world.runtime.RunningOne("web", "a") != nullptr);
  CHECK(world.runtime.RunningOne("web", "b") == nullptr);
  world.Advance(2s);
  CHECK(world.runtime.RunningOne("web", "b") != nullptr);
  CHECK(world.runtime.Count("ExecSync") == 1);
}

TEST_CASE("a container whose postStart hook fails is ended with its grace, and restarts by its policy") {
  World world;
  Kubelet kubelet(world);
  world.runtime.execs["warm"] = {1s, 1, "cold"};
  auto policy = GENERATE("Always", "Never");
  PodSpec spec;
  spec.policy = policy;
  auto pod = Editable(spec);
  PostStart(*pod, "c", "warm");
  PreStop(*pod, "c", "drain");
  auto from = world.clock.Mono();
  kubelet.Snapshot({pod});
  world.Advance(1500ms);
  CHECK(Has(kubelet.messages, "FailedPostStartHook c: PostStartHook failed"));
  CHECK(Has(kubelet.messages, "Killing c: FailedPostStartHook"));
  CHECK(world.runtime.Count("ExecSync", "drain") == 1);
  REQUIRE_FALSE(world.runtime.signals.empty());
  CHECK(Signals(world, from).front() == "c +1/30");
  world.Advance(3s);
  if (std::string(policy) == "Never") {
    CHECK(kubelet.StateOf("u1") == "Ended");
    CHECK(world.runtime.Starts("web", "c") == 1);
  } else {
    CHECK(world.runtime.Starts("web", "c") == 2);
    CHECK(kubelet.Waits("u1", "c") == "CrashLoopBackOff");
  }
}

TEST_CASE("a forced deletion does not wait for a postStart hook") {
  World world;
  Kubelet kubelet(world);
  world.runtime.Inject({"ExecSync", "", Fault::Kind::kHang, -1});
  auto pod = Editable({});
  PostStart(*pod, "c", "warm");
  kubelet.Snapshot({pod});
  kubelet.workers->Stop("u1", "deleted", 1s);
  world.Advance(1500ms);
  CHECK(world.runtime.signals.size() == 1);
  CHECK_FALSE(Has(kubelet.events, "web FailedPostStartHook"));
}

// Verdicts by name of the container, for the instance that runs.
struct FakeHealth : runtime::Health {
  std::map<std::string, runtime::ContainerHealth> by_name;
  std::map<runtime::ContainerId, runtime::ContainerHealth> by_id;
  runtime::ContainerHealth Of(const Pod&, const api::core::Container& c,
                              const runtime::ContainerStatus& status) const override {
    if (auto it = by_id.find(status.id); it != by_id.end()) return it->second;
    auto it = by_name.find(c.name());
    runtime::ContainerHealth fine;
    fine.started = fine.ready = true;
    return it == by_name.end() ? fine : it->second;
  }
};

TEST_CASE("the next init container starts when the startup probe of the sidecar succeeds") {
  World world;
  FakeHealth health;
  health.by_name["s"] = {};
  Kubelet::Options options;
  options.health = &health;
  Kubelet kubelet(world, options);
  PodSpec spec;
  spec.sidecars = {"s"};
  kubelet.Snapshot({MakePod(spec)});
  world.Advance(10s);
  CHECK(world.runtime.RunningOne("web", "s") != nullptr);
  CHECK(world.runtime.RunningOne("web", "c") == nullptr);
  health.by_name["s"].started = true;
  kubelet.workers->Wake("u1");
  world.Run();
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
}

TEST_CASE("a container that fails a probe is ended with the probe's grace, its hook first, and started again") {
  struct Row {
    const char* policy;
    bool liveness;
    bool deleted;  // the API server's word counts instead
    const char* signal;
    int starts;
  };
  auto row = GENERATE(Row{"Always", true, false, "c +1/6", 2}, Row{"Always", false, false, "c +1/4", 2},
                      Row{"OnFailure", true, false, "c +1/6", 2}, Row{"Never", true, false, "c +1/6", 1});
  World world;
  FakeHealth health;
  Kubelet::Options options;
  options.health = &health;
  Kubelet kubelet(world, options);
  world.runtime.SetStopExitCode(0);
  world.runtime.execs["drain"].takes = 1s;
  PodSpec spec;
  spec.policy = row.policy;
  auto pod = Editable(spec);
  PreStop(*pod, "c", "drain");
  Of(*pod, "c").mutable_liveness_probe()->set_termination_grace_period_seconds(7);
  Of(*pod, "c").mutable_startup_probe()->set_termination_grace_period_seconds(5);
  kubelet.Snapshot({pod});
  auto& verdict = health.by_id[world.runtime.RunningOne("web", "c")->status.id];
  (row.liveness ? verdict.liveness_failed : verdict.startup_failed) = true;
  auto from = world.clock.Mono();
  kubelet.workers->Wake("u1");
  world.Advance(5s);
  CHECK(Signals(world, from) == Strings{row.signal});
  CHECK(world.runtime.Starts("web", "c") == row.starts);
  std::string probe = row.liveness ? "liveness" : "startup";
  std::string killing = "Killing c: Container c failed " + probe + " probe";
  CHECK(Has(kubelet.messages, row.starts == 2 ? killing + ", will be restarted" : killing));
  CHECK(kubelet.StateOf("u1") == (row.starts == 2 ? "Syncing" : "Ended"));
}

TEST_CASE("a container that keeps failing its liveness probe comes to back off") {
  World world;
  FakeHealth health;
  health.by_name["c"].started = true;
  health.by_name["c"].liveness_failed = true;
  Kubelet::Options options;
  options.health = &health;
  Kubelet kubelet(world, options);
  kubelet.Snapshot({MakePod({})});
  world.Advance(5min);
  CHECK(kubelet.Waits("u1", "c") == "CrashLoopBackOff");
  CHECK(world.runtime.Starts("web", "c") >= 4);
  CHECK(world.runtime.Starts("web", "c") <= 8);
}

TEST_CASE("another image or other resources are another try: the back-off begins anew") {
  bool image = GENERATE(true, false);
  World world;
  Kubelet kubelet(world);
  world.runtime.SetLife("c", 100ms, 1);
  auto pod = Editable({});
  kubelet.Snapshot({pod});
  world.Advance(45s);
  REQUIRE(kubelet.Waits("u1", "c") == "CrashLoopBackOff");
  int starts = world.runtime.Starts("web", "c");
  auto edited = std::make_shared<Pod>(*pod);
  if (image) {
    Of(*edited, "c").set_image("image:2");
  } else {
    (*Of(*edited, "c").mutable_resources()->mutable_limits())["cpu"].set_string("2");
  }
  kubelet.Snapshot({edited});
  CHECK(world.runtime.Starts("web", "c") == starts + 1);
  CHECK(world.runtime.Breaches() == Strings{});
}

TEST_CASE("metrics count every start that is tried, and one that finds no image as failed") {
  World world;
  base::Registry metrics;
  world.runtime.pull_error["none:1"] = absl::NotFoundError("no such image");
  Kubelet::Options options;
  options.metrics = &metrics;
  Kubelet kubelet(world, options);
  auto text = [&metrics](const std::string& series) {
    std::string all = metrics.Render();
    size_t at = all.find("\n" + series + " ");
    if (at == std::string::npos) return std::string("absent");
    at += series.size() + 2;
    return all.substr(at, all.find('\n', at) - at);
  };
  const std::string tried = "kubelet_started_containers_total{container_type=\"container\"}";
  const std::string failed =
      "kubelet_started_containers_errors_total{code=\"ErrImagePull\",container_type=\"container\"}";
  PodSpec spec;
  spec.image = "none:1";
  kubelet.Snapshot({MakePod(spec)});
  REQUIRE(kubelet.Waits("u1", "c") == "ErrImagePull");
  CHECK(text(tried) == "1");
  CHECK(text(failed) == "1");
  CHECK(text("kubelet_run_podsandbox_duration_seconds_count{runtime_handler=\"\"}") == "1");
}

TEST_CASE("an exit that asks for it restarts all containers in their sandbox") {
  World world;
  world.runtime.SetLife("i", 1s, 0);
  Kubelet kubelet(world);
  PodSpec spec;
  spec.policy = "Never";
  spec.containers = {"a", "b"};
  spec.init = {"i"};
  spec.sidecars = {"s"};
  auto pod = Editable(spec);
  auto& a = Of(*pod, "a");
  a.set_restart_policy("Never");
  auto* rule = a.add_restart_policy_rules();
  rule->set_action("RestartAllContainers");
  rule->mutable_exit_codes()->set_operator_("In");
  rule->mutable_exit_codes()->add_values(42);
  kubelet.Snapshot({pod});
  world.Advance(3s);
  REQUIRE(world.runtime.Running("web").size() == 3);
  auto from = world.clock.Mono();
  world.runtime.Exit("web", "a", 42);
  world.Advance(5s);
  INFO(world.runtime.Dump());
  CHECK(Signals(world, from) == Strings{"b +0/2", "s +0/2"});
  for (const char* name : {"i", "s", "a", "b"}) CHECK(world.runtime.Starts("web", name) == 2);
  REQUIRE(world.runtime.RunningOne("web", "b") != nullptr);
  CHECK(world.runtime.RunningOne("web", "b")->status.attempt == 1);
  CHECK(world.runtime.Count("RunPodSandbox") == 1);
  CHECK(world.runtime.Breaches() == Strings{});
  // In a loop it backs off, as any container does.
  for (int k = 0; k < 4; ++k) {
    world.runtime.Exit("web", "a", 42);
    world.Advance(8s);
  }
  CHECK(kubelet.Waits("u1", "a") == "CrashLoopBackOff");
}

TEST_CASE("an ephemeral container joins a pod that runs, and nothing restarts") {
  World world;
  Kubelet kubelet(world);
  auto pod = Editable({});
  kubelet.Snapshot({pod});
  world.Advance(1s);
  auto id = world.runtime.RunningOne("web", "c")->status.id;
  auto edited = std::make_shared<Pod>(*pod);
  auto* e = edited->mutable_spec()->add_ephemeral_containers();
  e->mutable_ephemeral_container_common()->set_name("debug");
  e->mutable_ephemeral_container_common()->set_image("image:2");
  e->set_target_container_name("c");
  kubelet.Snapshot({edited});
  REQUIRE(world.runtime.RunningOne("web", "debug") != nullptr);
  CHECK(world.runtime.RunningOne("web", "debug")->namespaces.pid == runtime::NamespaceMode::kTarget);
  CHECK(world.runtime.RunningOne("web", "debug")->namespaces.target_id == id.str());
  CHECK(world.runtime.RunningOne("web", "c")->status.id == id);
  CHECK(Has(kubelet.messages, "Started debug: Container started"));
  world.runtime.Exit("web", "debug", 1);
  world.Advance(2min);
  CHECK(world.runtime.Starts("web", "debug") == 1);
  CHECK(world.runtime.Starts("web", "c") == 1);
}

TEST_CASE("an ephemeral container whose target is not there says so") {
  World world;
  Kubelet kubelet(world);
  auto pod = Editable({});
  auto* e = pod->mutable_spec()->add_ephemeral_containers();
  e->mutable_ephemeral_container_common()->set_name("debug");
  e->mutable_ephemeral_container_common()->set_image("image:2");
  e->set_target_container_name("nobody");
  kubelet.Snapshot({pod});
  CHECK(kubelet.Waits("u1", "debug") == "CreateContainerConfigError");
  CHECK(Has(kubelet.messages, "Failed debug: Error: unable to find target container nobody"));
  CHECK(world.runtime.RunningOne("web", "c") != nullptr);
}

}  // namespace
}  // namespace kubelet::test
