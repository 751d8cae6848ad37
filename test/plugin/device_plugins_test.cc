// Registration and life of plugins, against plugins on gRPC's own server; and the pod resources API
// against gRPC's client.
#include "kubelet/plugin/device_plugins.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/stat.h>

#include <boost/asio/executor_work_guard.hpp>
#include <filesystem>
#include <thread>

#include "await.h"
#include "catch.h"
#include "fakes/device_plugin.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/status.h"
#include "kubelet/plugin/plugin_watcher.h"
#include "kubelet/plugin/pod_resources.h"
#include "kubelet/plugin/podresources_v1.grpc.pb.h"
#include "kubelet/plugin/podresources_v1alpha1.grpc.pb.h"
#include "os/temp_dir.h"

namespace kubelet::plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::FakeDevicePlugin;

constexpr char kThing[] = "example.com/thing";

// The loop turns in the test's thread; what blocks in gRPC's client has a thread of its own.
struct Bench {
  Bench() {
    std::filesystem::create_directories(dir / "plugins_registry");
    Start();
  }
  void Start() {
    resource::Devices::Deps deps{io.get_executor(),
                                 clock,
                                 resource::WriteOn(pool),
                                 [] { return std::nullopt; },
                                 [] {},
                                 [](const std::string&) {},
                                 &metrics};
    resource::Devices::Options options;
    options.checkpoint = dir / "device-plugins/kubelet_internal_checkpoint";
    devices = std::make_unique<resource::Devices>(std::move(deps), std::move(options));
    DevicePlugins::Options sockets;
    sockets.directory = dir / "device-plugins";
    sockets.options = milliseconds(300);
    DevicePlugins::Deps plugin_deps{io.get_executor(), clock, *devices, &metrics};
    plugins = std::make_unique<DevicePlugins>(plugin_deps, std::move(sockets));
    REQUIRE(plugins->Start().ok());
  }
  // A call that blocks, while the loop turns.
  template <typename Function>
  auto Call(Function function) {
    std::optional<decltype(function())> out;
    auto work = boost::asio::make_work_guard(io);
    std::thread thread([&] {
      auto result = function();
      boost::asio::post(io, [&, result = std::move(result)]() mutable {
        out.emplace(std::move(result));
        io.stop();
      });
    });
    while (!out) {
      io.restart();
      io.run();
    }
    thread.join();
    return *out;
  }
  template <typename Function>
  void Until(Function condition) {
    auto end = std::chrono::steady_clock::now() + seconds(60);
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      io.restart();
      io.run_one_for(milliseconds(20));
    }
  }
  std::string Kubelet() { return dir / "device-plugins/kubelet.sock"; }
  std::string Amounts() {
    auto all = devices->Resources();
    auto it = all.find(kThing);
    if (it == all.end()) return "none";
    return std::to_string(it->second.capacity) + "/" + std::to_string(it->second.allocatable);
  }
  FakeDevicePlugin::Options Plugin(const std::string& name = "p.sock") {
    FakeDevicePlugin::Options options;
    options.socket = dir / ("device-plugins/" + name);
    options.devices = {"a", "b"};
    return options;
  }

  test::TempDir dir;
  boost::asio::io_context io;
  base::RealClock clock{io};
  base::BlockingPool pool{io.get_executor(), clock, {}};
  base::Registry metrics;
  test::LastTurns last{io};
  std::unique_ptr<resource::Devices> devices;
  std::unique_ptr<DevicePlugins> plugins;
};

TEST_CASE("a plugin registers, tells of its devices, is asked for them, and goes") {
  Bench bench;
  FakeDevicePlugin plugin(bench.Plugin());
  plugin.Start();
  auto status = bench.Call([&] { return plugin.Register(bench.Kubelet()); });
  INFO(status.error_message());
  REQUIRE(status.ok());
  bench.Until([&] { return bench.Amounts() == "2/2"; });
  plugin.SetHealth("b", "Unhealthy");
  bench.Until([&] { return bench.Amounts() == "2/1"; });
  plugin.SetHealth("b", "Healthy");
  plugin.RemoveDevice("a");
  bench.Until([&] { return bench.Amounts() == "1/1"; });
  plugin.SetHealth("a", "Healthy");
  bench.Until([&] { return bench.Amounts() == "2/2"; });

  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_uid("u");
  auto* container = pod->mutable_spec()->add_containers();
  container->set_name("main");
  (*container->mutable_resources()->mutable_limits())[kThing].set_string("1");
  REQUIRE(!bench.devices->Admit(*pod));
  REQUIRE(test::Await(bench.io, bench.devices->Allocate(pod)).ok());
  auto made = test::Await(bench.io, bench.devices->Prepare(pod, "main"));
  REQUIRE(made.ok());
  CHECK(made->envs().at("THING") == "a");
  CHECK(plugin.Calls() == std::vector<std::string>{"Allocate a"});
  CHECK(bench.metrics.Render().find(
            "kubelet_device_plugin_registration_total{resource_name=\"example.com/thing\"} 1") !=
        std::string::npos);

  SECTION("its process ends") {
    plugin.Stop();
    bench.Until([&] { return bench.Amounts() == "2/0"; });
  }
  SECTION("its watch fails: it is not asked again until it registers") {
    plugin.FailWatch();
    bench.Until([&] { return bench.Amounts() == "2/0"; });
  }
  SECTION("another takes over, and the end of the first is nobody's") {
    FakeDevicePlugin second(bench.Plugin("q.sock"));
    second.Start();
    REQUIRE(bench.Call([&] { return second.Register(bench.Kubelet()); }).ok());
    plugin.Stop();
    second.SetHealth("c", "Healthy");
    bench.Until([&] { return bench.Amounts() == "3/3"; });
  }
}

TEST_CASE("registrations that will not do, in upstream's words") {
  Bench bench;
  FakeDevicePlugin plugin(bench.Plugin());
  plugin.Start();
  auto error = [&](const std::string& version, const std::string& resource) {
    auto status = bench.Call([&] { return plugin.Register(bench.Kubelet(), version, resource); });
    CHECK(status.error_code() == grpc::StatusCode::UNKNOWN);
    return status.error_message();
  };
  CHECK(error("v1alpha", kThing) ==
        "requested API version \"v1alpha\" is not supported by kubelet. Supported version is "
        "[\"v1beta1\"]");
  for (const char* name : {"thing", "kubernetes.io/thing", "requests.example.com/thing",
                           "example.com/", "exa_mple.com/x", "example.com/a/b"})
    CHECK(error("v1beta1", name) == "the ResourceName \"" + std::string(name) + "\" is invalid");
  plugin.Fail("GetDevicePluginOptions", "no");
  CHECK(error("v1beta1", kThing) ==
        "failed to get device plugin options: rpc error: code = Unknown desc = no");
  CHECK(bench.Amounts() == "none");
}

TEST_CASE(
    "a plugin that hangs in its first answer is given up, and the next one is served meanwhile") {
  Bench bench;
  FakeDevicePlugin hung(bench.Plugin());
  hung.Start();
  hung.Hang("GetDevicePluginOptions");
  auto status = bench.Call([&] { return hung.Register(bench.Kubelet()); });
  CHECK(status.error_message() ==
        "failed to get device plugin options: rpc error: code = DeadlineExceeded desc = context "
        "deadline exceeded");
  hung.LetGo();
  REQUIRE(bench.Call([&] { return hung.Register(bench.Kubelet()); }).ok());
  bench.Until([&] { return bench.Amounts() == "2/2"; });
}

TEST_CASE("a start removes the sockets of the last run and keeps the checkpoint") {
  Bench bench;
  FakeDevicePlugin plugin(bench.Plugin());
  plugin.Start();
  test::WriteText(bench.dir / "device-plugins/kubelet_internal_checkpoint", "x");
  test::WriteText(bench.dir / "device-plugins/DEPRECATION", "");
  bench.plugins.reset();
  CHECK(!std::filesystem::exists(bench.Kubelet()));
  bench.Start();
  CHECK(!std::filesystem::exists(bench.dir / "device-plugins/p.sock"));
  CHECK(std::filesystem::exists(bench.Kubelet()));
  CHECK(std::filesystem::exists(bench.dir / "device-plugins/kubelet_internal_checkpoint"));
  CHECK(std::filesystem::exists(bench.dir / "device-plugins/DEPRECATION"));
  struct stat info {};
  REQUIRE(stat((bench.dir / "device-plugins").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0750);
}

TEST_CASE("a directory that cannot be made is told by the health check") {
  Bench bench;
  test::WriteText(bench.dir / "file", "");
  DevicePlugins::Options options;
  options.directory = bench.dir / "file/device-plugins";
  DevicePlugins::Deps deps{bench.io.get_executor(), bench.clock, *bench.devices};
  DevicePlugins plugins(deps, std::move(options));
  CHECK(!plugins.Start().ok());
  CHECK(base::Message(plugins.Check()).find("device registration error: ") == 0);
}

TEST_CASE("a socket in plugins_registry is asked who it is, told, and missed when it goes") {
  Bench bench;
  PluginWatcher::Deps deps{bench.io.get_executor(), bench.clock, bench.pool, {}, &bench.metrics};
  deps.handlers["DevicePlugin"] = bench.plugins.get();
  PluginWatcher watcher(std::move(deps), bench.dir / "plugins_registry");
  auto options = bench.Plugin();
  options.socket = bench.dir / "plugins_registry/early.sock";
  FakeDevicePlugin early(options);
  early.Start();
  watcher.Start();
  bench.Until([&] { return bench.Amounts() == "2/2"; });
  bench.Until([&] { return early.Told() == std::optional<std::string>(""); });
  early.Stop();
  std::filesystem::remove(options.socket);
  bench.Until([&] { return bench.Amounts() == "2/0"; });

  // Deeper, and later; names with a dot are nobody's.
  std::filesystem::create_directories(bench.dir / "plugins_registry/deep");
  options.socket = bench.dir / "plugins_registry/deep/late.sock";
  FakeDevicePlugin late(options);
  options.socket = bench.dir / "plugins_registry/.hidden.sock";
  options.resource = "not a resource";
  FakeDevicePlugin hidden(options);
  hidden.Start();
  late.Start();
  bench.Until([&] { return bench.Amounts() == "2/2"; });
  CHECK(hidden.Told() == std::nullopt);

  options.socket = bench.dir / "plugins_registry/bad.sock";
  FakeDevicePlugin bad(options);
  bad.Start();
  bench.Until([&] { return bad.Told().has_value(); });
  CHECK(*bad.Told() ==
        "RegisterPlugin error -- plugin validation failed with err: invalid name of device plugin "
        "socket: the ResourceName \"not a resource\" is invalid");
}

TEST_CASE("the pod resources API tells who holds what") {
  Bench bench;
  auto options = bench.Plugin();
  options.node_of = {{"a", 1}};
  FakeDevicePlugin plugin(options);
  plugin.Start();
  REQUIRE(bench.Call([&] { return plugin.Register(bench.Kubelet()); }).ok());
  bench.Until([&] { return bench.Amounts() == "2/2"; });
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_uid("u");
  pod->mutable_metadata()->set_name("web");
  pod->mutable_metadata()->set_namespace_("shop");
  auto add = [](api::core::Container* c, const std::string& name, int count) {
    c->set_name(name);
    if (count > 0)
      (*c->mutable_resources()->mutable_limits())[kThing].set_string(std::to_string(count));
  };
  add(pod->mutable_spec()->add_init_containers(), "init", 0);
  auto* sidecar = pod->mutable_spec()->add_init_containers();
  add(sidecar, "side", 0);
  sidecar->set_restart_policy("Always");
  add(pod->mutable_spec()->add_containers(), "main", 2);
  REQUIRE(!bench.devices->Admit(*pod));
  REQUIRE(test::Await(bench.io, bench.devices->Allocate(pod)).ok());

  base::ManualClock still;
  PodResources::Deps deps{bench.io.get_executor(),
                          still,
                          *bench.devices,
                          [&] { return std::vector<api::PodPtr>{pod}; },
                          [&](const std::string& namespace_, const std::string& name) {
                            return namespace_ == "shop" && name == "web" ? api::PodPtr(pod)
                                                                         : nullptr;
                          },
                          &bench.metrics};
  deps.cpus = [](const std::string&, const std::string& container) {
    return container == "main" ? std::vector<int64_t>{3} : std::vector<int64_t>{};
  };
  const std::string socket = bench.dir / "resources.sock";
  PodResources server(std::move(deps), socket);
  REQUIRE(server.Start().ok());
  auto channel = grpc::CreateChannel("unix://" + socket, grpc::InsecureChannelCredentials());
  auto stub = ::v1::PodResourcesLister::NewStub(channel);

  ::v1::ListPodResourcesResponse list;
  REQUIRE(bench
              .Call([&] {
                grpc::ClientContext context;
                return stub->List(&context, {}, &list);
              })
              .ok());
  REQUIRE(list.pod_resources_size() == 1);
  const auto& entry = list.pod_resources(0);
  CHECK(entry.name() == "web");
  REQUIRE(entry.containers_size() == 2);
  CHECK(entry.containers(0).name() == "side");
  CHECK(entry.containers(0).devices().empty());
  const auto& main = entry.containers(1);
  CHECK(main.cpu_ids(0) == 3);
  REQUIRE(main.devices_size() == 2);
  CHECK(main.devices(0).resource_name() == kThing);
  CHECK(main.devices(0).device_ids(0) == "a");
  CHECK(main.devices(0).topology().nodes(0).id() == 1);
  CHECK(!main.devices(1).has_topology());

  ::v1::GetPodResourcesRequest request;
  ::v1::GetPodResourcesResponse one;
  auto get = [&] {
    grpc::ClientContext context;
    return stub->Get(&context, request, &one);
  };
  request.set_pod_name("web");
  request.set_pod_namespace("shop");
  REQUIRE(bench.Call(get).ok());
  CHECK(one.pod_resources().containers_size() == 2);
  request.set_pod_name("none");
  auto missing = bench.Call(get);
  CHECK(missing.error_message() == "pod none in namespace shop not found");

  ::v1::AllocatableResourcesResponse all;
  REQUIRE(bench
              .Call([&] {
                grpc::ClientContext context;
                return stub->GetAllocatableResources(&context, {}, &all);
              })
              .ok());
  CHECK(all.devices_size() == 2);
  auto alpha = ::v1alpha1::PodResourcesLister::NewStub(channel);
  ::v1alpha1::ListPodResourcesResponse old;
  REQUIRE(bench
              .Call([&] {
                grpc::ClientContext context;
                return alpha->List(&context, {}, &old);
              })
              .ok());
  CHECK(old.pod_resources(0).containers(0).devices(0).device_ids(0) == "a");
  const std::string metrics = bench.metrics.Render();
  for (const char* line :
       {"requests_total{server_api_version=\"v1\"} 4",
        "requests_total{server_api_version=\"v1alpha1\"} 1",
        "requests_list{server_api_version=\"v1\"} 1", "requests_get{server_api_version=\"v1\"} 2",
        "errors_get{server_api_version=\"v1\"} 1",
        "requests_get_allocatable{server_api_version=\"v1\"} 1"})
    CHECK(metrics.find("kubelet_pod_resources_endpoint_" + std::string(line)) != std::string::npos);

  // A burst of ten, then a hundred a second.
  auto ask = [&] {
    grpc::ClientContext context;
    return stub->List(&context, {}, &list).error_message();
  };
  for (int i = 5; i < 10; ++i) CHECK(bench.Call(ask).empty());
  CHECK(bench.Call(ask) == "rejected by rate limit");
  still.Advance(milliseconds(10));
  CHECK(bench.Call(ask).empty());
  CHECK(bench.Call(ask) == "rejected by rate limit");
}

TEST_CASE("names of extended resources") {
  CHECK(IsExtendedResourceName("example.com/thing"));
  CHECK(IsExtendedResourceName("vendor.example/Gpu_1.x"));
  for (const char* bad : {"", "cpu", "/x", "a.b/", "Example.com/x", "-a.com/x", "a..b/x",
                          "kubernetes.io/batch-cpu", "x.kubernetes.io/y", "requests.a.com/x"}) {
    INFO(bad);
    CHECK(!IsExtendedResourceName(bad));
  }
}

}  // namespace
}  // namespace kubelet::plugin
