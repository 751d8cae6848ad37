// Volumes whose paths lie on a mount that does not answer: all other pods get theirs.
#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "catch.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "os/dead_mount.h"
#include "os/temp_dir.h"
#include "volume/one_claim.h"
#include "volume/persistent.h"

namespace kubelet::volume {
namespace {

using test::NeedsRoot;
using test::ReadText;
using test::TempDir;
using test::WriteText;
using test::Yaml;
using Setup = std::optional<absl::StatusOr<VolumeMap>>;

// A claim is bound to the volume of its own name.
struct Claims : test::NoObjects {
  std::map<std::string, std::string> specs;
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolumeClaim>>> Claim(
      std::string, std::string name) override {
    co_return Yaml<api::core::PersistentVolumeClaim>(
        "{metadata: {name: " + name + ", namespace: shop, uid: c1}, spec: {volumeName: " + name +
        "}, status: {phase: Bound}}");
  }
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>> PersistentVolume(
      std::string name) override {
    co_return Yaml<api::core::PersistentVolume>(
        "{metadata: {name: " + name + "}, spec: {claimRef: {uid: c1}, " + specs[name] + "}}");
  }
};

struct DeadVolumesFixture : test::OneClaimFixture {
  Claims claims;
  TempDir host;
  PodVolumes many{io.get_executor(), clock, pool, WithClaims()};
  std::vector<std::string> uids;

  ~DeadVolumesFixture() {
    for (const auto& uid : uids) Await(many.Teardown(uid)).IgnoreError();
    (void)os::UnmountBelow(host.path(), true);
  }
  VolumeOptions WithClaims() {
    VolumeOptions out = options;
    out.objects = &claims;
    out.metrics = nullptr;
    return out;
  }
  static std::string Using(const std::string& claim, bool device = false) {
    std::string use = device ? "volumeDevices: [{name: v, devicePath: /dev/x}]"
                             : "volumeMounts: [{name: v, mountPath: /v}]";
    return "{volumes: [{name: v, persistentVolumeClaim: {claimName: " + claim +
           "}}], containers: [{name: c, " + use + "}]}";
  }
  void Begin(const std::string& uid, const std::string& spec, Setup& out) {
    uids.push_back(uid);
    scope.Spawn("prepare", test::StoreResult(many.Prepare(Pod(uid, spec)), out));
  }
  absl::Status Ready(const std::string& uid, const std::string& spec) {
    uids.push_back(uid);
    many.RetryNow(uid);
    return Await(many.Prepare(Pod(uid, spec))).status();
  }
  std::string Dir(const std::string& name) {
    REQUIRE(os::MakeDirectory(host / name, 0755).ok());
    return host / name;
  }
};

TEST_CASE("claims on a mount that does not answer hold no thread, and no other pod's claim") {
  if (!NeedsRoot("mounts of its own")) return;
  DeadVolumesFixture f;
  test::DeadMount dead(f.Dir("dead"));
  if (!dead.ok()) return;
  std::string path = f.host / "dead/";
  f.claims.specs = {{"l1", "local: {path: " + path + "1}"},
                    {"l2", "local: {path: " + path + "2}"},
                    {"h", "hostPath: {path: " + path + "3, type: Directory}"},
                    {"b", "volumeMode: Block, local: {path: " + path + "4}"},
                    {"late", "local: {path: " + path + "5}"},
                    {"good", "local: {path: " + f.Dir("good") + "}"},
                    {"fine", "hostPath: {path: " + f.Dir("good") + ", type: Directory}"}};
  WriteText(f.host / "good/data", "1");
  std::map<std::string, Setup> hung;
  for (const char* name : {"l1", "l2", "h", "b"}) {
    f.Begin(name, DeadVolumesFixture::Using(name, *name == 'b'), hung[name]);
    int before = dead.taken();
    f.RunUntil([&] { return dead.taken() > before; });
  }
  for (int i = 0; i < 4; ++i) {
    std::string uid = "g" + std::to_string(i);
    auto status = f.Ready(uid, DeadVolumesFixture::Using(i % 2 == 0 ? "good" : "fine"));
    INFO(status);
    CHECK(status.ok());
  }
  CHECK(ReadText(f.root / "pods/g0/volumes/kubernetes.io~local-volume/good/data") == "1");
  // Whoever comes now is told at once.
  f.clock.Advance(std::chrono::seconds(2));
  auto late = f.Ready("late", DeadVolumesFixture::Using("late"));
  INFO(late);
  CHECK(absl::IsUnavailable(late));
  CHECK(base::Message(late).find("the mount " + (f.host / "dead") +
                                 " (fuse.dead server:/dead) does not answer since ") !=
        std::string::npos);
  f.clock.Advance(f.options.host_path_timeout);
  for (auto& [name, answer] : hung) {
    f.RunUntil([&, one = &answer] { return one->has_value(); });
    INFO(name << ": " << answer->status());
    CHECK((absl::IsDeadlineExceeded(answer->status()) || absl::IsUnavailable(answer->status())));
  }
  dead.End();
  f.RunUntil([&] { return f.many.calls().HungMounts().empty(); });
}

TEST_CASE("what a child binds of a volume on another machine is as what the kubelet binds itself") {
  if (!NeedsRoot("mounts of its own")) return;
  DeadVolumesFixture f;
  auto call = [&](const std::string& kind, const std::string& path, const char* mode) {
    return BindVolumeCall({f.root.path(), "a", kind, "pv1", path, "", mode, "directory", "noexec"});
  };
  WriteText(f.host / "far/data", "1");
  auto bound = call("local", f.host / "far", "ro");
  REQUIRE(bound.ok());
  CHECK(*bound == "bound");
  std::string place = f.root / "pods/a/volumes/kubernetes.io~local-volume/pv1";
  CHECK(ReadText(place + "/data") == "1");
  auto mounts = os::MountsBelow(*os::ReadMountinfo(), place);
  REQUIRE(mounts.size() == 1);
  CHECK(mounts[0].options.find("noexec") != std::string::npos);
  CHECK(*call("hostPath", f.host / "far", "rw") == "bound");
  CHECK(os::MountsBelow(*os::ReadMountinfo(), f.root.path()).size() == 1);
  REQUIRE(os::UnmountBelow(f.root.path(), false).ok());
  CHECK(absl::IsFailedPrecondition(call("local", f.host / "none", "rw").status()));
  CHECK(absl::IsInvalidArgument(BindVolumeCall({"too", "few"}).status()));
}

TEST_CASE(
    "a local volume that is bound is there for the next container, whatever became of its path") {
  if (!NeedsRoot("mounts of its own")) return;
  DeadVolumesFixture f;
  f.claims.specs["l"] = "local: {path: " + f.Dir("dead") + "}";
  REQUIRE(f.Ready("a", DeadVolumesFixture::Using("l")).ok());
  test::DeadMount dead(f.host / "dead");
  if (!dead.ok()) return;
  CHECK(f.Ready("a", DeadVolumesFixture::Using("l")).ok());
  CHECK(dead.taken() == 0);
}

TEST_CASE(
    "a server that takes its time over a mount is waited for, and only then said not to answer") {
  if (!NeedsRoot("mounts of its own")) return;
  DeadVolumesFixture f;
  WriteText(f.root / "mount", "#!/bin/sh\n: > " + (f.root / "begun-") + "$$\nwhile [ ! -e " +
                                  (f.root / "go") +
                                  " ]; do sleep 0.05; done\nfor last; do :; done\n"
                                  "exec mount -t tmpfs tmpfs \"$last\"\n");
  chmod((f.root / "mount").c_str(), 0755);
  auto begun = [&] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(f.root.path()))
      count += entry.path().filename().string().starts_with("begun-") ? 1 : 0;
    return count;
  };
  const std::string spec =
      "{volumes: [{name: v, nfs: {server: s, path: /x}}], containers: [{name: c, volumeMounts: "
      "[{name: v, mountPath: /v}]}]}";
  Setup first, second;
  f.Begin("a", spec, first);
  f.RunUntil([&] { return begun() == 1; });
  f.clock.Advance(std::chrono::seconds(5));
  f.Begin("b", spec, second);
  f.RunUntil([&] { return begun() == 2 || second; });
  CHECK_FALSE(second);
  auto lines = f.many.Explain("a");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("v: mounting s:/x since "));
  f.clock.Advance(std::chrono::seconds(6));
  auto late = f.Ready("late", spec);
  CHECK(absl::IsUnavailable(late));
  CHECK(base::Message(late).find("s:/x does not answer since ") != std::string::npos);
  WriteText(f.root / "go", "");
  f.RunUntil([&] { return first && second; });
  CHECK(first->ok());
  CHECK(second->ok());
}

TEST_CASE("a sub path on what a container mounted into its emptyDir hangs alone") {
  if (!NeedsRoot("mounts of its own")) return;
  DeadVolumesFixture f;
  const std::string spec =
      "{volumes: [{name: v, emptyDir: {}}], containers: [{name: c, volumeMounts: [{name: v, "
      "mountPath: /v, subPath: far/x}]}]}";
  using Places = absl::StatusOr<std::map<int, std::string>>;
  std::vector<std::unique_ptr<test::DeadMount>> dead;
  std::map<std::string, std::optional<Places>> hung;
  for (const char* uid : {"a", "b", "d"}) {
    REQUIRE(f.Ready(uid, spec).ok());
    std::string inside =
        f.root / ("pods/" + std::string(uid) + "/volumes/kubernetes.io~empty-dir/v/far");
    REQUIRE(os::MakeDirectory(inside, 0755).ok());
    dead.push_back(std::make_unique<test::DeadMount>(inside));
    if (!dead.back()->ok()) return;
    std::map<int, std::string> paths{{0, "far/x"}};
    f.scope.Spawn("sub path", test::StoreResult(f.many.PrepareSubPaths(
                                                    DeadVolumesFixture::Pod(uid, spec), "c", paths),
                                                hung[uid]));
    f.RunUntil([&] { return dead.back()->taken() > 0; });
  }
  for (const char* uid : {"g", "h"}) CHECK(f.Ready(uid, spec).ok());
  f.clock.Advance(f.options.host_path_timeout);
  for (auto& [uid, answer] : hung) {
    f.RunUntil([&, one = &answer] { return one->has_value(); });
    CHECK(absl::IsDeadlineExceeded((*answer).status()));
  }
  for (auto& one : dead) one->End();
  f.RunUntil([&] { return f.many.calls().HungMounts().empty(); });
}

}  // namespace
}  // namespace kubelet::volume
