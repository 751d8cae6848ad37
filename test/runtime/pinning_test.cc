// Containers that run are moved to the CPUs that are theirs now.
#include "kubelet/runtime/pinning.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "fakes/fake_runtime.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using std::chrono::seconds;

struct World : Pinning {
  boost::asio::io_context io;
  base::ManualClock clock;
  test::FakeRuntime runtime{io.get_executor(), clock};
  test::FakeRuntimeClient client{runtime};
  std::map<std::string, std::string> cpus;  // by container
  std::unique_ptr<PinUpdater> updater;

  World() {
    SandboxConfig sandbox;
    sandbox.name = "web";
    sandbox.namespace_ = "ns";
    sandbox.uid = "u";
    sandbox.labels = {{kPodNameLabel, "web"}, {kPodUidLabel, "u"}};
    std::vector<ContainerConfig> configs(2);
    configs[0].name = "a";
    configs[1].name = "b";
    for (auto& config : configs)
      config.labels = {
          {kPodNameLabel, "web"}, {kPodUidLabel, "u"}, {kContainerNameLabel, config.name}};
    runtime.AddForeignPod(sandbox, configs);
    PinUpdater::Deps deps{io.get_executor(), clock, client, *this, [this] { return Observed(); }};
    updater = std::make_unique<PinUpdater>(std::move(deps), seconds(10));
  }
  ~World() override {
    client.Close();
    updater.reset();
    Poll();
  }
  std::vector<ObservedPodPtr> Observed() {
    auto pod = std::make_shared<ObservedPod>();
    pod->uid = "u";
    for (const auto* container : runtime.Running("web"))
      pod->containers.push_back(container->status);
    return {pod};
  }
  void Poll() {
    io.restart();
    io.poll();
  }
  void Pass(base::Nanos time) {
    clock.Advance(time);
    Poll();
  }
  size_t Updates() const { return runtime.Count("UpdateContainerResources"); }

  Pins Of(const std::string&, const std::string& container) override {
    return {cpus[container], "", false};
  }
  bool NoCpuQuota(const std::string&) override { return false; }
  base::Task<void> Settled() override { co_return; }
  void Created(const ContainerId&, const Pins&) override {}
};

TEST_CASE("after a start each container is told once, then only what changes") {
  World w;
  w.cpus = {{"a", "0-3"}, {"b", "4"}};
  w.updater->Start();
  w.Poll();
  CHECK(w.Updates() == 2);
  w.cpus["a"] = "0-2";
  w.Pass(seconds(9));
  CHECK(w.Updates() == 2);  // nobody said that there is something to look at
  w.updater->Look();
  w.Poll();
  CHECK(w.Updates() == 3);
  w.Pass(seconds(30));
  CHECK(w.Updates() == 3);
}

TEST_CASE("who is bound to no CPUs is left alone") {
  World w;
  w.updater->Start();
  w.Poll();
  CHECK(w.Updates() == 0);
}

TEST_CASE("a container that cannot be told is told with the audit") {
  World w;
  w.cpus = {{"a", "1"}, {"b", "1"}};
  test::Fault fault;
  fault.method = "UpdateContainerResources";
  w.runtime.Inject(fault);
  w.updater->Start();
  w.Poll();
  CHECK(w.Updates() == 2);
  w.runtime.Heal();
  w.Pass(seconds(10));
  CHECK(w.Updates() == 3);  // only the one that failed
}

TEST_CASE("a container created with its CPUs is not told again") {
  World w;
  w.cpus = {{"a", "0-1"}, {"b", "0-1"}};
  for (const char* name : {"a", "b"})
    w.updater->Created(w.runtime.RunningOne("web", name)->status.id, "0-1");
  w.updater->Start();
  w.Poll();
  CHECK(w.Updates() == 0);
}

TEST_CASE("pins in what the runtime is told") {
  LinuxResources resources;
  Pin({"0-1", "1", true}, resources);
  CHECK(resources.cpuset_cpus == "0-1");
  CHECK(resources.cpuset_mems == "1");
  CHECK(resources.cpu_quota == 0);  // no quotas on this node
  resources.cpu_period = 100000;
  resources.cpu_quota = 200000;
  Pin({}, resources);
  CHECK(resources.cpu_quota == 200000);
  Pin({"", "", true}, resources);
  CHECK(resources.cpu_quota == -1);
}

}  // namespace
}  // namespace kubelet::runtime
