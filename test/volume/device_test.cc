// Local volumes that are disks: the filesystem on them, by the programs of this machine.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fstream>

#include "catch.h"
#include "volume/disk_format.h"
#include "volume/one_claim.h"

namespace kubelet::volume {
namespace {

using DeviceFixture = test::OneClaimFixture;
using test::Disk;
using test::kMounted;
using test::NeedsRoot;
using test::ReadText;
using test::WriteText;

constexpr off_t kSize = 8 << 20;

const std::string kReadOnly =
    "{volumes: [{name: v, persistentVolumeClaim: {claimName: data, readOnly: true}}], containers: "
    "[{name: c, volumeMounts: [{name: v, mountPath: /v}]}]}";

os::ProcessResult Answer(int code, const std::string& out, const std::string& err = "") {
  os::ProcessResult result;
  result.exit_code = code;
  result.out = out;
  result.err = err;
  return result;
}

// A fixture whose claim is this disk, mounted by mount(8).
struct OnDisk {
  Disk disk{kSize};
  DeviceFixture f{"mount"};
  std::string point = f.root / "plugins/kubernetes.io/local-volume/mounts/pv1";
  explicit OnDisk(const std::string& more = "") { Use(more); }
  void Use(const std::string& more) {
    if (disk.ok()) f.cluster.volume = "local: {path: " + *disk.device + more + "}";
  }
  bool ok() const { return disk.ok(); }
  std::string PathOf(const std::string& uid) const {
    return f.root / ("pods/" + uid + "/volumes/kubernetes.io~local-volume/pv1");
  }
  std::vector<os::Mount> Mounts() const {
    return os::MountsBelow(*os::ReadMountinfo(), f.root.path());
  }
  int Shell(const std::string& command) const {
    return system((command + " > " + (f.root / "said") + " 2>&1").c_str());
  }
  std::string Words(const std::string& uid, const std::string& spec) {
    auto paths = f.Prepare(uid, spec);
    return paths.ok() ? "" : base::Message(paths.status());
  }
};

TEST_CASE("an empty disk gets a filesystem, which all its pods share and keep") {
  if (!NeedsRoot("disks")) return;
  OnDisk d;
  if (!d.ok()) return;
  auto paths = d.f.Prepare("a", kMounted);
  INFO(paths.status());
  REQUIRE(paths.ok());
  CHECK(paths->at("v").host_path == d.PathOf("a"));
  CHECK(paths->at("v").selinux_relabel);
  REQUIRE(d.Mounts().size() == 2);
  for (const auto& mount : d.Mounts()) {
    CHECK(mount.type == "ext4");
    CHECK(mount.source == *d.disk.device);
  }
  WriteText(d.PathOf("a") + "/data", "1");
  // Again, for another pod, and by a kubelet that knows nothing: nothing more is mounted twice.
  REQUIRE(d.f.Prepare("a", kMounted).ok());
  REQUIRE(d.f.Prepare("b", kMounted).ok());
  CHECK(ReadText(d.PathOf("b") + "/data") == "1");
  PodVolumes next(d.f.io.get_executor(), d.f.clock, d.f.pool, d.f.options);
  REQUIRE(d.f.Await(next.Prepare(DeviceFixture::Pod("a", kMounted))).ok());
  CHECK(d.Mounts().size() == 3);
  auto rooms = d.f.Await(next.Rooms(DeviceFixture::Pod("a", kMounted)));
  REQUIRE(rooms.size() == 1);
  CHECK(rooms[0].claim == "data");
  CHECK(rooms[0].room.capacity > 0);
  CHECK(rooms[0].room.capacity < static_cast<uint64_t>(kSize));
  // The last pod takes the filesystem with it; the data stays for the next, which makes none.
  REQUIRE(d.f.Teardown("a").ok());
  CHECK(d.Mounts().size() == 2);
  REQUIRE(d.f.Teardown("b").ok());
  CHECK(d.Mounts().empty());
  CHECK_FALSE(std::filesystem::exists(d.point));
  CHECK(std::filesystem::is_empty(d.f.root / "pods/a"));
  CHECK(d.f.metrics.Render().find("operation_name=\"unmount_device\",status=\"success\"") !=
        std::string::npos);
  REQUIRE(d.f.Prepare("a", kMounted).ok());
  CHECK(ReadText(d.PathOf("a") + "/data") == "1");
}

TEST_CASE("two pods that find the same disk empty make one filesystem") {
  if (!NeedsRoot("disks")) return;
  OnDisk d;
  if (!d.ok()) return;
  std::optional<absl::StatusOr<VolumeMap>> a, b;
  auto first = d.f.volumes.Prepare(DeviceFixture::Pod("a", kMounted));
  auto second = d.f.volumes.Prepare(DeviceFixture::Pod("b", kMounted));
  d.f.scope.Spawn("a", test::StoreResult(std::move(first), a));
  d.f.scope.Spawn("b", test::StoreResult(std::move(second), b));
  d.f.RunUntil([&] { return a && b; });
  REQUIRE(a->ok());
  REQUIRE(b->ok());
  WriteText(d.PathOf("a") + "/data", "1");
  CHECK(ReadText(d.PathOf("b") + "/data") == "1");
  CHECK(d.Mounts().size() == 3);
}

TEST_CASE("a disk with data is never made a filesystem of") {
  if (!NeedsRoot("disks")) return;
  OnDisk d;
  if (!d.ok()) return;
  const std::string about =
      "pod shop/web: MountVolume.MountDevice failed for volume \"pv1\" : local: "
      "failed to mount device " +
      *d.disk.device + " at " + d.point + " (fstype: ext4), error ";
  SECTION("another filesystem") {
    REQUIRE(d.Shell("mkfs.ext4 -q -F " + *d.disk.device) == 0);
    d.Use(", fsType: xfs");
    auto words = d.Words("a", kMounted);
    INFO(words);
    CHECK(words.find("(fstype: xfs), error mount failed: exit status 32\nMounting command: mount\n"
                     "Mounting arguments: -t xfs -o defaults " +
                     *d.disk.device + " " + d.point + "\nOutput: ") != std::string::npos);
    CHECK(
        d.f.events.back().starts_with("a FailedMount: MountVolume.MountDevice failed for volume"));
    REQUIRE(d.f.Teardown("a").ok());
    d.Use("");
    CHECK(d.Words("a", kMounted).empty());
  }
  SECTION("partitions") {
    // What makes a master boot record: one entry and the signature.
    std::string sector(512, '\0');
    sector[446 + 4] = '\x83', sector[446 + 8] = 1, sector[446 + 12] = 8;
    sector[510] = '\x55', sector[511] = '\xaa';
    std::fstream(d.disk.dir / "disk", std::ios::in | std::ios::out | std::ios::binary) << sector;
    REQUIRE(d.Shell("blockdev --flushbufs " + *d.disk.device) == 0);
    CHECK(d.Words("a", kMounted).starts_with(about + "mount failed: exit status 32"));
    CHECK(ReadText(d.disk.dir / "disk").substr(0, 512) == sector);
  }
  SECTION("empty by all signs, but somebody has it open alone") {
    int fd = open(d.disk.device->c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
    REQUIRE(fd >= 0);
    CHECK(d.Words("a", kMounted) == about + "disk " + *d.disk.device +
                                        " seems to be empty, but it cannot be opened alone: Device "
                                        "or resource busy");
    close(fd);
    CHECK(d.Words("a", kMounted).empty());
  }
  SECTION("empty, and only to be read") {
    CHECK(d.Words("a", kReadOnly) == about + "cannot mount unformatted disk " + *d.disk.device +
                                         " as we are manipulating it in read-only mode");
    CHECK(d.Mounts().empty());
    CHECK_FALSE(std::filesystem::exists(d.point));
  }
}

TEST_CASE("a disk is mounted with its options, and read only for a claim that says so") {
  if (!NeedsRoot("disks")) return;
  OnDisk d;
  if (!d.ok()) return;
  d.f.cluster.volume += ", mountOptions: [noexec, data=journal]";
  REQUIRE(d.Words("a", kMounted).empty());
  for (const auto& mount : d.Mounts()) {
    CHECK(mount.options.find("noexec") != std::string::npos);
    CHECK(mount.super_options.find("data=journal") != std::string::npos);
  }
  REQUIRE(d.Words("b", kReadOnly).empty());
  for (const auto& mount : d.Mounts())
    CHECK(mount.options.starts_with(mount.point == d.PathOf("b") ? "ro" : "rw"));
}

TEST_CASE("a filesystem that fsck cannot mend is not mounted") {
  if (!NeedsRoot("disks")) return;
  OnDisk d;
  if (!d.ok()) return;
  REQUIRE(d.Shell("mkfs.ext4 -q -F " + *d.disk.device) == 0);
  // The root directory's inode is no directory: -a leaves that to a person.
  REQUIRE(d.Shell("debugfs -w -R 'clri <2>' " + *d.disk.device +
                  " && debugfs -w -R 'ssv state 2' " + *d.disk.device) == 0);
  auto words = d.Words("a", kMounted);
  INFO(words);
  CHECK(words.find("error 'fsck' found errors on device " + *d.disk.device +
                   " but could not correct them: ") != std::string::npos);
  CHECK(d.Mounts().empty());
}

TEST_CASE("a disk that a killed kubelet left mounted goes at the start, and with the next pod") {
  if (!NeedsRoot("disks")) return;
  OnDisk d;
  if (!d.ok()) return;
  REQUIRE(d.Words("a", kMounted).empty());
  REQUIRE(umount2(d.PathOf("a").c_str(), 0) == 0);
  PodVolumes next(d.f.io.get_executor(), d.f.clock, d.f.pool, d.f.options);
  SECTION("with a pod") { REQUIRE(d.f.Await(next.Teardown("other")).ok()); }
  SECTION("at the start") {
    d.f.scope.Spawn("found", next.CountFound());
    d.f.RunUntil([&] { return d.f.scope.size() == 0; });
  }
  CHECK(d.Mounts().empty());
  CHECK_FALSE(std::filesystem::exists(d.point));
}

TEST_CASE("what blkid, mkfs and fsck say, and what it means") {
  CHECK(FormatFound("/d", Answer(2, "")).value() == "");
  CHECK(FormatFound("/d", Answer(0, "DEVNAME=/d\nTYPE=xfs\n")).value() == "xfs");
  CHECK(FormatFound("/d", Answer(0, "DEVNAME=/d\nPTTYPE=gpt\n")).value() == kPartitions);
  CHECK(FormatFound("/d", Answer(0, "DEVNAME=/d\n")).value() == "");  // a partition, empty
  for (const auto& odd : {Answer(8, ""), Answer(4, "no\n"), Answer(2, "", "blkid: error: /d: x"),
                          Answer(0, "TYPE\n"), Answer(0, "TYPE=a=b\n"), Answer(137, "")}) {
    auto found = FormatFound("/d", odd);
    INFO(odd.exit_code << odd.out << odd.err);
    REQUIRE_FALSE(found.ok());
    CHECK(base::Message(found.status()).starts_with("failed to get disk format of disk /d: "));
  }
  using Words = std::vector<std::string>;
  CHECK(MakeFilesystem("/d", "ext4").args == Words{"-F", "-m0", "/d"});
  CHECK(MakeFilesystem("/d", "ext3").args == Words{"-F", "-m0", "/d"});
  CHECK(MakeFilesystem("/d", "xfs").args == Words{"-f", "/d"});
  CHECK(MakeFilesystem("/d", "btrfs").args == Words{"/d"});
  CHECK(MakeFilesystem("/d", "btrfs").program == "mkfs.btrfs");
  CHECK(base::Message(FilesystemMade("/d", "ext4", "/t", "ro,defaults", Answer(1, "bad"))) ==
        "format of disk \"/d\" failed: type:(\"ext4\") target:(\"/t\") options:(\"ro,defaults\") "
        "errcode:(exit status 1) output:(bad) ");
  for (int code : {0, 1, 8, 16, 127}) CHECK(FilesystemChecked("/d", Answer(code, "")).ok());
  CHECK_FALSE(FilesystemChecked("/d", Answer(4, "")).ok());
}

TEST_CASE("a type of filesystem that is a path names no program") {
  DeviceFixture f;
  f.cluster.volume = "local: {path: /dev/none, fsType: ../sh}";
  CHECK(base::Message(f.Prepare("a", kMounted).status())
            .find("local.fsType `../sh` is no filesystem") != std::string::npos);
}

}  // namespace
}  // namespace kubelet::volume
