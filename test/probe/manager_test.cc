#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "fakes/pods.h"
#include "kubelet/base/promise.h"
#include "kubelet/probe/probe_manager.h"

namespace kubelet::probe {
namespace {

using namespace std::chrono_literals;
using base::Task;
using Containers = std::vector<runtime::ContainerStatus>;

// Answers as told, by the command of the exec probe; a gated one answers when it is let go.
class Script : public Prober {
 public:
  explicit Script(base::Executor executor, base::Clock& clock)
      : executor_(std::move(executor)), clock_(clock) {}
  Task<Outcome> Run(Action action, std::chrono::seconds timeout) override {
    const auto& exec = std::get<ExecAction>(action);
    std::string what = exec.command.front();
    calls.push_back({what, exec.container.str(), clock_.Mono(), timeout});
    ++running;
    if (gated.contains(what)) {
      base::Promise<bool> gate(executor_);
      gates.push_back(gate);
      co_await gate.Get();
    }
    --running;
    Outcome outcome = answers.contains(what) ? answers[what] : Outcome{Result::kSuccess, ""};
    co_return outcome;
  }
  struct Call {
    std::string what, container;
    base::MonoTime at;
    std::chrono::seconds timeout;
  };
  int Count(const std::string& what) const {
    return static_cast<int>(
        std::count_if(calls.begin(), calls.end(), [&](const auto& c) { return c.what == what; }));
  }
  std::vector<Call> calls;
  std::map<std::string, Outcome> answers;
  std::set<std::string> gated;
  std::vector<base::Promise<bool>> gates;
  int running = 0;

 private:
  base::Executor executor_;
  base::Clock& clock_;
};

const Outcome kFail{Result::kFailure, "no"}, kFine{Result::kSuccess, ""},
    kBroken{Result::kUnknown, "broken"};

void Give(api::core::Probe* probe, const std::string& what, int period = 10, int failures = 3,
          int delay = 0) {
  probe->mutable_handler()->mutable_exec()->add_command(what);
  probe->set_period_seconds(period);
  probe->set_failure_threshold(failures);
  probe->set_initial_delay_seconds(delay);
  probe->set_timeout_seconds(1);
  probe->set_success_threshold(1);
}

struct ManagerBench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::Registry metrics;
  Script script{io.get_executor(), clock};
  std::vector<std::string> changes, events, saved;
  double random = 0;
  std::unique_ptr<ProbeManager> manager;

  ManagerBench() { Make(); }
  ~ManagerBench() {
    manager.reset();
    for (auto& gate : script.gates) gate.Set(true);
    Run();
  }
  void Make() {
    ProbeManager::Deps deps{io.get_executor(),
                            clock,
                            script,
                            [this](const std::string& uid) { changes.push_back(uid); },
                            [this](const auto&, const runtime::PodEvent& e) {
                              events.push_back(e.container + " " + e.reason + ": " + e.message);
                            },
                            [] { return std::vector<std::string>{"192.168.0.1"}; },
                            [this](std::string text) { saved.push_back(std::move(text)); },
                            &metrics,
                            [this] { return random; }};
    manager = std::make_unique<ProbeManager>(std::move(deps), ProbeManager::Options());
  }
  // kill -9 and start: nothing of the old one is asked, the metrics begin anew elsewhere.
  void Restart() {
    manager.reset();
    Run();
    ProbeManager::Deps deps{io.get_executor(),
                            clock,
                            script,
                            [this](const std::string& uid) { changes.push_back(uid); },
                            nullptr,
                            nullptr,
                            [this](std::string text) { saved.push_back(std::move(text)); },
                            nullptr,
                            [this] { return random; }};
    manager = std::make_unique<ProbeManager>(std::move(deps), ProbeManager::Options());
  }
  void Run() {
    io.restart();
    io.poll();
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] { Run(); });
  }
  runtime::ContainerStatus Running(const std::string& name, const std::string& id) {
    runtime::ContainerStatus status;
    status.id = runtime::ContainerId(id);
    status.name = name;
    status.state = runtime::ContainerState::kRunning;
    status.started_at = clock.Now();
    return status;
  }
  static runtime::ObservedPodPtr Seen(const std::vector<runtime::ContainerStatus>& containers) {
    auto observed = std::make_shared<runtime::ObservedPod>();
    observed->containers = containers;
    observed->ips = {"10.0.0.9"};
    return observed;
  }
  runtime::ContainerHealth Health(const api::core::Pod& pod,
                                  const runtime::ContainerStatus& status) const {
    for (const auto& c : pod.spec().containers()) {
      if (c.name() == status.name) return manager->Of(pod, c, status);
    }
    for (const auto& c : pod.spec().init_containers()) {
      if (c.name() == status.name) return manager->Of(pod, c, status);
    }
    FAIL("no such container");
    return {};
  }
};

std::shared_ptr<api::core::Pod> Pod(test::PodSpec spec = {}) {
  return std::make_shared<api::core::Pod>(*test::MakePod(spec));
}

TEST_CASE("a container without probes is started and ready and costs nothing") {
  ManagerBench b;
  auto pod = Pod();
  auto c = b.Running("c", "id1");
  b.manager->Sync(pod, b.Seen({c}));
  CHECK(b.manager->workers() == 0);
  CHECK(b.Health(*pod, c).started);
  CHECK(b.Health(*pod, c).ready);
}

TEST_CASE(
    "readiness: not before the delay, ready with the first success, unready at the threshold") {
  ManagerBench b;
  auto pod = Pod();
  Give(pod->mutable_spec()->mutable_containers(0)->mutable_readiness_probe(), "ready", 10, 2, 30);
  auto c = b.Running("c", "id1");
  b.manager->Sync(pod, b.Seen({c}));
  b.Advance(29'999ms);
  CHECK(b.script.calls.empty());
  CHECK(b.Health(*pod, c).started);
  CHECK_FALSE(b.Health(*pod, c).ready);
  b.Advance(1ms);
  CHECK(b.script.Count("ready") == 1);
  CHECK(b.Health(*pod, c).ready);
  CHECK(b.changes == std::vector<std::string>{"u1"});
  b.script.answers["ready"] = kFail;
  b.Advance(10s);
  CHECK(b.Health(*pod, c).ready);
  b.Advance(10s);
  CHECK_FALSE(b.Health(*pod, c).ready);
  CHECK(b.changes.size() == 2);
  CHECK(b.events.size() == 2);
  CHECK(b.events.back() == "c Unhealthy: Readiness probe failed: no");
}

TEST_CASE("liveness: fails at the threshold, holds still, begins anew with the next container") {
  ManagerBench b;
  auto pod = Pod();
  Give(pod->mutable_spec()->mutable_containers(0)->mutable_liveness_probe(), "live", 5, 2);
  b.script.answers["live"] = kFail;
  auto c = b.Running("c", "id1");
  b.manager->Sync(pod, b.Seen({c}));
  b.Advance(0s);
  CHECK_FALSE(b.Health(*pod, c).liveness_failed);
  b.Advance(5s);
  auto health = b.Health(*pod, c);
  CHECK(health.liveness_failed);
  CHECK(health.message == "no");
  CHECK(health.ready);  // what readiness says is another matter
  CHECK(b.changes.size() == 1);
  b.Advance(60s);
  CHECK(b.script.Count("live") == 2);
  auto dead = c;
  dead.state = runtime::ContainerState::kExited;
  b.manager->Sync(pod, b.Seen({dead}));
  b.Advance(60s);
  CHECK(b.script.Count("live") == 2);
  auto next = b.Running("c", "id2");
  b.manager->Sync(pod, b.Seen({next, dead}));
  CHECK_FALSE(b.Health(*pod, next).liveness_failed);
  b.Advance(1s);
  CHECK(b.script.Count("live") == 3);
  CHECK(b.script.calls.back().container == "id2");
}

TEST_CASE("a startup probe gates the others; readiness follows at once") {
  ManagerBench b;
  auto pod = Pod();
  auto* spec = pod->mutable_spec()->mutable_containers(0);
  Give(spec->mutable_startup_probe(), "up", 10, 30);
  Give(spec->mutable_readiness_probe(), "ready", 60);
  Give(spec->mutable_liveness_probe(), "live", 1, 1);
  b.script.answers["up"] = kFail;
  b.script.answers["live"] = kFail;
  auto c = b.Running("c", "id1");
  b.manager->Sync(pod, b.Seen({c}));
  b.Advance(95s);
  CHECK(b.script.Count("up") == 10);
  CHECK(b.script.Count("ready") == 0);
  CHECK(b.script.Count("live") == 0);
  CHECK_FALSE(b.Health(*pod, c).started);
  CHECK_FALSE(b.Health(*pod, c).startup_failed);
  b.script.answers["up"] = kFine;
  b.Advance(5s);
  CHECK(b.Health(*pod, c).started);
  b.Advance(0s);
  CHECK(b.Health(*pod, c).ready);
  CHECK(b.Health(*pod, c).liveness_failed);
  b.Advance(100s);
  CHECK(b.script.Count("up") == 11);
}

TEST_CASE("a startup probe that fails for good asks for a restart") {
  ManagerBench b;
  auto pod = Pod();
  auto* spec = pod->mutable_spec()->mutable_containers(0);
  Give(spec->mutable_startup_probe(), "up", 1, 3);
  Give(spec->mutable_readiness_probe(), "ready", 1);
  b.script.answers["up"] = kFail;
  auto c = b.Running("c", "id1");
  b.manager->Sync(pod, b.Seen({c}));
  b.Advance(10s);
  CHECK(b.script.Count("up") == 3);
  CHECK(b.script.Count("ready") == 0);
  CHECK(b.Health(*pod, c).startup_failed);
  CHECK_FALSE(b.Health(*pod, c).started);
}

TEST_CASE("sidecars are probed, init containers are not") {
  ManagerBench b;
  auto pod = Pod({.init = {"i"}, .sidecars = {"s"}});
  for (auto& c : *pod->mutable_spec()->mutable_init_containers()) {
    Give(c.mutable_startup_probe(), c.name() + "-up", 1);
    Give(c.mutable_readiness_probe(), c.name() + "-ready", 1);
  }
  auto s = b.Running("s", "id-s"), i = b.Running("i", "id-i");
  b.manager->Sync(pod, b.Seen({s, i}));
  CHECK(b.manager->workers() == 2);
  b.Advance(5s);
  CHECK(b.script.Count("s-up") == 1);
  CHECK(b.script.Count("i-up") == 0);
  CHECK(b.Health(*pod, s).started);
  CHECK(b.Health(*pod, s).ready);
}

TEST_CASE("while a pod ends its readiness goes on, liveness and startup are over") {
  ManagerBench b;
  auto pod = Pod({.containers = {"c", "slow"}});
  auto* spec = pod->mutable_spec()->mutable_containers(0);
  Give(spec->mutable_readiness_probe(), "ready", 1, 1);
  Give(spec->mutable_liveness_probe(), "live", 1, 1);
  auto* slow = pod->mutable_spec()->mutable_containers(1);
  Give(slow->mutable_startup_probe(), "up", 1, 100);
  Give(slow->mutable_readiness_probe(), "slow-ready", 1);
  b.script.answers["up"] = kFail;
  auto c = b.Running("c", "id1"), s = b.Running("slow", "id2");
  b.manager->Sync(pod, b.Seen({c, s}));
  b.Advance(3s);
  CHECK(b.Health(*pod, c).ready);
  int live = b.script.Count("live"), up = b.script.Count("up");
  SECTION("told by the worker") { b.manager->StopLivenessAndStartup("u1"); }
  SECTION("seen in the object") {
    auto deleted = std::make_shared<api::core::Pod>(*pod);
    deleted->mutable_metadata()->mutable_deletion_timestamp()->set_seconds(1);
    b.manager->Sync(deleted, b.Seen({c, s}));
  }
  b.script.answers["ready"] = kFail;
  b.script.answers["live"] = kFail;
  b.Advance(3s);
  CHECK(b.script.Count("live") == live);
  CHECK(b.script.Count("up") == up);
  CHECK_FALSE(b.Health(*pod, c).ready);
  CHECK_FALSE(b.Health(*pod, c).liveness_failed);
  CHECK(b.Health(*pod, s).started);
  CHECK(b.Health(*pod, s).ready);
  int ready = b.script.Count("ready");
  b.manager->Remove("u1");
  b.Advance(10s);
  CHECK(b.script.Count("ready") == ready);
  CHECK(b.manager->workers() == 0);
}

TEST_CASE(
    "an answer about a container that is gone, or to a probe that is over, counts for nothing") {
  ManagerBench b;
  auto pod = Pod();
  Give(pod->mutable_spec()->mutable_containers(0)->mutable_liveness_probe(), "live", 1, 1);
  b.script.answers["live"] = kFail;
  b.script.gated.insert("live");
  auto c = b.Running("c", "id1");
  b.manager->Sync(pod, b.Seen({c}));
  b.Advance(0s);
  REQUIRE(b.script.gates.size() == 1);
  auto next = c;
  SECTION("another container") {
    next = b.Running("c", "id2");
    b.manager->Sync(pod, b.Seen({next, c}));
  }
  SECTION("the pod is ending") { b.manager->StopLivenessAndStartup("u1"); }
  b.script.gated.clear();
  b.script.gates[0].Set(true);
  b.Run();
  CHECK(b.changes.empty());
  CHECK(b.events.empty());
  CHECK_FALSE(b.Health(*pod, next).liveness_failed);
}

TEST_CASE("a probe that hangs holds up nobody but itself") {
  ManagerBench b;
  auto pod = Pod({.containers = {"c", "d"}});
  Give(pod->mutable_spec()->mutable_containers(0)->mutable_readiness_probe(), "hangs", 1);
  Give(pod->mutable_spec()->mutable_containers(1)->mutable_readiness_probe(), "fine", 1);
  b.script.gated.insert("hangs");
  auto c = b.Running("c", "id1"), d = b.Running("d", "id2");
  b.manager->Sync(pod, b.Seen({c, d}));
  b.Advance(20s);
  CHECK(b.script.Count("hangs") == 1);
  CHECK(b.script.Count("fine") == 20);
  b.script.gated.clear();
  b.script.gates[0].Set(true);
  b.Advance(1s);
  CHECK(b.script.Count("hangs") >= 2);
  CHECK(b.script.Count("hangs") <= 3);  // what was missed is not made up for
}

TEST_CASE("errors of the probe itself are told and change nothing") {
  ManagerBench b;
  auto pod = Pod({.containers = {"c", "d"}});
  Give(pod->mutable_spec()->mutable_containers(0)->mutable_liveness_probe(), "live", 1, 1);
  auto* port = pod->mutable_spec()->mutable_containers(1)->mutable_liveness_probe();
  port->mutable_handler()->mutable_tcp_socket()->mutable_port()->set_type(1);
  port->mutable_handler()->mutable_tcp_socket()->mutable_port()->set_str_val("http");
  port->set_failure_threshold(1);
  port->set_period_seconds(100);
  b.script.answers["live"] = kBroken;
  auto c = b.Running("c", "id1"), d = b.Running("d", "id2");
  b.manager->Sync(pod, b.Seen({c, d}));
  b.Advance(0s);
  CHECK(b.changes.empty());
  CHECK_FALSE(b.Health(*pod, c).liveness_failed);
  CHECK(b.events ==
        std::vector<std::string>{
            "d Unhealthy: Liveness probe errored and resulted in unknown state: strconv.Atoi: "
            "parsing "
            "\"http\": invalid syntax",
            "c Unhealthy: Liveness probe errored and resulted in unknown state: broken"});
}

TEST_CASE("five hundred probes of one second start a few at a time") {
  ManagerBench b;
  std::vector<std::shared_ptr<api::core::Pod>> pods;
  for (int i = 0; i < 500; ++i) {
    auto pod = Pod({.uid = "u" + std::to_string(i)});
    Give(pod->mutable_spec()->mutable_containers(0)->mutable_liveness_probe(), "live", 1);
    b.manager->Sync(pod, b.Seen({b.Running("c", "id" + std::to_string(i))}));
    pods.push_back(pod);
  }
  // All due at the same moment (random is 0): between any few there is a turn of the loop.
  b.clock.Advance(0s);
  int last = 0, most = 0, turns = 0;
  b.io.restart();
  while (b.io.poll_one() > 0) {
    int started = static_cast<int>(b.script.calls.size());
    most = std::max(most, started - last);
    last = started;
    ++turns;
  }
  CHECK(last == 500);
  CHECK(most <= 8);
  CHECK(turns > 60);
}

TEST_CASE(
    "probes that are due at nearly the same moment share a wake-up, and none is early or drifts") {
  ManagerBench b;
  std::vector<std::shared_ptr<api::core::Pod>> pods;
  auto begun = b.clock.Mono();
  for (double random : {0.101, 0.107, 0.119, 0.121}) {
    b.random = random;
    auto pod = Pod({.uid = "u" + std::to_string(random)});
    Give(pod->mutable_spec()->mutable_containers(0)->mutable_liveness_probe(), "live", 1);
    b.manager->Sync(pod, b.Seen({b.Running("c", "id" + std::to_string(random))}));
    pods.push_back(pod);
  }
  for (auto second : {0s, 1s, 2s, 60s}) {
    b.Advance(begun + second + 119ms - b.clock.Mono());
    auto before = b.script.calls.size();
    b.Advance(1ms);
    CHECK(b.script.calls.size() == before + 3);
    b.Advance(19ms);
    CHECK(b.script.calls.size() == before + 3);
    b.Advance(1ms);
    CHECK(b.script.calls.size() == before + 4);
  }
}

TEST_CASE("verdicts of static pods survive a restart by the saved text") {
  ManagerBench b;
  auto pod = Pod();
  auto* spec = pod->mutable_spec()->mutable_containers(0);
  Give(spec->mutable_startup_probe(), "up", 1);
  Give(spec->mutable_readiness_probe(), "ready", 1, 1);
  auto c = b.Running("c", "id1");
  b.manager->Sync(pod, b.Seen({c}));
  b.Advance(3s);
  REQUIRE(b.Health(*pod, c).ready);
  REQUIRE_FALSE(b.saved.empty());
  CHECK(b.saved.size() <= 3);  // written in batches
  b.script.answers["ready"] = kFail;
  b.random = 0.9;
  std::string kept = b.saved.back();
  b.Restart();
  b.manager->Restore(kept);
  CHECK(b.Health(*pod, c).ready);  // asked before anything was synced
  b.manager->Sync(pod, b.Seen({c}));
  CHECK(b.Health(*pod, c).started);
  CHECK(b.Health(*pod, c).ready);
  int up = b.script.Count("up");
  b.Advance(2s);
  CHECK_FALSE(b.Health(*pod, c).ready);  // now a probe has said otherwise
  CHECK(b.script.Count("up") == up);
}

TEST_CASE("verdicts of API pods survive by what the server shows of the same container") {
  struct Row {
    const char* what;
    const char* id;
    bool started, ready;
    bool is_static;
    base::Nanos age;
    bool want_started, want_ready;
  };
  const Row rows[] = {
      {"shown ready", "containerd://id1", true, true, false, 60s, true, true},
      {"shown started", "containerd://id1", true, false, false, 60s, true, false},
      {"shown neither", "containerd://id1", false, false, false, 60s, false, false},
      {"another container is shown", "containerd://id0", true, true, false, 60s, false, false},
      {"a static pod nobody knows of", "", false, false, true, 60s, true, true},
      {"a static pod that had just begun", "", false, false, true, 5s, false, false},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    ManagerBench b;
    auto pod = Pod({.source = row.is_static ? "file" : "api"});
    auto* spec = pod->mutable_spec()->mutable_containers(0);
    Give(spec->mutable_startup_probe(), "up", 10);
    Give(spec->mutable_readiness_probe(), "ready", 10);
    auto* shown = pod->mutable_status()->add_container_statuses();
    shown->set_name("c");
    shown->set_container_id(row.id);
    shown->set_started(row.started);
    shown->set_ready(row.ready);
    auto c = b.Running("c", "id1");
    b.Advance(row.age);
    b.Restart();
    for (bool synced : {false, true}) {
      INFO(synced);
      if (synced) b.manager->Sync(pod, b.Seen({c}));
      CHECK(b.Health(*pod, c).started == row.want_started);
      CHECK(b.Health(*pod, c).ready == row.want_ready);
    }
  }
}

TEST_CASE("saved text: garbage is ignored") {
  ManagerBench b;
  for (const char* text : {"", "x", "probe results 1\nabc", "probe results 1\nid1 sr extra\nid2",
                           "probe results 2\nid1 sr\n"}) {
    b.manager->Restore(text);
  }
  auto pod = Pod();
  Give(pod->mutable_spec()->mutable_containers(0)->mutable_readiness_probe(), "ready", 10);
  CHECK_FALSE(b.Health(*pod, b.Running("c", "id2")).ready);
}

TEST_CASE("metrics: upstream's names, dropped with the pod") {
  ManagerBench b;
  auto pod = Pod();
  Give(pod->mutable_spec()->mutable_containers(0)->mutable_liveness_probe(), "live", 1);
  auto c = b.Running("c", "id1");
  b.manager->Sync(pod, b.Seen({c}));
  b.Advance(2s);
  b.script.answers["live"] = kFail;
  b.Advance(1s);
  std::string text = b.metrics.Render();
  auto has = [&](const std::string& part) {
    return b.metrics.Render().find(part) != std::string::npos;
  };
  const std::string labels = R"(container="c",pod="web",namespace="ns",pod_uid="u1"} )";
  INFO(text);
  CHECK(has(R"(prober_probe_total{probe_type="Liveness",result="successful",)" + labels + "3"));
  CHECK(has(R"(prober_probe_total{probe_type="Liveness",result="failed",)" + labels + "1"));
  CHECK(has(
      R"(prober_probe_duration_seconds_count{probe_type="Liveness",container="c",pod="web",namespace="ns"} 3)"));
  b.manager->Remove("u1");
  CHECK_FALSE(has("prober_probe_total{"));
  CHECK_FALSE(has("prober_probe_duration_seconds_count"));
}

}  // namespace
}  // namespace kubelet::probe
