// Volumes of pods: teardown, failures and when they are tried again, volumes out of API objects.
#include <fcntl.h>
#include <sys/mount.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "await.h"
#include "catch.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "kubelet/volume/child_calls.h"
#include "kubelet/volume/pod_files.h"
#include "kubelet/volume/volume.h"
#include "os/child_main.h"
#include "os/dead_mount.h"
#include "os/temp_dir.h"
#include "resource/pod_yaml.h"
#include "volume/pod_volumes_fixture.h"

namespace kubelet::volume {
namespace {

using test::NeedsRoot;
using test::PodOf;
using test::PodVolumesFixture;
using test::ReadText;
using test::TempDir;
using test::WithVolume;
using test::WriteText;

const test::ChildMain child_main(ChildCallTable());

TEST_CASE(
    "orphaned pod volume paths are still present: teardown goes by the mount table, and deletes no "
    "data behind a mount") {
  if (!NeedsRoot("bind mounts")) return;
  PodVolumesFixture f;
  TempDir host;
  WriteText(host / "data", "precious");
  // What a predecessor left: a bind mount of data, a tmpfs, and a mount on a mount.
  std::string local = f.pod_dir + "/volumes/kubernetes.io~local-volume/pv1";
  std::string secret = f.pod_dir + "/volumes/kubernetes.io~secret/s";
  REQUIRE(os::MakeDirectory(local, 0750).ok());
  REQUIRE(os::MakeDirectory(secret, 0750).ok());
  REQUIRE(mount(host.path().c_str(), local.c_str(), nullptr, MS_BIND, nullptr) == 0);
  REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", secret, "size=65536").ok());
  WriteText(secret + "/..data/token", "x");
  int busy = open(secret.c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(f.Mounts() == 2);
  CHECK(f.Await(f.volumes.Teardown("1-2")).ok());
  close(busy);
  CHECK(f.Mounts() == 0);
  CHECK(ReadText(host / "data") == "precious");
  CHECK(std::filesystem::is_empty(f.pod_dir));
}

TEST_CASE("files of a volume kind that is not ours stay, and are named") {
  PodVolumesFixture f;
  std::string csi = f.pod_dir + "/volumes/kubernetes.io~csi/pv1";
  WriteText(csi + "/vol_data.json", "{}");
  std::filesystem::create_directories(csi + "/mount");
  WriteText(f.pod_dir + "/volumes/kubernetes.io~empty-dir/e/x", "x");
  PodDirs dirs{f.root.path(), f.root / "logs", f.root / "links"};
  for (const auto& status :
       {f.Await(f.volumes.Teardown("1-2")), RemovePodFiles(dirs, "1-2", f.root / "logs/p")}) {
    REQUIRE(absl::IsFailedPrecondition(status));
    CHECK(std::string(status.message()).find(csi + "/vol_data.json") != std::string::npos);
    CHECK(ReadText(csi + "/vol_data.json") == "{}");
    CHECK_FALSE(std::filesystem::exists(csi + "/mount"));
    CHECK_FALSE(std::filesystem::exists(f.pod_dir + "/volumes/kubernetes.io~empty-dir"));
  }
}

// A clock that is turned by hand, and a pool of real threads.
struct ByHand {
  std::vector<std::string> events;
  TempDir root;
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  test::LastTurns last{io};
  base::Registry metrics;
  VolumeOptions options = Options();
  PodVolumes volumes{io.get_executor(), clock, pool, options};
  base::TaskScope scope{io.get_executor()};

  ~ByHand() {
    test::Settle(io, pool);
    os::UnmountBelow(root.path(), true).IgnoreError();
  }
  VolumeOptions Options() {
    VolumeOptions options;
    options.root_dir = root.path();
    options.metrics = &metrics;
    options.on_event = [this](const std::string& uid, const api::core::Pod*, const std::string& reason,
                              const std::string& message) { events.push_back(uid + " " + reason + ": " + message); };
    return options;
  }
  void RunUntil(const std::function<bool()>& done) {
    auto work = boost::asio::make_work_guard(io);
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io.restart();
    while (!done() && std::chrono::steady_clock::now() < end) io.run_one_for(std::chrono::milliseconds(10));
    REQUIRE(done());
  }
  void Begin(const std::string& uid, const std::string& spec, std::optional<absl::StatusOr<VolumeMap>>& out) {
    auto pod = PodOf(spec);
    pod.mutable_metadata()->set_uid(uid);
    auto shared = std::make_shared<const api::core::Pod>(std::move(pod));
    scope.Spawn("prepare", test::StoreResult(volumes.Prepare(shared), out));
  }
  absl::StatusOr<VolumeMap> Prepare(const std::string& uid, const std::string& spec) {
    std::optional<absl::StatusOr<VolumeMap>> out;
    Begin(uid, spec, out);
    RunUntil([&] { return out.has_value(); });
    return *out;
  }
  absl::Status Teardown(const std::string& uid) {
    std::optional<absl::Status> out;
    scope.Spawn("teardown", test::StoreResult(volumes.Teardown(uid), out));
    RunUntil([&] { return out.has_value(); });
    return *out;
  }
};

TEST_CASE("a volume that fails is tried again after 500 ms, doubling; the others of the pod are ready") {
  ByHand f;
  std::string spec = "{volumes: [{name: bad, hostPath: {path: " + (f.root / "no") +
                     ", type: Directory}}, {name: good, emptyDir: {}}], containers: [{name: c, volumeMounts: "
                     "[{name: bad, mountPath: /a}, {name: good, mountPath: /b}]}]}";
  const std::string told = "MountVolume.SetUp failed for volume \"bad\" : hostPath type check failed: " +
                           (f.root / "no") + " is not a directory";
  CHECK(f.Prepare("u", spec).status() == absl::FailedPreconditionError("pod shop/web: " + told));
  CHECK(std::filesystem::is_directory(f.root / "pods/u/volumes/kubernetes.io~empty-dir/good"));
  CHECK(f.events == std::vector<std::string>{"u FailedMount: " + told});
  REQUIRE(f.volumes.RetryAt("u"));
  CHECK(*f.volumes.RetryAt("u") - f.clock.Mono() == std::chrono::milliseconds(500));
  // Too early: no attempt, and no other event.
  std::filesystem::create_directory(f.root / "no");
  CHECK(absl::IsFailedPrecondition(f.Prepare("u", spec).status()));
  CHECK(f.events.size() == 1);
  std::filesystem::remove(f.root / "no");
  for (int delay : {1000, 2000, 4000, 8000, 16000, 32000, 64000, 122000, 122000}) {
    f.clock.Advance(*f.volumes.RetryAt("u") - f.clock.Mono());
    CHECK_FALSE(f.Prepare("u", spec).ok());
    CHECK(*f.volumes.RetryAt("u") - f.clock.Mono() == std::chrono::milliseconds(delay));
  }
  REQUIRE(f.volumes.Explain("u").size() == 1);
  CHECK(f.volumes.Explain("u")[0].find("bad: pod shop/web: " + told + "; since ") == 0);
  CHECK(f.volumes.Explain("u")[0].find(", 10 attempts, next in 2m2s") != std::string::npos);
  std::filesystem::create_directory(f.root / "no");
  f.volumes.RetryNow("u");
  CHECK(f.Prepare("u", spec).ok());
  CHECK_FALSE(f.volumes.RetryAt("u"));
  CHECK(f.volumes.Explain("u").empty());
  std::string text = f.metrics.Render();
  for (const char* line :
       {"storage_operation_duration_seconds_count{volume_plugin=\"kubernetes.io/host-path\",operation_name="
        "\"volume_mount\",status=\"fail-unknown\",migrated=\"false\"} 10",
        "volume_operation_total_seconds_count{plugin_name=\"kubernetes.io/host-path\",operation_name=\"overall_volume_mount\"} 1",
        "volume_manager_total_volumes{plugin_name=\"kubernetes.io/empty-dir\",state=\"actual_state_of_world\"} 1"}) {
    INFO(line);
    CHECK(text.find(line) != std::string::npos);
  }
  CHECK(f.Teardown("u").ok());
  CHECK(f.metrics.Render().find("volume_manager_total_volumes{plugin_name=\"kubernetes.io/empty-dir\",state="
                                "\"desired_state_of_world\"} 0") != std::string::npos);
}

TEST_CASE("a pod that waits two minutes for its volumes is told which") {
  ByHand f;
  std::string spec = WithVolume("hostPath: {path: " + (f.root / "no") + ", type: File}");
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(f.Prepare("u", spec).ok());
    f.clock.Advance(*f.volumes.RetryAt("u") - f.clock.Mono());
  }
  CHECK(std::count(f.events.begin(), f.events.end(),
                   "u FailedMount: Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], "
                   "failed to process volumes=[]: context deadline exceeded") == 1);
}

TEST_CASE("two dead mounts: their pods fail by name, all others start, and what is mounted from them goes away") {
  if (!NeedsRoot("mounts of its own")) return;
  ByHand f;
  TempDir host;
  for (const char* name : {"dead1", "dead2", "good"}) REQUIRE(os::MakeDirectory(host / name, 0755).ok());
  test::DeadMount dead1(host / "dead1"), dead2(host / "dead2");
  if (!dead1.ok() || !dead2.ok()) return;
  auto spec = [&](const std::string& name) {
    return WithVolume("hostPath: {path: " + (host / name) + "/x, type: DirectoryOrCreate}");
  };
  std::vector<std::optional<absl::StatusOr<VolumeMap>>> hung(6);
  for (int i = 0; i < 6; ++i) f.Begin("h" + std::to_string(i), spec(i % 2 == 0 ? "dead1" : "dead2"), hung[i]);
  f.RunUntil([&] { return dead1.taken() > 0 && dead2.taken() > 0; });
  // More than the pool has threads, while both hang.
  for (int i = 0; i < 20; ++i) CHECK(f.Prepare("g" + std::to_string(i), spec("good")).ok());
  f.clock.Advance(std::chrono::seconds(2));
  auto next = f.Prepare("late", spec("dead1"));
  CHECK(absl::IsUnavailable(next.status()));
  CHECK(base::Message(next.status()).find("the mount " + (host / "dead1") + " (fuse.dead server:/dead) does not answer since ") !=
        std::string::npos);
  CHECK(base::Message(next.status()).find("asked for pod shop/web volume \"v\"") != std::string::npos);
  CHECK(f.volumes.ExplainNode([](const std::string&) { return true; }).size() == 2);
  f.RunUntil([&] {
    bool all = std::all_of(hung.begin(), hung.end(), [](const auto& one) { return one.has_value(); });
    if (!all) f.clock.Advance(std::chrono::seconds(1));
    return all;
  });
  for (auto& one : hung) CHECK((absl::IsDeadlineExceeded(one->status()) || absl::IsUnavailable(one->status())));
  CHECK(absl::IsDeadlineExceeded(hung[0]->status()));
  // A pod that has such a mount in its directory: taken away, and nobody waits for the server.
  std::string inside = f.root / "pods/gone/volumes/kubernetes.io~nfs/n";
  REQUIRE(os::MakeDirectory(inside, 0750).ok());
  REQUIRE(mount((host / "dead2").c_str(), inside.c_str(), nullptr, MS_BIND, nullptr) == 0);
  CHECK(f.Teardown("gone").ok());
  CHECK(os::MountsBelow(*os::ReadMountinfo(), f.root.path()).empty());
  CHECK_FALSE(std::filesystem::exists(f.root / "pods/gone/volumes"));
  dead1.End();
  dead2.End();
  f.RunUntil([&] { return f.volumes.calls().HungMounts().empty(); });
}

TEST_CASE(
    "a pod whose volumes are refused is told so once, and explain says what the pod was told") {
  PodVolumesFixture f;
  const std::string spec = WithVolume("iscsi: {targetPortal: '192.0.2.1', iqn: i, lun: 0}");
  auto first = f.Prepare(spec);
  auto again = f.Prepare(spec);
  CHECK(first.status() == again.status());
  const std::string words =
      "MountVolume.SetUp failed for volume \"v\" : volumes of kind iscsi are not built yet";
  CHECK(base::Message(first.status()) == "pod shop/web: " + words);
  CHECK(f.events == std::vector<std::string>{"1-2 FailedMount: " + words});
  auto lines = f.Explain();
  REQUIRE(lines.size() == 1);
  INFO(lines[0]);
  CHECK(lines[0].starts_with("pod shop/web: " + words + "; since "));
}

TEST_CASE("a pod without volumes asks nobody") {
  PodVolumesFixture f;
  CHECK(f.Prepare("containers: [{name: c}]")->empty());
  CHECK_FALSE(std::filesystem::exists(f.pod_dir));
  CHECK(f.Await(f.volumes.Orphans({}))->empty());
}

struct FakeObjects : Objects {
  std::map<std::string, std::shared_ptr<const api::core::ConfigMap>> config_maps;
  base::WallTime refresh_at;
  int tokens = 0;
  base::WakeEvent* hold = nullptr;  // not null: configMaps wait for it
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> ConfigMap(
      std::string namespace_, std::string name) override {
    if (hold != nullptr) co_await hold->Wait(std::nullopt);
    auto it = config_maps.find(namespace_ + "/" + name);
    if (it == config_maps.end()) co_return absl::NotFoundError("no");
    co_return it->second;
  }
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string, std::string) override {
    co_return absl::UnavailableError("the API server is away");
  }
  base::Task<absl::StatusOr<Token>> ServiceAccountToken(api::PodPtr, std::string,
                                                        int64_t) override {
    co_return Token{"token " + std::to_string(++tokens), refresh_at};
  }
  void Put(const std::string& name, const std::string& key, const std::string& text) {
    auto map = std::make_shared<api::core::ConfigMap>();
    (*map->mutable_data())[key] = text;
    config_maps["shop/" + name] = map;
  }
};

TEST_CASE("an API volume needs an API server") {
  PodVolumesFixture f;
  auto paths = f.Prepare(WithVolume("configMap: {name: cm}"));
  CHECK(absl::IsFailedPrecondition(paths.status()));
  CHECK(base::Message(paths.status()).find("needs the API server") != std::string::npos);
}

TEST_CASE("a configMap volume follows its object; tokens say when they want to be renewed") {
  if (!NeedsRoot("tmpfs")) return;
  PodVolumesFixture f;
  FakeObjects objects;
  objects.refresh_at = base::WallFromUnixNanos(1'000'000'000);
  f.options.objects = &objects;
  PodVolumes volumes(f.io.get_executor(), f.clock, f.pool, f.options);
  std::string text = WithVolume(
      "projected: {sources: [{configMap: {name: cm}}, {serviceAccountToken: {path: token}}]}");
  auto pod = std::make_shared<const api::core::Pod>(PodOf(text));
  auto missing = f.Await(volumes.Prepare(pod));
  CHECK(absl::IsFailedPrecondition(missing.status()));
  CHECK(base::Message(missing.status()).find("configmap \"cm\" not found") != std::string::npos);
  CHECK(f.Mounts() == 0);

  objects.Put("cm", "k", "one");
  volumes.RetryNow("1-2");
  auto paths = f.Await(volumes.Prepare(pod));
  INFO(paths.status());
  REQUIRE(paths.ok());
  std::string dir = paths->at("v").host_path;
  CHECK(dir == f.pod_dir + "/volumes/kubernetes.io~projected/v");
  CHECK(ReadText(dir + "/k") == "one");
  CHECK(ReadText(dir + "/token") == "token 1");
  CHECK(f.Mounts() == 1);  // tokens never touch a disk
  std::string uid = pod->metadata().uid();
  CHECK(volumes.RefreshAt(uid) == objects.refresh_at);

  objects.Put("cm", "k", "two");
  CHECK(f.Await(volumes.Refresh(pod)).ok());
  CHECK(ReadText(dir + "/k") == "two");
  CHECK(ReadText(dir + "/token") == "token 2");
  CHECK(f.Mounts() == 1);

  objects.config_maps.clear();
  CHECK_FALSE(f.Await(volumes.Refresh(pod)).ok());
  CHECK(ReadText(dir + "/k") == "two");  // kept

  REQUIRE(f.Await(volumes.Teardown(uid)).ok());
  CHECK(f.Mounts() == 0);
  CHECK_FALSE(volumes.RefreshAt(uid));
  objects.Put("cm", "k", "three");
  CHECK(f.Await(volumes.Refresh(pod)).ok());
  CHECK(f.Mounts() == 0);  // a volume that is gone does not come back
}

TEST_CASE("a refresh that waits for the API while its pod is torn down brings nothing back") {
  if (!NeedsRoot("tmpfs")) return;
  PodVolumesFixture f;
  FakeObjects objects;
  f.options.objects = &objects;
  PodVolumes volumes(f.io.get_executor(), f.clock, f.pool, f.options);
  auto pod = std::make_shared<const api::core::Pod>(PodOf(WithVolume("configMap: {name: cm}")));
  std::string uid = pod->metadata().uid();
  objects.Put("cm", "k", "one");
  REQUIRE(f.Await(volumes.Prepare(pod)).ok());
  base::WakeEvent held(f.io.get_executor(), f.clock);
  objects.hold = &held;
  std::optional<absl::Status> refreshed;
  base::TaskScope scope(f.io.get_executor());
  scope.Spawn("refresh", test::StoreResult(volumes.Refresh(pod), refreshed));
  REQUIRE(f.Await(volumes.Teardown(uid)).ok());
  held.Notify();
  f.io.restart();
  while (scope.size() > 0) f.io.run_one();
  CHECK(absl::IsAborted(*refreshed));
  CHECK_FALSE(std::filesystem::exists(f.pod_dir + "/volumes/kubernetes.io~configmap"));
  CHECK_FALSE(volumes.RefreshAt(uid));
}

}  // namespace
}  // namespace kubelet::volume
