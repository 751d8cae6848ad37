// Volumes that are devices, and the room on volumes of their own. A file behind a loop device is
// the disk.
#include "volume/block.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include "catch.h"
#include "kubelet/os/loop_device.h"
#include "os/dead_mount.h"
#include "volume/one_claim.h"

namespace kubelet::volume {
namespace {

using Fixture = test::OneClaimFixture;
using test::Disk;
using test::kDevice;
using test::kMounted;
using test::NeedsRoot;
using test::TempDir;
using test::WriteText;

dev_t DeviceAt(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISBLK(info.st_mode) ? info.st_rdev : 0;
}

TEST_CASE("a block volume is a link to its device, which is held until the pod is gone") {
  if (!NeedsRoot("loop devices")) return;
  Disk disk;
  if (!disk.ok()) return;
  Fixture f;
  f.cluster.volume = "volumeMode: Block, local: {path: " + *disk.device + "}";
  auto paths = f.Prepare("a", kDevice);
  INFO(paths.status());
  REQUIRE(paths.ok());
  CHECK((*paths)["v"].host_path == f.Link("a"));
  CHECK(std::filesystem::read_symlink(f.Link("a")) == *disk.device);
  CHECK(DeviceAt(f.place + "/a") == DeviceAt(*disk.device));
  CHECK(os::FindLoop(f.place + "/a").ok());
  // Again, and for another pod.
  REQUIRE(f.Prepare("a", kDevice).ok());
  REQUIRE(f.Prepare("b", kDevice).ok());
  REQUIRE(f.Teardown("a").ok());
  CHECK_FALSE(std::filesystem::exists(f.root / "pods/a/volumeDevices"));
  CHECK_FALSE(os::FindLoop(f.place + "/a").ok());
  CHECK(DeviceAt(f.place + "/b") == DeviceAt(*disk.device));
  REQUIRE(f.Teardown("b").ok());
  CHECK_FALSE(std::filesystem::exists(f.place));
  CHECK(os::MountsBelow(*os::ReadMountinfo(), f.root.path()).empty());
  std::string text = f.metrics.Render();
  for (const char* operation : {"map_volume", "unmap_volume"})
    CHECK(text.find("storage_operation_duration_seconds_count{volume_plugin=\"kubernetes.io/"
                    "local-volume\",operation_name=\"" +
                    std::string(operation) + "\",status=\"success\",migrated=\"false\"} 2") !=
          std::string::npos);
}

TEST_CASE("what a crash left of a block volume goes with its pod") {
  if (!NeedsRoot("loop devices")) return;
  Disk disk;
  if (!disk.ok()) return;
  Fixture f;
  std::string link = f.Link("a");
  std::filesystem::create_directories(std::filesystem::path(link).parent_path());
  std::filesystem::create_symlink(*disk.device, link);
  SECTION("only the link") {}
  SECTION("the bind mount, not held") {
    std::filesystem::create_directories(f.place);
    WriteText(f.place + "/a", "");
    REQUIRE(mount(disk.device->c_str(), (f.place + "/a").c_str(), nullptr, MS_BIND, nullptr) == 0);
  }
  REQUIRE(f.Teardown("a").ok());
  CHECK_FALSE(std::filesystem::exists(f.place));
  CHECK(std::filesystem::is_empty(f.root / "pods/a"));
}

TEST_CASE("a block volume that is none keeps its pod back, with the reason in an event") {
  Fixture f;
  const std::pair<std::string, std::string> cases[] = {
      {"volumeMode: Block, local: {path: /dev/null}", "local path /dev/null is not a block device"},
      {"volumeMode: Block, local: {path: /dev/none}", "stat /dev/none: No such file"},
      {"local: {path: /x}",
       "volume v has volumeMode Filesystem, but is specified in volumeDevices"},
      {"volumeMode: Block, nfs: {server: s, path: /x}",
       "PersistentVolume pv1 of kind nfs cannot be a block volume"}};
  for (const auto& [spec, words] : cases) {
    f.cluster.volume = spec;
    f.events.clear();
    auto paths = f.Prepare("a", kDevice);
    INFO(paths.status());
    CHECK(base::Message(paths.status()).find(words) != std::string::npos);
    REQUIRE(f.events.size() == 1);
    CHECK(f.events[0].find("a FailedMapVolume: MapVolume.MapPodDevice failed for volume \"") == 0);
    REQUIRE(f.Teardown("a").ok());
  }
  auto wrong = f.Prepare("b",
                         "{volumes: [{name: v, emptyDir: {}}], containers: [{name: c, "
                         "volumeDevices: [{name: v, devicePath: /dev/x}]}]}");
  CHECK(base::Message(wrong.status())
            .find("volumes of kind emptyDir cannot be used in "
                  "volumeDevices") != std::string::npos);
}

TEST_CASE("a volume for one pod only is refused to a second, also after a restart") {
  if (!NeedsRoot("bind mounts")) return;
  Fixture f;
  std::filesystem::create_directory(f.root / "disk");
  f.cluster.volume = "accessModes: [ReadWriteOncePod], local: {path: " + (f.root / "disk") + "}";
  REQUIRE(f.Prepare("a", kMounted).ok());
  REQUIRE(f.Prepare("a", kMounted).ok());
  PodVolumes next(f.io.get_executor(), f.clock, f.pool, f.options);  // knows nothing
  auto refused = f.Await(next.Prepare(Fixture::Pod("b", kMounted)));
  CHECK(base::Message(refused.status())
            .find("volume uses the ReadWriteOncePod access mode and is "
                  "already in use by another pod") != std::string::npos);
  REQUIRE(f.Teardown("a").ok());
  next.RetryNow("b");
  CHECK(f.Await(next.Prepare(Fixture::Pod("b", kMounted))).ok());
}

TEST_CASE("room on a claim is that of its file system; a device has its size") {
  if (!NeedsRoot("mounts")) return;
  Fixture f;
  std::filesystem::create_directory(f.root / "disk");
  REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", f.root / "disk", "size=1048576").ok());
  f.cluster.volume = "local: {path: " + (f.root / "disk") + "}";
  auto pod = Fixture::Pod("a", kMounted);
  CHECK(f.Await(f.volumes.Rooms(pod)).empty());
  REQUIRE(f.Prepare("a", kMounted).ok());
  WriteText(f.root / "disk/data", std::string(4096, 'x'));
  // Also of one that an earlier kubelet mounted.
  PodVolumes next(f.io.get_executor(), f.clock, f.pool, f.options);
  auto rooms = f.Await(next.Rooms(pod));
  REQUIRE(rooms.size() == 1);
  CHECK(rooms[0].volume == "v");
  CHECK(rooms[0].claim == "data");
  CHECK(rooms[0].room.capacity == 1 << 20);
  CHECK(rooms[0].room.capacity - rooms[0].room.free == 4096);
  CHECK(rooms[0].room.inodes - rooms[0].room.inodes_free == 2);
  REQUIRE(f.Teardown("a").ok());
  CHECK(f.Await(f.volumes.Rooms(pod)).empty());
  Disk disk;
  if (!disk.ok()) return;
  f.cluster.volume = "volumeMode: Block, local: {path: " + *disk.device + "}";
  REQUIRE(f.Prepare("b", kDevice).ok());
  rooms = f.Await(f.volumes.Rooms(Fixture::Pod("b", kDevice)));
  REQUIRE(rooms.size() == 1);
  CHECK(rooms[0].room.capacity == 1 << 20);
  CHECK(rooms[0].room.available == 0);
  CHECK(rooms[0].room.capacity == rooms[0].room.free);
}

// What a pod had counts as wanted: its disk would stay mounted.
TEST_CASE("a question for the room of a pod that is being torn down leaves nothing behind") {
  if (!NeedsRoot("mounts")) return;
  Fixture f;
  std::filesystem::create_directory(f.root / "disk");
  REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", f.root / "disk", "size=1048576").ok());
  struct Counting : test::OneClaim {
    int asked = 0;
    base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>> PersistentVolume(
        std::string name) override {
      ++asked;
      co_return co_await OneClaim::PersistentVolume(name);
    }
  } cluster;
  cluster.volume = "local: {path: " + (f.root / "disk") + "}";
  VolumeOptions options = f.options;
  options.objects = &cluster;
  options.metrics = nullptr;
  PodVolumes first(f.io.get_executor(), f.clock, f.pool, options);
  auto pod = Fixture::Pod("a", kMounted);
  REQUIRE(f.Await(first.Prepare(pod)).ok());
  PodVolumes volumes(f.io.get_executor(), f.clock, f.pool, options);
  cluster.asked = 0;
  for (int i = 0; i < 3; ++i) CHECK(f.Await(volumes.Rooms(pod)).size() == 1);
  CHECK(cluster.asked == 1);  // it is asked once
  CHECK(f.Await(volumes.Prepare(pod)).ok());
  // With one thread the question sees what the removal, begun before, has not unmounted yet.
  base::BlockingPool::Options one;
  one.threads = 1;
  base::BlockingPool pool(f.io.get_executor(), f.clock, one);
  PodVolumes next(f.io.get_executor(), f.clock, pool, options);
  cluster.asked = 0;
  std::optional<std::vector<PodVolumes::Room>> rooms;
  std::optional<absl::Status> gone;
  f.scope.Spawn("teardown", test::StoreResult(next.Teardown("a"), gone));
  f.scope.Spawn("rooms", test::StoreResult(next.Rooms(pod), rooms));
  f.RunUntil([&] { return rooms && gone; });
  CHECK(gone->ok());
  CHECK(cluster.asked == 1);
  REQUIRE(f.Await(first.Prepare(pod)).ok());
  CHECK(f.Await(next.Rooms(pod)).size() == 1);
  CHECK(cluster.asked == 2);
}

TEST_CASE("a dead mount has no room to tell of, and costs one child at a time") {
  if (!NeedsRoot("mounts of its own")) return;
  Fixture f;
  TempDir host;
  test::DeadMount dead(host.path());
  if (!dead.ok()) return;
  WriteText(f.root / "mount", "#!/bin/sh\nfor last; do :; done\nmount -t tmpfs tmpfs \"$last\"\n");
  chmod((f.root / "mount").c_str(), 0755);
  const std::string spec =
      "{volumes: [{name: v, nfs: {server: s, path: /x}}], containers: [{name: c, volumeMounts: "
      "[{name: v, mountPath: /v}]}]}";
  REQUIRE(f.Prepare("a", spec).ok());
  auto pod = Fixture::Pod("a", spec);
  REQUIRE(f.Await(f.volumes.Rooms(pod)).size() == 1);
  CHECK(f.Await(f.volumes.Rooms(pod))[0].claim.empty());
  std::string point = f.root / "pods/a/volumes/kubernetes.io~nfs/v";
  REQUIRE(mount(host.path().c_str(), point.c_str(), nullptr, MS_BIND, nullptr) == 0);
  auto begun = f.clock.Mono();
  CHECK(f.Await(f.volumes.Rooms(pod), std::chrono::milliseconds(100)).empty());
  CHECK(f.clock.Mono() - begun <= std::chrono::seconds(10));
  dead.End();
  REQUIRE(f.Teardown("a").ok());
}

}  // namespace
}  // namespace kubelet::volume
