// The node's groups in a tree of plain directories, which takes no limits.
#include "app/node_cgroups.h"

#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "await.h"
#include "catch.h"
#include "os/temp_dir.h"

namespace kubelet::app {
namespace {

using namespace std::chrono_literals;

struct NodeCgroupsBench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {1, 1}};
  test::TempDir dir;
  config::LoadedConfig config;
  Node node;
  int changes = 0;
  std::vector<std::string> events;
  std::unique_ptr<NodeCgroups> groups;

  NodeCgroupsBench() {
    auto& kc = config.kubelet;
    kc.set_cgroups_per_qos(false);
    kc.add_enforce_node_allocatable("kube-reserved");
    kc.set_kube_reserved_cgroup("/reserved");
    os::CgroupMounts mounts;
    mounts.mode = os::CgroupMode::kV1;
    for (const char* controller : {"cpu", "cpuacct", "cpuset", "memory"}) {
      mounts.v1[controller] = dir / controller;
      std::filesystem::create_directories(dir / controller);
    }
    auto hierarchy = os::CgroupHierarchy::Open(mounts, {});
    REQUIRE(hierarchy.ok());
    node.hierarchy = *hierarchy;
    NodeCgroups::Deps deps{io.get_executor(), clock, pool, config, node, [] { return int64_t{0}; }};
    deps.on_event = [this](bool, const std::string& reason, const std::string&) {
      events.push_back(reason);
    };
    deps.on_trouble = [this] { ++changes; };
    groups = std::make_unique<NodeCgroups>(std::move(deps));
  }
  ~NodeCgroupsBench() {
    test::Settle(io, pool);
    groups.reset();
    io.restart();
    io.poll();
  }
  void MakeReserved() {
    for (const char* controller : {"cpu", "cpuacct", "cpuset", "memory"})
      std::filesystem::create_directories(dir / controller + std::string("/reserved"));
  }
  void Round() {
    std::function<absl::Status()> nothing = [] { return absl::OkStatus(); };
    CHECK(test::Await<absl::Status>(io, pool.RunStatus("cgroup", 1min, std::move(nothing))).ok());
    io.restart();
    io.poll();
  }
  // The pool's threads are real.
  template <typename F>
  void Until(F done) {
    while (!done()) {
      io.restart();
      io.run_one();
    }
  }
};

TEST_CASE("groups that cannot be made are the node's trouble until they can") {
  NodeCgroupsBench bench;
  CHECK(bench.groups->Trouble().ok());  // nothing was tried
  bench.groups->UseDriver(runtime::CgroupDriver::kCgroupfs);
  bench.Until([&] { return !bench.groups->Trouble().ok(); });
  CHECK(bench.groups->Trouble().message().find("kubeReservedCgroup") != std::string::npos);
  CHECK(bench.changes == 1);

  // The same trouble again is no change.
  bench.clock.Advance(10s);
  bench.Until([&] { return bench.events.size() == 2; });
  CHECK(bench.changes == 1);

  bench.MakeReserved();
  bench.clock.Advance(10s);
  bench.Until([&] { return bench.groups->Trouble().ok(); });
  CHECK(bench.changes == 2);
}

TEST_CASE("a driver that is named twice makes the groups once") {
  NodeCgroupsBench bench;
  bench.MakeReserved();
  bench.groups->UseDriver(runtime::CgroupDriver::kCgroupfs);
  bench.groups->UseDriver(runtime::CgroupDriver::kCgroupfs);
  bench.Until([&] { return !bench.events.empty(); });
  // What else was begun is done by then: work of a kind keeps its order.
  for (int step = 0; step < 4; ++step) bench.Round();
  CHECK(bench.events == std::vector<std::string>{"NodeAllocatableEnforced"});
}

}  // namespace
}  // namespace kubelet::app
