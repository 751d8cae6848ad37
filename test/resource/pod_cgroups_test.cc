// PodCgroups over a fake driver, and over the real cgroups of this machine below a root of our own.
#include "kubelet/resource/pod_cgroups.h"

#include <boost/asio/io_context.hpp>
#include <fstream>
#include <iostream>

#include "await.h"
#include "catch.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/log.h"
#include "os/temp_dir.h"
#include "resource/pod_yaml.h"

namespace kubelet::resource {
namespace {

using test::PodOf;

struct Loop {
  boost::asio::io_context io{1};
  base::RealClock clock{io};  // the pool's threads are real
  base::BlockingPool pool{io.get_executor(), clock, {}};

  template <typename T>
  T Await(base::Task<T> task) {
    return test::Await(io, std::move(task));
  }
};

// A hierarchy of plain directories, for the driver's reads; writes are only logged.
struct FakeDriver : os::CgroupDriver {
  std::string root;
  std::vector<std::string> log;
  os::LostLimits lose;
  os::CgroupValues last;
  absl::Status fail;

  std::string Path(const os::CgroupName& name) const override { return os::CgroupfsPath(name); }
  std::optional<std::string> ChildComponent(const os::CgroupName&,
                                            const std::string& entry) const override {
    return entry;
  }
  os::CgroupName Parse(const std::string& path) const override {
    return os::ParseCgroupfsPath(path);
  }
  absl::StatusOr<os::LostLimits> Create(const os::CgroupName& name,
                                        const os::CgroupValues& values) override {
    last = values;
    log.push_back("create " + Path(name) + " " + std::to_string(values.cpu_shares.value_or(0)));
    if (!fail.ok()) return fail;
    for (const char* controller : {"cpu", "memory"})
      std::filesystem::create_directories(root + "/" + controller + Path(name));
    return lose;
  }
  absl::StatusOr<os::LostLimits> Update(const os::CgroupName& name,
                                        const os::CgroupValues& values) override {
    log.push_back("update " + Path(name) + " " + std::to_string(values.cpu_shares.value_or(0)));
    if (!fail.ok()) return fail;
    return lose;
  }
  absl::Status Remove(const os::CgroupName& name) override {
    log.push_back("remove " + Path(name));
    for (const char* controller : {"cpu", "memory"})
      std::filesystem::remove_all(root + "/" + controller + Path(name));
    return fail;
  }
};

struct PodCgroupsFixture {
  test::TempDir root;
  std::shared_ptr<FakeDriver> driver = std::make_shared<FakeDriver>();
  Loop loop;
  PodCgroupOptions options;

  PodCgroups Make() {
    driver->root = root.path();
    os::CgroupMounts mounts;
    mounts.mode = os::CgroupMode::kV1;
    mounts.v1 = {{"cpu", root / "cpu"},
                 {"cpuacct", root / "cpu"},
                 {"cpuset", root / "cpu"},
                 {"memory", root / "memory"}};
    for (const char* controller : {"cpu", "memory"})
      std::filesystem::create_directories(root / controller);
    auto hierarchy = os::CgroupHierarchy::Open(mounts, {});
    REQUIRE(hierarchy.ok());
    return PodCgroups(loop.pool, driver, *hierarchy, options);
  }
};

api::PodPtr Shared(api::core::Pod pod) {
  return std::make_shared<const api::core::Pod>(std::move(pod));
}

using Log = std::vector<std::string>;

TEST_CASE("the root, the classes, a pod, and the pod's end") {
  PodCgroupsFixture fixture;
  fixture.options.capacity.cpu_milli = 2000;
  auto cgroups = fixture.Make();
  auto& log = fixture.driver->log;
  REQUIRE(fixture.loop.Await(cgroups.EnsureRoot()).ok());
  CHECK(log == Log{"create /kubepods 2048", "create /kubepods/burstable 2",
                   "create /kubepods/besteffort 2"});
  log.clear();
  auto parent =
      fixture.loop.Await(cgroups.EnsurePod(Shared(PodOf("containers: [{name: a}]", "1-2"))));
  REQUIRE(parent.ok());
  CHECK(*parent == "/kubepods/besteffort/pod1-2");
  CHECK(log == Log{"create /kubepods/besteffort/pod1-2 2"});
  std::filesystem::create_directories(fixture.root /
                                      "memory/kubepods/pod7");  // in one hierarchy only
  std::filesystem::create_directories(fixture.root / "cpu/kubepods/burstable/other");
  std::filesystem::create_directories(fixture.root / "cpu/kubepods/burstable/pod");
  CHECK(*fixture.loop.Await(cgroups.ListPods()) == std::set<std::string>{"1-2", "7"});
  log.clear();
  REQUIRE(fixture.loop.Await(cgroups.RemovePod("1-2", std::nullopt)).ok());
  REQUIRE(fixture.loop.Await(cgroups.RemovePod("7", api::QosClass::kGuaranteed)).ok());
  REQUIRE(fixture.loop.Await(cgroups.RemovePod("unknown", std::nullopt)).ok());
  CHECK(log == Log{"remove /kubepods/besteffort/pod1-2", "remove /kubepods/pod7"});
  CHECK(fixture.loop.Await(cgroups.ListPods())->empty());
}

TEST_CASE("the shares of the classes follow the pods") {
  PodCgroupsFixture fixture;
  auto cgroups = fixture.Make();
  REQUIRE(fixture.loop.Await(cgroups.UpdateQos(1500, true)).ok());
  CHECK(fixture.driver->log ==
        Log{"create /kubepods/burstable 1536", "create /kubepods/besteffort 2"});
}

TEST_CASE("the share of the burstable pods is not lowered before all pods are known") {
  PodCgroupsFixture fixture;
  auto cgroups = fixture.Make();
  auto& log = fixture.driver->log;
  std::string group = fixture.root / "cpu/kubepods/burstable";
  std::filesystem::create_directories(group);
  std::filesystem::create_directories(fixture.root / "memory/kubepods/burstable");
  std::ofstream(group + "/cpu.shares") << "512\n";
  REQUIRE(fixture.loop.Await(cgroups.EnsureRoot()).ok());
  CHECK(log[1] == "create /kubepods/burstable 0");  // left as it is
  auto update = [&](int64_t milli, bool all) {
    log.clear();
    REQUIRE(fixture.loop.Await(cgroups.UpdateQos(milli, all)).ok());
    return log.front();
  };
  CHECK(update(0, false) == "create /kubepods/burstable 0");
  CHECK(update(500, false) == "create /kubepods/burstable 0");
  CHECK(update(1500, false) == "create /kubepods/burstable 1536");
  CHECK(update(0, true) == "create /kubepods/burstable 2");
}

TEST_CASE("a limit of kubepods that did not take is tried again with the classes") {
  PodCgroupsFixture fixture;
  auto cgroups = fixture.Make();
  fixture.driver->lose = {{"memory.limit_in_bytes", absl::UnavailableError("busy")}};
  REQUIRE(fixture.loop.Await(cgroups.EnsureRoot()).ok());
  fixture.driver->log.clear();
  fixture.driver->lose.clear();
  REQUIRE(fixture.loop.Await(cgroups.UpdateQos(0, true)).ok());
  CHECK(fixture.driver->log.size() == 3);
  REQUIRE(fixture.loop.Await(cgroups.UpdateQos(0, true)).ok());
  CHECK(fixture.driver->log.size() == 5);
}

TEST_CASE("a lost limit is told once, not for every pod") {
  PodCgroupsFixture fixture;
  auto cgroups = fixture.Make();
  fixture.driver->lose = {{"pids.max", absl::NotFoundError("no controller for pids.max=7")}};
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  base::SetLogFd(pipe_ends[1]);
  for (const char* uid : {"1", "2", "3"}) {
    CHECK(
        fixture.loop.Await(cgroups.EnsurePod(Shared(PodOf("containers: [{name: a}]", uid)))).ok());
  }
  base::SetLogFd(2);
  close(pipe_ends[1]);
  char text[8192];
  ssize_t n = read(pipe_ends[0], text, sizeof text);
  close(pipe_ends[0]);
  REQUIRE(n > 0);
  std::string log(text, static_cast<size_t>(n));
  CHECK(std::count(log.begin(), log.end(), '\n') == 1);
  CHECK(log.find("pids.max") != std::string::npos);
}

TEST_CASE("errors name the pod, and a uid that is no name is refused") {
  PodCgroupsFixture fixture;
  auto cgroups = fixture.Make();
  fixture.driver->fail = absl::UnavailableError("busy");
  auto parent = fixture.loop.Await(cgroups.EnsurePod(Shared(PodOf("containers: [{name: a}]"))));
  REQUIRE(absl::IsUnavailable(parent.status()));
  CHECK(std::string(parent.status().message()).find("pod shop/web") != std::string::npos);
  for (const char* uid : {"", "a/b"}) {
    CHECK(absl::IsInvalidArgument(
        fixture.loop.Await(cgroups.EnsurePod(Shared(PodOf("containers: [{name: a}]", uid))))
            .status()));
    CHECK(absl::IsInvalidArgument(fixture.loop.Await(cgroups.RemovePod(uid, std::nullopt))));
  }
}

TEST_CASE("a root or a reserved group that is not there is a configuration that does not fit") {
  PodCgroupsFixture fixture;
  fixture.options.cgroup_root = "/absent";
  auto cgroups = fixture.Make();
  auto status = fixture.loop.Await(cgroups.EnsureRoot());
  REQUIRE(absl::IsFailedPrecondition(status));
  CHECK(std::string(status.message()).find("cgroupRoot") != std::string::npos);

  fixture.options.cgroup_root = "/";
  fixture.options.enforce_kube = Enforcement::kCompressible;
  fixture.options.kube_reserved.cpu_milli = 500;
  fixture.options.kube_reserved_cgroup = "/runtime";
  auto again = fixture.Make();
  REQUIRE(fixture.loop.Await(again.EnsureRoot()).ok());
  CHECK(fixture.driver->log.back() == "update /runtime 512");
}

TEST_CASE("without groups per QoS class nothing is made") {
  PodCgroupsFixture fixture;
  fixture.options.pods_per_qos = false;
  auto cgroups = fixture.Make();
  REQUIRE(fixture.loop.Await(cgroups.EnsureRoot()).ok());
  CHECK(fixture.loop.Await(cgroups.EnsurePod(Shared(PodOf("containers: [{name: a}]"))))->empty());
  CHECK(fixture.loop.Await(cgroups.RemovePod("1", std::nullopt)).ok());
  CHECK(fixture.loop.Await(cgroups.UpdateQos(5, true)).ok());
  CHECK(fixture.driver->log.empty());
}

void Put(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text << "\n";
}

TEST_CASE("what a resize reads of a pod's group, and sets in it") {
  PodCgroupsFixture fixture;
  auto cgroups = fixture.Make();
  auto pod = Shared(PodOf("containers: [{name: a, resources: {requests: {cpu: 100m}}}]"));
  CHECK(absl::IsNotFound(fixture.loop.Await(cgroups.ReadPod(pod)).status()));
  std::string group = "/kubepods/burstable/pod1-2/";
  std::string cpu = fixture.root / "cpu" + group, memory = fixture.root / "memory" + group;
  Put(cpu + "cpu.shares", "102");
  Put(cpu + "cpu.cfs_quota_us", "-1");
  Put(cpu + "cpu.cfs_period_us", "100000");
  Put(memory + "memory.limit_in_bytes", "9223372036854771712");
  Put(memory + "memory.usage_in_bytes", "4096");
  Put(memory + "cri-containerd-abc.scope/memory.usage_in_bytes", "1024");
  auto values = fixture.loop.Await(cgroups.ReadPod(pod));
  REQUIRE(values.ok());
  CHECK(values->cpu_shares == 102u);
  CHECK(values->cpu_quota_us == -1);
  CHECK(values->memory_bytes == -1);
  auto used = fixture.loop.Await(cgroups.MemoryInUse(pod, {"abc", "other"}));
  REQUIRE(used.ok());
  CHECK(*used == std::map<std::string, int64_t>{{"", 4096}, {"abc", 1024}});

  fixture.driver->log.clear();
  os::CgroupValues change;
  change.cpu_shares = 205;
  CHECK(fixture.loop.Await(cgroups.LimitPod(pod, change)).ok());
  CHECK(fixture.driver->log == Log{"update /kubepods/burstable/pod1-2 205"});
  fixture.driver->lose = {{"cpu.shares", absl::UnavailableError("refused")}};
  auto refused = fixture.loop.Await(cgroups.LimitPod(pod, change));
  CHECK(absl::IsUnavailable(refused));
}

TEST_CASE("bringing a group that is there to its limits does not lower memory below what is used") {
  PodCgroupsFixture fixture;
  auto cgroups = fixture.Make();
  auto pod = Shared(
      PodOf("containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Mi}, requests: {cpu: 1, "
            "memory: 1Mi}}}]"));
  std::string usage = fixture.root / "memory/kubepods/pod1-2/memory.usage_in_bytes";
  Put(usage, "2097152");
  REQUIRE(fixture.loop.Await(cgroups.EnsurePod(pod)).ok());
  CHECK_FALSE(fixture.driver->last.memory_bytes);
  CHECK(fixture.driver->last.cpu_shares == 1024u);
  Put(usage, "1000");
  REQUIRE(fixture.loop.Await(cgroups.EnsurePod(pod)).ok());
  CHECK(fixture.driver->last.memory_bytes == 1 << 20);
}

TEST_CASE("real cgroups: a pod's limits, orphans, removal, and no trace") {
  if (!test::NeedsRoot("real cgroups")) return;
  auto hierarchy = os::CgroupHierarchy::OpenHost();
  if (!hierarchy.ok()) {
    std::cerr << "SKIPPED: " << hierarchy.status() << "\n";
    return;
  }
  std::string root = "/kubelet-test-resource-" + std::to_string(getpid());
  REQUIRE((*hierarchy)->Create(root, {}).ok());
  {
    Loop loop;
    PodCgroupOptions options;
    options.cgroup_root = root;
    options.pod_pids_limit = 55;
    options.capacity = {2000, int64_t{1} << 30, 1000, {}};
    std::shared_ptr<os::CgroupDriver> driver = os::MakeCgroupfsDriver(*hierarchy);
    PodCgroups cgroups(loop.pool, driver, *hierarchy, options);
    CHECK(loop.Await(cgroups.EnsureRoot()).ok());
    CHECK(loop.Await(cgroups.UpdateQos(300, true)).ok());
    auto pod =
        Shared(PodOf("containers: [{name: a, resources: {limits: {cpu: 250m, memory: 32Mi}, "
                     "requests: {cpu: 250m, memory: 32Mi}}}]"));
    auto parent = loop.Await(cgroups.EnsurePod(pod));
    REQUIRE(parent.ok());
    CHECK(*parent == root + "/kubepods/pod1-2");
    CHECK(*loop.Await(cgroups.EnsurePod(pod)) == *parent);
    bool v2 = (*hierarchy)->v2();
    CHECK(*(*hierarchy)->Read(*parent, "memory", v2 ? "memory.max" : "memory.limit_in_bytes") ==
          std::to_string(32 << 20));
    CHECK(*(*hierarchy)->Read(*parent, "cpu", v2 ? "cpu.max" : "cpu.cfs_quota_us") ==
          (v2 ? "25000 100000" : "25000"));
    CHECK(*(*hierarchy)->Read(*parent, "cpu", v2 ? "cpu.weight" : "cpu.shares") ==
          (v2 ? "10" : "256"));
    CHECK(*(*hierarchy)->Read(*parent, "pids", "pids.max") == "55");
    CHECK(*(*hierarchy)
               ->Read(root + "/kubepods/burstable", "cpu", v2 ? "cpu.weight" : "cpu.shares") ==
          (v2 ? "12" : "307"));
    CHECK(*loop.Await(cgroups.ListPods()) == std::set<std::string>{"1-2"});
    CHECK(loop.Await(cgroups.RemovePod("1-2", std::nullopt)).ok());
    CHECK(loop.Await(cgroups.ListPods())->empty());
  }
  CHECK((*hierarchy)->Remove(root).ok());
  CHECK_FALSE((*hierarchy)->Exists(root));
}

}  // namespace
}  // namespace kubelet::resource
