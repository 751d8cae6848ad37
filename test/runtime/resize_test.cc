// In-place resize: what changes, in which order, and what is done when a step fails or the kubelet dies.
#include "kubelet/runtime/resize.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "fakes/fake_ports.h"
#include "fakes/fake_runtime.h"
#include "kubelet/api/codec.h"
#include "kubelet/runtime/actions.h"
#include "runtime/resources.h"

namespace kubelet::runtime {
namespace {

using Kind = ResizeStep::Kind;
using Strings = std::vector<std::string>;

api::core::ResourceRequirements Resources(const std::string& json) {
  api::core::ResourceRequirements out;
  auto status = api::DecodeJson(json, out);
  INFO(status);
  REQUIRE(status.ok());
  return out;
}

struct Book : Actuations {
  std::map<std::string, Resources> containers, levels;
  int flushes = 0;
  const Resources* Container(const std::string&, const std::string& name) const override {
    auto it = containers.find(name);
    return it == containers.end() ? nullptr : &it->second;
  }
  const Resources* PodLevel(const std::string& uid) const override {
    auto it = levels.find(uid);
    return it == levels.end() ? nullptr : &it->second;
  }
  void SetContainer(const std::string&, const std::string& name, Resources resources) override {
    containers[name] = std::move(resources);
  }
  void SetPodLevel(const std::string& uid, Resources resources) override { levels[uid] = std::move(resources); }
  base::Task<void> Flushed() override {
    ++flushes;
    co_return;
  }
};

// `name: resources` of regular containers; a name that starts with `s` is a sidecar, with `i` an init container.
struct One {
  std::string name, resources, policy;
};
api::PodPtr Make(const std::vector<One>& containers, const std::string& pod_level = "") {
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_name("web");
  pod->mutable_metadata()->set_namespace_("ns");
  pod->mutable_metadata()->set_uid("u1");
  pod->mutable_spec()->set_restart_policy("Always");
  if (!pod_level.empty()) *pod->mutable_spec()->mutable_resources() = Resources(pod_level);
  for (const auto& one : containers) {
    bool regular = one.name[0] != 's' && one.name[0] != 'i';
    auto* c = regular ? pod->mutable_spec()->add_containers() : pod->mutable_spec()->add_init_containers();
    c->set_name(one.name);
    c->set_image("image:1");
    if (one.name[0] == 's') c->set_restart_policy("Always");
    *c->mutable_resources() = Resources(one.resources);
    if (one.policy.empty()) continue;
    auto* policy = c->add_resize_policy();
    policy->set_resource_name(one.policy);
    policy->set_restart_policy("RestartContainer");
  }
  return pod;
}

ObservedPod Running(const api::core::Pod& pod) {
  ObservedPod out;
  Sandbox sandbox;
  sandbox.id = SandboxId("s1");
  sandbox.state = SandboxState::kReady;
  out.sandboxes.push_back(sandbox);
  out.ips = {"10.0.0.1"};
  for (const auto* all : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& c : *all) {
      ContainerStatus status;
      status.id = ContainerId("id-" + c.name());
      status.name = c.name();
      status.state = ContainerState::kRunning;
      out.containers.push_back(status);
      out.sandbox_of[status.id] = sandbox.id;
    }
  }
  return out;
}

Book BookOf(const api::core::Pod& pod) {
  Book book;
  for (const auto* all : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& c : *all) book.containers[c.name()] = c.resources();
  }
  return book;
}

Strings Names(const std::vector<ContainerResize>& list) {
  Strings out;
  for (const auto& change : list) out.push_back(change.spec->name());
  return out;
}

constexpr char kSmall[] = R"({"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"cpu":"100m","memory":"64Mi"}})";
constexpr char kMoreCpu[] = R"({"requests":{"cpu":"200m","memory":"64Mi"},"limits":{"cpu":"200m","memory":"64Mi"}})";
constexpr char kMoreMemory[] = R"({"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"100m","memory":"128Mi"}})";
constexpr char kLess[] = R"({"requests":{"cpu":"50m","memory":"32Mi"},"limits":{"cpu":"50m","memory":"32Mi"}})";

TEST_CASE("which containers are resized") {
  NodeContext node;
  auto before = Make({{"a", kSmall}, {"b", kSmall}, {"s", kSmall}, {"i", kSmall}});
  Book book = BookOf(*before);
  auto compute = [&](const api::PodPtr& pod, ResizeOptions options = {}) {
    return ComputeResize(*pod, Running(*pod), book, options, node);
  };
  SECTION("nothing differs") { CHECK_FALSE(compute(before).Changes()); }
  SECTION("shrinking containers come first") {
    auto pod = Make({{"a", kMoreCpu}, {"b", kLess}, {"s", kMoreCpu}, {"i", kSmall}});
    Resize resize = compute(pod);
    CHECK(Names(resize.cpu) == Strings{"b", "s", "a"});
    CHECK(Names(resize.memory) == Strings{"b"});
    CHECK(resize.restart.empty());
  }
  SECTION("requests alone") {
    auto pod = Make({{"a", R"({"requests":{"cpu":"50m","memory":"16Mi"},"limits":{"cpu":"100m","memory":"64Mi"}})"},
                     {"b", kSmall}, {"s", kSmall}, {"i", kSmall}});
    Resize resize = compute(pod);
    CHECK(Names(resize.cpu) == Strings{"a"});
    CHECK(Names(resize.memory) == Strings{"a"});
  }
  SECTION("plain init containers by their gate") {
    auto pod = Make({{"a", kSmall}, {"b", kSmall}, {"s", kSmall}, {"i", kMoreCpu}});
    CHECK(Names(compute(pod).cpu) == Strings{"i"});
    CHECK_FALSE(compute(pod, {false, true}).Changes());
  }
  SECTION("a policy that restarts, for its own resource only") {
    auto pod = Make({{"a", kMoreCpu, "memory"}, {"b", kMoreMemory, "memory"}, {"s", kSmall}, {"i", kSmall}});
    Resize resize = compute(pod);
    CHECK(Names(resize.cpu) == Strings{"a"});
    CHECK(resize.restart == std::set<ContainerId>{ContainerId("id-b")});
  }
  SECTION("what does not run is sized when it starts") {
    auto pod = Make({{"a", kMoreCpu}});
    ObservedPod observed = Running(*pod);
    observed.containers[0].state = ContainerState::kExited;
    CHECK_FALSE(ComputeResize(*pod, observed, book, {}, node).Changes());
  }
  SECTION("a limit that comes from the pod") {
    auto pod = Make({{"a", "{}"}}, R"({"limits":{"cpu":"2"}})");
    book.containers["a"] = Resources(R"({"limits":{"cpu":"1"}})");
    book.levels["u1"] = Resources(R"({"limits":{"cpu":"1"}})");
    Resize resize = compute(pod);
    CHECK(resize.pod_level);
    REQUIRE(Names(resize.cpu) == Strings{"a"});
    CHECK(resize.cpu[0].desired.cpu_limit == 2000);
  }
}

TEST_CASE("a container of which nothing is written down is compared with what the runtime reports") {
  NodeContext node;
  auto pod = Make({{"a", kSmall, "cpu"}});
  ObservedPod observed = Running(*pod);
  Book nothing;
  LinuxResources has;
  has.cpu_shares = MilliCpuToShares(100);
  has.cpu_quota = 10'000;
  has.cpu_period = 100'000;
  has.memory_limit_bytes = 64 << 20;
  SECTION("as wanted: it is only written down") {
    observed.containers[0].resources = has;
    Resize resize = ComputeResize(*pod, observed, nothing, {}, node);
    CHECK_FALSE(resize.Changes());
    REQUIRE(resize.unwritten.size() == 1);
    CHECK(resize.unwritten[0]->name() == "a");
  }
  SECTION("a runtime that tells nothing") {
    CHECK_FALSE(ComputeResize(*pod, observed, nothing, {}, node).Changes());
  }
  SECTION("otherwise it is updated, and never restarted") {
    has.cpu_quota = 20'000;
    observed.containers[0].resources = has;
    Resize resize = ComputeResize(*pod, observed, nothing, {}, node);
    CHECK(resize.restart.empty());
    REQUIRE(Names(resize.cpu) == Strings{"a"});
    CHECK(resize.cpu[0].current.cpu_limit == 200);
    CHECK(resize.memory.empty());
  }
}

TEST_CASE("the pod's cgroup grows before its containers and shrinks after them, memory before CPU") {
  ContainerResize any;
  Resize resize;
  resize.memory = {any};
  resize.cpu = {any, any};
  auto limits = [](int64_t shares, int64_t quota, int64_t memory) {
    PodLimits out;
    out.cpu_shares = shares;
    out.cpu_quota_us = quota;
    out.cpu_period_us = 100'000;
    out.memory_bytes = memory;
    return out;
  };
  using Steps = std::vector<ResizeStep>;
  PodLimits now = limits(100, 10'000, 64);
  struct Case {
    const char* name;
    PodLimits now, wanted;
    Steps steps;
  };
  ResizeStep memory{Kind::kPodMemoryLimit}, quota{Kind::kPodCpuLimit}, shares{Kind::kPodCpuShares};
  ResizeStep cm{Kind::kContainerMemory, 0}, c0{Kind::kContainerCpu, 0}, c1{Kind::kContainerCpu, 1};
  PodLimits no_limits;
  no_limits.cpu_shares = 200;
  for (const auto& c : std::vector<Case>{
           {"grows", now, limits(200, 20'000, 128), {memory, cm, quota, shares, c0, c1}},
           {"shrinks", now, limits(50, 5'000, 32), {cm, memory, c0, c1, shares, quota}},
           {"stays", now, now, {cm, c0, c1}},
           {"mixed", now, limits(50, 20'000, 32), {cm, memory, quota, c0, c1, shares}},
           {"a limit is added", limits(100, -1, -1), now, {cm, memory, c0, c1, quota}},
           {"a limit that is not named stays", now, no_limits, {cm, shares, c0, c1}},
       }) {
    INFO(c.name);
    CHECK(OrderResize(resize, c.now, c.wanted) == c.steps);
  }
}

// --- doing it ----------------------------------------------------------------------------------------------

PodLimits LimitsOf(const api::core::Pod& pod) {
  NodeContext node;
  LinuxResources sums = MakeSandboxResources(pod, node);
  PodLimits out;
  out.cpu_shares = sums.cpu_shares;
  out.cpu_period_us = sums.cpu_period;
  if (sums.cpu_quota > 0) out.cpu_quota_us = sums.cpu_quota;
  if (sums.memory_limit_bytes > 0) out.memory_bytes = sums.memory_limit_bytes;
  return out;
}

struct World {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  test::FakeRuntime runtime{io.get_executor(), clock};
  test::FakeNode node;
  NodeContext context;
  Book book;
  ObservedPod observed;

  explicit World(const api::PodPtr& pod) {
    node.wanted_limits = LimitsOf;
    node.limits["u1"] = LimitsOf(*pod);
    SandboxConfig sandbox;
    sandbox.name = "web";
    sandbox.namespace_ = "ns";
    sandbox.uid = "u1";
    std::vector<ContainerConfig> configs;
    for (const auto& c : pod->spec().containers()) {
      ContainerConfig config;
      config.name = c.name();
      config.image = c.image();
      config.labels = {{kPodNameLabel, "web"}, {kPodUidLabel, "u1"}, {kContainerNameLabel, c.name()}};
      configs.push_back(config);
      book.containers[c.name()] = c.resources();
    }
    runtime.AddForeignPod(sandbox, configs);
    Look(*pod);
  }
  void Look(const api::core::Pod& pod) {
    observed = Running(pod);
    for (auto& status : observed.containers) status.id = runtime.RunningOne("web", status.name)->status.id;
    observed.sandboxes[0].id = runtime.RunningOne("web", observed.containers[0].name)->sandbox;
  }
  const LinuxResources& Has(const std::string& container) {
    static const LinuxResources kNone;
    const auto& resources = runtime.RunningOne("web", container)->status.resources;
    return resources ? *resources : kNone;
  }
};

// One kubelet's resizer on the world.
struct Hand {
  World& world;
  test::FakeRuntimeClient client{world.runtime};
  test::FakeCgroups cgroups{{world.node, [this] { return !client.cut(); }}};
  Resizer resizer{{client, cgroups, world.book, world.context, world.clock, nullptr}, {}};
  explicit Hand(World& w) : world(w) {}
  ~Hand() { client.Close(); }

  static base::Task<void> Store(base::Task<absl::Status> task, std::optional<absl::Status>& out) {
    out = co_await std::move(task);
  }
  // nullopt: it never came back.
  std::optional<absl::Status> Run(const api::PodPtr& pod) {
    std::optional<absl::Status> out;
    world.Look(*pod);
    Resize resize = resizer.Compute(*pod, world.observed);
    base::TaskScope scope(world.io.get_executor());
    scope.Spawn("resize", Store(resizer.Run(pod, world.observed.sandboxes[0].id, std::move(resize)), out));
    world.io.restart();
    world.io.poll();
    if (!out) {
      client.Close();
      world.io.restart();
      world.io.poll();
      out.reset();
    }
    return out;
  }
};

TEST_CASE("growing: the runtime hears of the pod, the pod's cgroup grows, then the container") {
  auto before = Make({{"a", kSmall}}), after = Make({{"a", kMoreCpu}});
  World world(before);
  Hand hand(world);
  auto status = hand.Run(after);
  REQUIRE(status);
  INFO(*status);
  REQUIRE(status->ok());
  CHECK(world.Has("a").cpu_quota == 20'000);
  CHECK(world.Has("a").memory_limit_bytes == 64 << 20);
  CHECK(world.node.limits["u1"] == LimitsOf(*after));
  CHECK(AmountsOf(world.book.containers["a"]) == AmountsOf(Resources(kMoreCpu)));
  world.Look(*after);
  CHECK_FALSE(hand.resizer.NeedsRun("u1", hand.resizer.Compute(*after, world.observed)));
  CHECK(world.runtime.Count("UpdatePodSandboxResources") == 2);  // limit and shares
  CHECK(world.runtime.Count("UpdateContainerResources") == 1);
}

TEST_CASE("a runtime that lacks UpdatePodSandboxResources is asked once") {
  auto before = Make({{"a", kSmall}}), after = Make({{"a", kMoreCpu}});
  World world(before);
  absl::Status lacks = absl::UnimplementedError("unknown method");
  SECTION("by its code") {}
  SECTION("as containerd 2.2 says it") { lacks = absl::UnknownError("not implemented yet"); }
  world.runtime.Inject({"UpdatePodSandboxResources", "", test::Fault::Kind::kFail, -1, lacks});
  Hand hand(world);
  CHECK(hand.Run(after)->ok());
  CHECK(world.runtime.Count("UpdatePodSandboxResources") == 1);
  CHECK(world.node.limits["u1"] == LimitsOf(*after));
}

TEST_CASE("memory is not limited below what is in use") {
  auto before = Make({{"a", kSmall}}), after = Make({{"a", kLess}});
  World world(before);
  world.node.memory_in_use = 40 << 20;
  Hand hand(world);
  auto status = hand.Run(after);
  REQUIRE(absl::IsInvalidArgument(*status));
  CHECK(std::string(status->message()) ==
        "cannot decrease memory limits: [attempting to set pod memory limit (33554432) below current usage (41943040), "
        "attempting to set container \"a\" memory limit (33554432) below current usage (41943040)]");
  CHECK(world.runtime.Count("UpdateContainerResources") == 0);
  CHECK(world.node.limits["u1"] == LimitsOf(*before));
  world.node.memory_in_use = 1 << 20;
  CHECK(hand.Run(after)->ok());
  CHECK(world.Has("a").memory_limit_bytes == 32 << 20);
  CHECK(world.node.limits["u1"] == LimitsOf(*after));
}

TEST_CASE("when the kernel refuses, the runtime is told that all is as before") {
  auto before = Make({{"a", kSmall}}), after = Make({{"a", kMoreMemory}});
  World world(before);
  world.node.fail["Cgroups.LimitPod"] = {absl::UnavailableError("busy"), 1};
  Hand hand(world);
  CHECK_FALSE(hand.Run(after)->ok());
  CHECK(world.runtime.Count("UpdatePodSandboxResources") == 2);
  CHECK(world.runtime.Count("UpdateContainerResources") == 0);
  CHECK(hand.Run(after)->ok());
  CHECK(world.Has("a").memory_limit_bytes == 128 << 20);
}

TEST_CASE("a resize that is taken back half way is undone") {
  auto before = Make({{"a", kSmall}, {"b", kSmall}}), after = Make({{"a", kMoreCpu}, {"b", kMoreCpu}});
  World world(before);
  world.runtime.Inject({"UpdateContainerResources", "/b", test::Fault::Kind::kFail, -1});
  Hand hand(world);
  CHECK_FALSE(hand.Run(after)->ok());
  CHECK(world.Has("a").cpu_quota == 20'000);
  world.runtime.Heal();
  CHECK(hand.Run(before)->ok());
  CHECK(world.Has("a").cpu_quota == 10'000);
  CHECK(world.node.limits["u1"] == LimitsOf(*before));
}

TEST_CASE("a kubelet killed after any step of a resize is followed by one that ends in the same state") {
  struct Case {
    const char *name, *from, *to;
  };
  for (const Case& c : {Case{"grows", kSmall, kMoreCpu}, Case{"shrinks", kMoreMemory, kLess}}) {
    auto before = Make({{"a", c.from}, {"b", c.from}}), after = Make({{"a", c.to}, {"b", c.to}});
    bool was_cut = true;
    for (int k = 0; was_cut; ++k) {
      INFO(c.name << ", cut off after call " << k);
      REQUIRE(k < 40);
      World world(before);
      Hand first(world);
      first.client.CutAfter(k);
      first.Run(after);
      was_cut = first.client.cut();
      Hand second(world);
      world.Look(*after);
      Resize rest = second.resizer.Compute(*after, world.observed);
      CHECK(second.resizer.NeedsRun("u1", rest));
      CHECK(second.Run(after)->ok());
      for (const char* name : {"a", "b"}) {
        CHECK(world.Has(name).cpu_quota == LimitsOf(*after).cpu_quota_us.value() / 2);
        CHECK(AmountsOf(world.book.containers[name]) == AmountsOf(Resources(c.to)));
      }
      CHECK(world.node.limits["u1"] == LimitsOf(*after));
      CHECK(world.runtime.Starts("web", "a") <= 1);
    }
  }
}

TEST_CASE("a container that a resize would restart is written down before it is created") {
  auto pod = Make({{"a", kSmall}, {"b", kSmall, "cpu"}});
  World world(pod);
  world.book.containers.clear();
  Hand hand(world);
  for (const auto& c : pod->spec().containers()) {
    base::TaskScope scope(world.io.get_executor());
    scope.Spawn("creating", hand.resizer.Creating(pod, &c));
    world.io.restart();
    world.io.poll();
  }
  CHECK(world.book.containers.size() == 2);
  CHECK(world.book.flushes == 1);
}

TEST_CASE("a container that a resize restarts is stopped and started, and the others are left alone") {
  auto pod = Make({{"a", kMoreCpu, "cpu"}, {"b", kSmall}});
  ObservedPod observed = Running(*pod);
  Knowledge known;
  known.resized.insert(ContainerId("id-a"));
  auto actions = ComputePodActions(*pod, observed, known);
  REQUIRE(actions.kill.size() == 1);
  CHECK(actions.kill[0].message == "Container a resize requires restart");
  REQUIRE(actions.start.size() == 1);
  CHECK(actions.start[0].spec->name() == "a");
  CHECK(actions.start[0].previous_exit == base::WallTime{});
}

TEST_CASE("resources of a container: its own limit, else the pod's") {
  NodeContext node;
  node.hugepage_sizes = {"2MB", "1GB"};
  auto pod = Make({{"a", R"({"requests":{"cpu":"100m"}})"},
                   {"b", R"({"limits":{"cpu":"500m","memory":"1Gi","hugepages-2Mi":"2Mi"}})"}, {"c", "{}"}},
                  R"({"limits":{"cpu":"1","memory":"2Gi","hugepages-2Mi":"4Mi"},"requests":{"cpu":"1","memory":"2Gi"}})");
  auto of = [&](int i) { return MakeContainerResources(*pod, pod->spec().containers(i), 7, node); };
  CHECK(of(0).cpu_shares == 102);
  CHECK(of(0).cpu_quota == 100'000);
  CHECK(of(0).memory_limit_bytes == int64_t{2} << 30);
  CHECK(of(0).oom_score_adj == 7);
  CHECK(of(0).hugepage_limits == std::vector<std::pair<std::string, uint64_t>>{{"2MB", 4 << 20}, {"1GB", 0}});
  CHECK(of(1).cpu_shares == 512);  // a limit without a request
  CHECK(of(1).cpu_quota == 50'000);
  CHECK(of(1).memory_limit_bytes == 1 << 30);
  CHECK(of(1).hugepage_limits[0].second == 2 << 20);
  CHECK(of(2).cpu_shares == 1024);
}

TEST_CASE("resources of a sandbox: the pod's sums without its overhead") {
  NodeContext node;
  auto pod = std::make_shared<api::core::Pod>(*Make({{"a", kSmall}, {"b", R"({"requests":{"cpu":"1"}})"}}));
  (*pod->mutable_spec()->mutable_overhead())["cpu"].set_string("250m");
  (*pod->mutable_spec()->mutable_overhead())["memory"].set_string("16Mi");
  LinuxResources sums = MakeSandboxResources(*pod, node), overhead = MakeOverhead(*pod, node);
  CHECK(sums.cpu_shares == MilliCpuToShares(1100));
  CHECK(sums.cpu_quota == 10'000);
  CHECK(sums.memory_limit_bytes == 64 << 20);
  CHECK(overhead.cpu_shares == 256);
  CHECK(overhead.cpu_quota == 25'000);
  CHECK(overhead.memory_limit_bytes == 16 << 20);
}

}  // namespace
}  // namespace kubelet::runtime
