// Who may use what, and when a resize is let through.
#include "kubelet/resource/allocation.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "kubelet/api/pod.h"
#include "resource/pod_yaml.h"

namespace kubelet::resource {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;
using test::PodOf;

struct Want {
  std::string uid = "u1", cpu = "100m", memory = "64Mi";
  int priority = 0;
  bool guaranteed = false;
  int64_t generation = 1;
};

api::PodPtr Make(const Want& want) {
  std::string amounts = "{cpu: " + want.cpu + ", memory: " + want.memory + "}";
  auto pod = std::make_shared<api::core::Pod>(
      PodOf("{containers: [{name: c, image: i, resources: {requests: " + amounts +
                (want.guaranteed ? ", limits: " + amounts : "") + "}}]}",
            want.uid));
  pod->mutable_metadata()->set_name(want.uid);
  pod->mutable_metadata()->set_generation(want.generation);
  if (want.priority != 0) pod->mutable_spec()->set_priority(want.priority);
  return pod;
}

struct Capacity {
  int64_t cpu_milli = 0, memory_bytes = 0;
};
std::optional<Refusal> CheckFit(const api::core::Pod& pod, const std::vector<api::PodPtr>& others,
                                const Capacity& capacity) {
  auto asked = api::ComputePodResources(pod);
  int64_t cpu = 0, memory = 0;
  for (const auto& other : others) {
    cpu += api::ComputePodResources(*other).cpu_request_milli;
    memory += api::ComputePodResources(*other).memory_request;
  }
  if (asked.memory_request + memory > capacity.memory_bytes)
    return Refusal{"OutOfmemory", "memory"};
  if (asked.cpu_request_milli + cpu <= capacity.cpu_milli) return std::nullopt;
  return Refusal{"OutOfcpu", "cpu, used: " + std::to_string(cpu)};
}

base::Task<absl::Status> Nowhere(std::string, std::string) { co_return absl::OkStatus(); }

struct Rig {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  AllocationFile allocated{{io.get_executor(), clock, Nowhere}, "allocated"};
  AllocationFile actuated{{io.get_executor(), clock, Nowhere}, "actuated"};
  std::map<std::string, api::PodPtr> pods;
  Strings changed, events;
  bool ready = true;
  Capacity capacity{1000, 1 << 30};
  ResizeRules rules;
  base::Registry metrics;
  std::unique_ptr<Allocations> all;

  explicit Rig(ResizeRules with = {}) : rules(std::move(with)) {
    Allocations::Deps deps{io.get_executor(), clock,   allocated, actuated, nullptr,
                           nullptr,           nullptr, nullptr,   nullptr,  nullptr};
    deps.active = [this] {
      std::vector<api::PodPtr> out;
      for (const auto& [uid, pod] : pods) out.push_back(pod);
      return out;
    };
    deps.find = [this](const std::string& uid) { return pods.contains(uid) ? pods[uid] : nullptr; };
    deps.sources_ready = [this] { return ready; };
    deps.fits = [this](const api::core::Pod& pod, const std::vector<api::PodPtr>& others) {
      return CheckFit(pod, others, capacity);
    };
    deps.on_change = [this](const std::string& uid) { changed.push_back(uid); };
    deps.on_event = [this](const api::core::Pod& pod, bool, const std::string& reason,
                           const std::string&) {
      events.push_back(pod.metadata().uid() + " " + reason);
    };
    deps.metrics = &metrics;
    all = std::make_unique<Allocations>(std::move(deps), rules);
  }
  // Only what is due now: file writes end on their own time.
  void Run() {
    io.restart();
    io.poll();
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] { Run(); });
  }
  void Add(const Want& want) {
    pods[want.uid] = Make(want);
    all->Admitted(pods[want.uid]);
    Run();
  }
  void Update(const Want& want) {
    pods[want.uid] = Make(want);
    all->Updated(pods[want.uid]);
    Run();
  }
  void Remove(const std::string& uid) {
    pods.erase(uid);
    all->Removed(uid);
    Run();
  }
  std::string Cpu(const std::string& uid) {
    return all->Allocated(pods[uid])
        ->spec()
        .containers(0)
        .resources()
        .requests()
        .at("cpu")
        .string();
  }
  // `Type=Reason@generation`
  Strings Conditions(const std::string& uid) {
    Strings out;
    for (const auto& c : all->Conditions(uid))
      out.push_back(c.type() + "=" + c.reason() + "@" + std::to_string(c.observed_generation()));
    return out;
  }
};

TEST_CASE("a pod whose spec is what it was given stays the very object") {
  Rig rig;
  rig.Add({});
  CHECK(rig.all->Allocated(rig.pods["u1"]) == rig.pods["u1"]);
  CHECK(rig.all->Conditions("u1").empty());
  CHECK(rig.changed.empty());
  // The same amounts in other words are no resize.
  rig.Update({.cpu = "0.1"});
  CHECK(rig.all->Allocated(rig.pods["u1"]) == rig.pods["u1"]);
  CHECK(rig.events.empty());
}

TEST_CASE("a resize that fits is allocated, started, and completed when the runtime has it") {
  Rig rig;
  rig.Add({});
  rig.Update({.cpu = "200m", .generation = 2});
  CHECK(rig.Cpu("u1") == "200m");
  CHECK(rig.Conditions("u1") == Strings{"PodResizeInProgress=@2"});
  CHECK(rig.changed == Strings{"u1"});
  rig.all->Synced(*rig.pods["u1"], true, std::nullopt);
  CHECK(rig.changed.size() == 1);
  rig.all->Synced(*rig.pods["u1"], false, std::nullopt);
  CHECK(rig.Conditions("u1").empty());
  CHECK(rig.events == Strings{"u1 ResizeStarted", "u1 ResizeCompleted"});
  CHECK(rig.metrics.Render().find(
            "kubelet_container_requested_resizes_total{resource=\"cpu\",requirement=\"requests\","
            "operation=\"increase\"} 1") != std::string::npos);
}

TEST_CASE(
    "a resize that does not fit waits, keeps what the pod has, and goes on when another pod ends") {
  Rig rig;
  rig.Add({.uid = "u1", .cpu = "400m"});
  rig.Add({.uid = "u2", .cpu = "500m"});
  rig.Update({.uid = "u1", .cpu = "600m", .generation = 2});
  CHECK(rig.Cpu("u1") == "400m");
  CHECK(rig.Conditions("u1") == Strings{"PodResizePending=Deferred@2"});
  CHECK(rig.all->Conditions("u1")[0].message() == "cpu, used: 500");
  rig.Advance(10min);  // asked again and again, told once
  CHECK(rig.events == Strings{"u1 ResizeDeferred"});
  auto count = rig.changed.size();
  SECTION("removed") { rig.Remove("u2"); }
  SECTION("ended") {
    rig.pods.erase("u2");
    rig.all->Ended("u2");
    rig.Run();
  }
  SECTION("noticed by itself") {
    rig.pods.erase("u2");
    rig.Advance(3min);
  }
  CHECK(rig.Cpu("u1") == "600m");
  CHECK(rig.Conditions("u1") == Strings{"PodResizeInProgress=@2"});
  CHECK(rig.changed.size() == count + 1);
  CHECK(rig.metrics.Render().find("kubelet_pod_deferred_accepted_resizes_total{") !=
        std::string::npos);
}

TEST_CASE("a deferred resize that is taken back leaves no trace") {
  Rig rig;
  rig.Add({.cpu = "400m"});
  rig.Update({.cpu = "4", .generation = 2});
  CHECK(rig.Conditions("u1") == Strings{"PodResizePending=Deferred@2"});
  rig.Update({.cpu = "400m", .generation = 3});
  CHECK(rig.Conditions("u1").empty());
  CHECK_FALSE(rig.all->HasPending());
}

TEST_CASE(
    "the waiting are tried in order: no growth, priority, Guaranteed, whoever waited longest") {
  Rig rig;
  rig.capacity.cpu_milli = 700;
  for (const char* uid : {"a", "b", "c", "d", "e", "f"}) {
    bool guaranteed = *uid == 'c';
    rig.Add({.uid = uid, .cpu = "100m", .priority = *uid == 'd' ? 5 : 0, .guaranteed = guaranteed});
  }
  rig.Add({.uid = "full", .cpu = "100m"});
  auto ask = [&](const char* uid, const char* cpu) {
    rig.Update({.uid = uid,
                .cpu = cpu,
                .priority = *uid == 'd' ? 5 : 0,
                .guaranteed = *uid == 'c',
                .generation = 2});
    rig.Advance(1s);
  };
  ask("b", "150m");
  ask("a", "150m");
  ask("c", "150m");
  ask("d", "150m");
  rig.events.clear();
  // Room for one at a time.
  auto grow = [&] {
    rig.capacity.cpu_milli += 50;
    rig.Advance(3min);
  };
  for (int i = 0; i < 4; ++i) grow();
  CHECK(rig.events ==
        Strings{"d ResizeStarted", "c ResizeStarted", "b ResizeStarted", "a ResizeStarted"});
  rig.events.clear();
  rig.pods["e"] = Make({.uid = "e", .cpu = "120m", .priority = 9, .generation = 2});
  rig.pods["f"] = Make({.uid = "f", .cpu = "50m", .generation = 2});
  rig.all->Updated(rig.pods["e"]);
  rig.all->Updated(rig.pods["f"]);
  rig.Run();
  // What shrinks goes first, and counts until it has shrunk.
  CHECK(rig.events == Strings{"f ResizeStarted", "e ResizeStarted"});
}

// An API client reads "seen, and no resize under way" as done.
TEST_CASE("a resize that came and is not judged yet is told apart from one that is done") {
  Rig rig;
  rig.Add({});
  CHECK_FALSE(rig.all->Judging("u1"));
  Want more{.cpu = "200m", .generation = 2};
  rig.pods["u1"] = Make(more);
  rig.all->Updated(rig.pods["u1"]);
  CHECK(rig.all->Judging("u1"));
  CHECK(rig.all->Conditions("u1").empty());
  rig.changed.clear();
  rig.Run();
  CHECK_FALSE(rig.all->Judging("u1"));
  CHECK(rig.all->Conditions("u1").size() == 1);
  CHECK_FALSE(rig.changed.empty());
  // Also when the verdict is no news: another one of the same kind.
  rig.ready = false;
  Want most{.cpu = "300m", .generation = 3};
  rig.pods["u1"] = Make(most);
  rig.all->Updated(rig.pods["u1"]);
  rig.changed.clear();
  rig.Run();
  CHECK_FALSE(rig.changed.empty());
}

TEST_CASE("a pod that shrinks counts with what it still holds") {
  Rig rig;
  rig.Add({.uid = "u1", .cpu = "600m"});
  rig.actuated.SetContainer("u1", "c", rig.pods["u1"]->spec().containers(0).resources());
  rig.Add({.uid = "u2", .cpu = "400m"});
  rig.Update({.uid = "u1", .cpu = "100m", .generation = 2});
  rig.Update({.uid = "u2", .cpu = "800m", .generation = 2});
  CHECK(rig.Conditions("u2") == Strings{"PodResizePending=Deferred@2"});
  rig.actuated.SetContainer("u1", "c", rig.pods["u1"]->spec().containers(0).resources());
  rig.all->Synced(*rig.pods["u1"], false, std::nullopt);
  rig.Run();
  CHECK(rig.Conditions("u2") == Strings{"PodResizeInProgress=@2"});
}

TEST_CASE("what cannot be done is infeasible, told once, and not asked again") {
  ResizeRules rules;
  rules.static_cpu = true;
  Rig rig(rules);
  rig.Add({.guaranteed = true});
  rig.Update({.cpu = "200m", .guaranteed = true, .generation = 2});
  CHECK(rig.Conditions("u1") == Strings{"PodResizePending=Infeasible@2"});
  CHECK(rig.all->Conditions("u1")[0].message() ==
        "Resize is infeasible for Guaranteed Pods alongside CPU Manager policy \"static\"");
  rig.Advance(30min);
  CHECK(rig.events == Strings{"u1 ResizeInfeasible"});
  CHECK_FALSE(rig.all->HasPending());
  rig.Update({.memory = "128Mi", .guaranteed = true, .generation = 3});
  CHECK(rig.Conditions("u1") == Strings{"PodResizeInProgress=@3"});
}

TEST_CASE("reasons why a resize is infeasible") {
  struct Case {
    const char* name;
    std::string now, next;
    ResizeRules rules;
    std::string detail;  // empty: feasible
  };
  auto c = [](const std::string& resources, const std::string& more = "") {
    return "{containers: [{name: c, image: i" + more + ", resources: " + resources + "}]}";
  };
  ResizeRules swap, no_level, memory;
  swap.may_swap = [](const auto&, const auto&) { return true; };
  no_level.pod_level = false;
  memory.static_memory = true;
  std::string restart = ", resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]";
  std::vector<Case> cases = {
      {"plain", c("{requests: {cpu: 1}}"), c("{requests: {cpu: 2}}"), {}, ""},
      {"another QoS class",
       c("{requests: {cpu: 1, memory: 1Gi}}"),
       c("{requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}"),
       {},
       "not_a_resize"},
      {"a limit taken away",
       c("{requests: {cpu: 1}, limits: {cpu: 1}}"),
       c("{requests: {cpu: 1}}"),
       {},
       "not_a_resize"},
      {"memory with swap", c("{requests: {memory: 1Gi}}"), c("{requests: {memory: 2Gi}}"), swap,
       "swap_limitation"},
      {"memory with swap and a restart", c("{requests: {memory: 1Gi}}", restart),
       c("{requests: {memory: 2Gi}}", restart), swap, ""},
      {"CPU with swap", c("{requests: {cpu: 1}}"), c("{requests: {cpu: 2}}"), swap, ""},
      {"pod level without the gate",
       "{resources: {requests: {cpu: 1}}, containers: [{name: c, image: i}]}",
       "{resources: {requests: {cpu: 2}}, containers: [{name: c, image: i}]}", no_level,
       "plr_feature_gate_off"},
      {"memory of a Guaranteed pod, static memory",
       c("{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1, memory: 1Gi}}"),
       c("{limits: {cpu: 1, memory: 2Gi}, requests: {cpu: 1, memory: 2Gi}}"), memory,
       "guaranteed_pod_memory_manager_static_policy"},
      {"CPU of a Guaranteed pod, static memory",
       c("{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1, memory: 1Gi}}"),
       c("{limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 2, memory: 1Gi}}"), memory, ""},
  };
  for (const auto& one : cases) {
    INFO(one.name);
    auto found = CheckResize(PodOf(one.next), PodOf(one.now), one.rules);
    CHECK((found ? found->detail : "") == one.detail);
  }
}

TEST_CASE(
    "after a restart the allocation counts, not the spec, and a changed spec waits for all "
    "sources") {
  Rig rig;
  rig.allocated.SetContainer("u1", "c", Make({.cpu = "300m"})->spec().containers(0).resources());
  rig.ready = false;
  rig.Add({.cpu = "500m", .generation = 2});
  rig.Add({.uid = "u2", .cpu = "600m"});
  CHECK(rig.Cpu("u1") == "300m");
  rig.Advance(29s);
  CHECK(rig.Conditions("u1").empty());
  rig.ready = true;
  rig.Advance(2s);
  CHECK(rig.Conditions("u1") == Strings{"PodResizePending=Deferred@2"});
}

TEST_CASE("conditions that an earlier kubelet wrote go on from there") {
  Rig rig;
  auto pod = std::make_shared<api::core::Pod>(*Make({.generation = 2}));
  auto* c = pod->mutable_status()->add_conditions();
  c->set_type("PodResizeInProgress");
  c->set_status("True");
  c->set_observed_generation(2);
  rig.pods["u1"] = pod;
  rig.all->Admitted(pod);
  CHECK(rig.Conditions("u1") == Strings{"PodResizeInProgress=@2"});
  rig.all->Synced(*pod, false, std::nullopt);
  CHECK(rig.events == Strings{"u1 ResizeCompleted"});
}

TEST_CASE("an error of actuation shows until it is mended, with its generation") {
  Rig rig;
  rig.Add({});
  rig.Update({.cpu = "200m", .generation = 2});
  rig.all->Synced(*rig.pods["u1"], true, "the runtime said no");
  rig.all->Synced(*rig.pods["u1"], true, "the runtime said no");
  CHECK(rig.Conditions("u1") == Strings{"PodResizeInProgress=Error@2"});
  CHECK(rig.all->Conditions("u1")[0].message() == "the runtime said no");
  rig.all->Synced(*rig.pods["u1"], true, std::nullopt);
  CHECK(rig.Conditions("u1") == Strings{"PodResizeInProgress=Error@2"});
  CHECK(rig.events == Strings{"u1 ResizeStarted", "u1 ResizeError"});
  rig.all->Synced(*rig.pods["u1"], false, std::nullopt);
  CHECK(rig.Conditions("u1").empty());
}

TEST_CASE("a pod that is over is not resized") {
  Rig rig;
  rig.Add({.cpu = "400m"});
  rig.Update({.cpu = "4", .generation = 2});
  rig.all->Ended("u1");
  CHECK(rig.Conditions("u1").empty());
  CHECK_FALSE(rig.all->HasPending());
  rig.all->Forget("u1");
  CHECK(rig.allocated.Get("u1") == nullptr);
}

TEST_CASE("the text of resize events") {
  auto pod = PodOf(
      "{initContainers: [{name: s, image: i, restartPolicy: Always}], containers: [{name: c, "
      "image: i, resources: "
      "{requests: {cpu: 100m}}}]}");
  CHECK(
      ResizeMessage(pod, 3, "", "Pod resize started") ==
      R"(Pod resize started: {"initContainers":[{"name":"s","resources":{}}],"containers":[{"name":"c","resources":)"
      R"({"requests":{"cpu":"100m"}}}],"generation":3})");
  CHECK(ResizeMessage(PodOf("{}"), 0, "a \"b\"", "Pod resize error") ==
        R"(Pod resize error: {"generation":0,"error":"a \"b\""})");
}

}  // namespace
}  // namespace kubelet::resource
