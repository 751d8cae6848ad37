// Devices between admission, workers and plugins: order, failures, restarts. The plugin is a port
// here.
#include "kubelet/resource/devices.h"

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "await.h"
#include "catch.h"
#include "kubelet/base/promise.h"
#include "kubelet/base/status.h"
#include "os/temp_dir.h"
#include "resource/device_checkpoint.h"

namespace kubelet::resource {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Response = v1beta1::ContainerAllocateResponse;

constexpr char kThing[] = "example.com/thing";

std::string Joined(const std::vector<std::string>& ids) {
  std::string out;
  for (const auto& id : ids) out += (out.empty() ? "" : ",") + id;
  return out;
}

class PortPlugin : public DevicePlugin {
 public:
  explicit PortPlugin(base::Executor executor) : executor_(std::move(executor)) {}
  Options options() const override { return options_now; }
  base::Task<absl::StatusOr<std::vector<std::string>>> Preferred(std::vector<std::string> available,
                                                                 std::vector<std::string> must,
                                                                 int size) override {
    calls.push_back("preferred " + Joined(available) + "|" + Joined(must) + "|" +
                    std::to_string(size));
    if (!error.empty()) co_return absl::UnknownError(error);
    co_return preferred;
  }
  base::Task<absl::StatusOr<v1beta1::AllocateResponse>> Allocate(
      std::vector<std::string> ids) override {
    calls.push_back("allocate " + Joined(ids));
    if (gate) {
      bool go = co_await gate->Get();
      (void)go;
    }
    if (!error.empty()) co_return absl::UnknownError(error);
    v1beta1::AllocateResponse answer;
    if (!empty) (*answer.add_container_responses()->mutable_envs())["IDS"] = Joined(ids);
    co_return answer;
  }
  base::Task<absl::Status> PreStart(std::vector<std::string> ids) override {
    calls.push_back("prestart " + Joined(ids));
    if (!error.empty()) co_return absl::UnknownError(error);
    co_return absl::OkStatus();
  }

  Options options_now;
  std::vector<std::string> calls, preferred;
  std::string error;
  bool empty = false;
  std::optional<base::Promise<bool>> gate;

 private:
  base::Executor executor_;
};

api::PodPtr MakePod(const std::string& uid, int count = 1) {
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_uid(uid);
  pod->mutable_metadata()->set_name("p" + uid);
  auto* c = pod->mutable_spec()->add_containers();
  c->set_name("main");
  (*c->mutable_resources()->mutable_limits())[kThing].set_string(std::to_string(count));
  return pod;
}

// A kubelet's worth of it; Restart makes the next one, on the same files.
struct Bench {
  Bench() { Restart(); }
  void Restart() {
    devices.reset();
    Turn();
    Devices::Deps deps{io.get_executor(),
                       clock,
                       Write(),
                       [this] { return live; },
                       [this] { ++node_changes; },
                       [this](const std::string& uid) { changed.insert(uid); }};
    Devices::Options options;
    options.checkpoint = dir / "kubelet_internal_checkpoint";
    devices = std::make_unique<Devices>(std::move(deps), options);
    devices->Load();
  }
  WriteFile Write() {
    return [this](std::string path, std::string text) { return Store(this, path, text); };
  }
  static base::Task<absl::Status> Store(Bench* self, std::string path, std::string text) {
    if (self->disk_full) co_return absl::ResourceExhaustedError("no space left");
    test::WriteText(path, text);
    ++self->writes;
    co_return absl::OkStatus();
  }
  void Turn() {
    io.restart();
    io.poll();
  }
  std::shared_ptr<PortPlugin> Connect(const std::vector<std::string>& ids) {
    auto plugin = std::make_shared<PortPlugin>(io.get_executor());
    devices->Connected(kThing, plugin);
    List(plugin, ids);
    return plugin;
  }
  void List(const std::shared_ptr<PortPlugin>& plugin, const std::vector<std::string>& ids,
            const std::string& sick = "") {
    std::vector<Device> list;
    for (const auto& id : ids) list.push_back({id, id != sick, {}});
    devices->Listed(kThing, plugin.get(), std::move(list));
    Turn();
  }
  absl::Status Allocate(const api::PodPtr& pod) { return test::Await(io, devices->Allocate(pod)); }
  absl::StatusOr<Response> Prepare(const api::PodPtr& pod) {
    return test::Await(io, devices->Prepare(pod, "main"));
  }
  std::string Start(const api::PodPtr& pod) {
    if (auto refused = devices->Admit(*pod)) return *refused;
    auto given = Allocate(pod);
    if (!given.ok()) return base::Message(given);
    auto made = Prepare(pod);
    return made.ok() ? "has " + made->envs().at("IDS") : base::Message(made.status());
  }
  DeviceCheckpoint OnDisk() {
    auto read = DecodeDeviceCheckpoint(test::ReadText(dir / "kubelet_internal_checkpoint"));
    REQUIRE(read.ok());
    return *read;
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] { Turn(); });
  }

  boost::asio::io_context io;
  base::ManualClock clock;
  test::TempDir dir;
  std::optional<std::set<std::string>> live;
  int node_changes = 0, writes = 0;
  bool disk_full = false;
  std::set<std::string> changed;
  test::LastTurns last{io};
  std::unique_ptr<Devices> devices;
};

TEST_CASE("a pod has its devices on disk before it goes on, and keeps them over a restart") {
  Bench bench;
  auto plugin = bench.Connect({"a", "b"});
  auto pod = MakePod("1");
  CHECK(bench.Start(pod) == "has a");
  auto disk = bench.OnDisk();
  REQUIRE(disk.entries.size() == 1);
  CHECK(disk.entries[0].pod_uid == "1");
  CHECK(disk.entries[0].ids == std::map<int64_t, std::vector<std::string>>{{-1, {"a"}}});
  CHECK(disk.registered.at(kThing) == std::vector<std::string>{"a", "b"});

  bench.Restart();
  CHECK(bench.devices->found_checkpoint());
  auto resources = bench.devices->Resources();
  CHECK(resources.at(kThing).capacity == 0);  // until its plugin is back
  plugin = bench.Connect({"a", "b"});
  CHECK(bench.devices->Resources().at(kThing).allocatable == 2);
  // A restart of its container asks nobody.
  auto made = bench.Prepare(pod);
  REQUIRE(made.ok());
  CHECK(made->envs().at("IDS") == "a");
  CHECK(plugin->calls.empty());
  CHECK(bench.Start(MakePod("2")) == "has b");
  CHECK(
      bench.Start(MakePod("3")) ==
      "requested number of devices unavailable for example.com/thing. Requested: 1, Available: 0");
  bench.devices->Release("1");
  CHECK(bench.Start(MakePod("3")) == "has a");
}

TEST_CASE("pods that are no more hold nothing, once it is known which are") {
  Bench bench;
  bench.Connect({"a"});
  CHECK(bench.Start(MakePod("1")) == "has a");
  CHECK(bench.devices->Admit(*MakePod("2")).has_value());
  bench.live = std::set<std::string>{"2"};
  CHECK(bench.Start(MakePod("2")) == "has a");
}

TEST_CASE("while a plugin thinks, nobody gets what it thinks about, and others go on") {
  Bench bench;
  auto plugin = bench.Connect({"a", "b"});
  plugin->gate.emplace(bench.io.get_executor());
  auto slow = MakePod("1");
  REQUIRE(!bench.devices->Admit(*slow));
  std::optional<absl::Status> given;
  base::TaskScope scope(bench.io.get_executor());
  scope.Spawn("slow", test::StoreResult(bench.devices->Allocate(slow), given));
  bench.Turn();
  CHECK(plugin->calls == std::vector<std::string>{"allocate a"});
  CHECK(!given);
  auto gate = *plugin->gate;
  plugin->gate.reset();
  CHECK(bench.Start(MakePod("2")) == "has b");
  CHECK(!given);
  SECTION("it answers") {
    gate.Set(true);
    bench.Turn();
    REQUIRE(given);
    CHECK(given->ok());
  }
  SECTION("the pod is gone meanwhile: the answer is nobody's") {
    bench.devices->Release("1");
    gate.Set(true);
    bench.Turn();
    REQUIRE(given);
    CHECK(absl::IsCancelled(*given));
    CHECK(bench.Start(MakePod("3")) == "has a");
  }
}

TEST_CASE("a plugin that refuses costs its pod only, in upstream's words") {
  Bench bench;
  auto plugin = bench.Connect({"a"});
  auto pod = MakePod("1");
  auto refuse = [&](const std::string& words) {
    REQUIRE(!bench.devices->Admit(*pod));
    auto given = bench.Allocate(pod);
    CHECK(absl::IsInvalidArgument(given));
    CHECK(base::Message(given) == words);
    CHECK(!bench.devices->Holds("1"));
  };
  plugin->error = "rpc error: code = Unknown desc = broken";
  refuse("rpc error: code = Unknown desc = broken");
  plugin->options_now.preferred = true;
  refuse("device plugin GetPreferredAllocation rpc failed with err: " + plugin->error);
  plugin->options_now.preferred = false;
  plugin->error.clear();
  plugin->empty = true;
  refuse("no containers return in allocation response ");
  plugin->empty = false;
  REQUIRE(!bench.devices->Admit(*pod));
  bench.devices->Disconnected(kThing, plugin.get());
  auto given = bench.Allocate(pod);
  CHECK(base::Message(given) == "the endpoint of device plugin example.com/thing has been stopped");
}

TEST_CASE("devices that cannot be written down are not given") {
  Bench bench;
  bench.Connect({"a"});
  bench.disk_full = true;
  CHECK(bench.Start(MakePod("1")) ==
        "failed to write checkpoint file \"kubelet_internal_checkpoint\": no space left");
  CHECK(!bench.devices->Holds("1"));
  bench.disk_full = false;
  CHECK(bench.Start(MakePod("2")) == "has a");
  bench.Advance(seconds(30));
  CHECK(bench.OnDisk().entries.size() == 1);
}

TEST_CASE("the plugin is asked what it prefers, and before each start where it wants that") {
  Bench bench;
  auto plugin = bench.Connect({"a", "b", "c"});
  plugin->options_now = {true, true};
  plugin->preferred = {"c"};
  auto pod = MakePod("1");
  CHECK(bench.Start(pod) == "has c");
  CHECK(plugin->calls ==
        std::vector<std::string>{"preferred a,b,c||1", "allocate c", "prestart c"});
  CHECK(bench.Prepare(pod).ok());
  CHECK(plugin->calls.back() == "prestart c");
  plugin->error = "rpc error: code = Unknown desc = not now";
  CHECK(base::Message(bench.Prepare(pod).status()) ==
        "device plugin PreStartContainer rpc failed with err: " + plugin->error);
}

TEST_CASE("a plugin that goes: unhealthy at once, nothing after five minutes; another takes over") {
  Bench bench;
  auto plugin = bench.Connect({"a", "b"});
  CHECK(bench.Start(MakePod("1")) == "has a");
  auto health = [&] { return bench.devices->HealthOf("1", "main").at(0).resources(0).health(); };
  CHECK(health() == "Healthy");
  bench.changed.clear();
  bench.List(plugin, {"a", "b"}, "a");
  CHECK(health() == "Unhealthy");
  CHECK(bench.changed == std::set<std::string>{"1"});
  bench.List(plugin, {"a", "b"});
  int before = bench.node_changes;
  bench.devices->Disconnected(kThing, plugin.get());
  CHECK(bench.node_changes == before + 1);
  CHECK(health() == "Unhealthy");
  CHECK(bench.devices->Resources().at(kThing).capacity == 2);
  CHECK(bench.devices->Resources().at(kThing).allocatable == 0);
  CHECK(bench.Start(MakePod("2")) ==
        "no healthy devices present; cannot allocate unhealthy devices example.com/thing");
  SECTION("it comes back in time") {
    bench.Advance(minutes(4));
    bench.Connect({"a", "b"});
    bench.Advance(minutes(10));
    CHECK(bench.devices->Resources().at(kThing).allocatable == 2);
    CHECK(bench.Start(MakePod("2")) == "has b");
    // What the one before says late is nobody's word any more.
    bench.devices->Listed(kThing, plugin.get(), {});
    bench.devices->Disconnected(kThing, plugin.get());
    CHECK(bench.devices->Resources().at(kThing).allocatable == 2);
  }
  SECTION("it does not") {
    bench.Advance(minutes(5) + seconds(1));
    auto counts = bench.devices->Resources().at(kThing);
    CHECK(counts.capacity == 0);
    CHECK(bench.Start(MakePod("2")) == "cannot allocate unregistered device example.com/thing");
    CHECK(bench.OnDisk().registered.empty());
    CHECK(bench.OnDisk().entries.size() == 1);
    CHECK(base::Message(bench.Prepare(MakePod("1")).status()) ==
          "endpoint not found in cache for a registered resource: example.com/thing");
  }
}

TEST_CASE("after a start pods wait for plugins that were there before, two minutes at most") {
  Bench bench;
  bench.Connect({"a", "b"});
  auto holder = MakePod("1"), next = MakePod("2");
  CHECK(bench.Start(holder) == "has a");
  bench.Restart();
  REQUIRE(!bench.devices->Admit(*next));
  auto waits = bench.Allocate(next);
  CHECK(absl::IsUnavailable(waits));
  CHECK(absl::IsUnavailable(bench.Prepare(holder).status()));
  SECTION("it comes, and they are told") {
    bench.Advance(seconds(60));
    bench.changed.clear();
    bench.Connect({"a", "b"});
    CHECK(bench.changed == std::set<std::string>{"1", "2"});
    CHECK(bench.Allocate(next).ok());
    CHECK(bench.Prepare(next)->envs().at("IDS") == "b");
    CHECK(bench.Prepare(holder)->envs().at("IDS") == "a");
  }
  SECTION("it does not come") {
    bench.Advance(minutes(2) + seconds(1));
    auto refused = bench.Allocate(next);
    CHECK(absl::IsInvalidArgument(refused));
    CHECK(base::Message(refused) ==
          "no healthy devices present; cannot allocate unhealthy devices example.com/thing");
    // As upstream: what the plugin once said counts.
    CHECK(bench.Prepare(holder)->envs().at("IDS") == "a");
  }
}

TEST_CASE(
    "a checkpoint that is lost: what runs goes on, and a container that starts gets devices anew") {
  Bench bench;
  bench.Connect({"a"});
  auto pod = MakePod("1");
  CHECK(bench.Start(pod) == "has a");
  test::WriteText(bench.dir / "kubelet_internal_checkpoint", "{\"Data\":");
  bench.Restart();
  CHECK(std::filesystem::exists(bench.dir / "kubelet_internal_checkpoint.bad"));
  auto plugin = bench.Connect({"a"});
  auto made = bench.Prepare(pod);
  REQUIRE(made.ok());
  CHECK(made->envs().at("IDS") == "a");
  CHECK(plugin->calls == std::vector<std::string>{"allocate a"});
  CHECK(bench.OnDisk().entries.size() == 1);
}

TEST_CASE("pods that want no devices cost nothing") {
  Bench bench;
  bench.Connect({"a"});
  int writes = bench.writes;
  auto pod = MakePod("1", 0);
  CHECK(!bench.devices->Admit(*pod));
  CHECK(bench.Allocate(pod).ok());
  auto made = bench.Prepare(pod);
  REQUIRE(made.ok());
  CHECK(made->ByteSizeLong() == 0);
  CHECK(bench.writes == writes);
}

}  // namespace
}  // namespace kubelet::resource
