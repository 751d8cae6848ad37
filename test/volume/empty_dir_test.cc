// emptyDir on disk, in memory and of huge pages: made once, completed when cut short, then gone.
#include <sys/stat.h>
#include <sys/vfs.h>

#include "catch.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "os/temp_dir.h"
#include "volume/plan.h"
#include "volume/pod_volumes_fixture.h"
#include "volume/set_up.h"

namespace kubelet::volume {
namespace {

using test::ModeOf;
using test::NeedsRoot;
using test::PodVolumesFixture;
using test::ReadText;
using test::WithVolume;
using test::WriteText;

TEST_CASE("an emptyDir on disk: made once, kept, removed with its content") {
  PodVolumesFixture f;
  mode_t old = umask(0077);
  auto paths = f.Prepare(WithVolume("emptyDir: {}"));
  umask(old);
  REQUIRE(paths.ok());
  std::string dir = f.pod_dir + "/volumes/kubernetes.io~empty-dir/v";
  CHECK((*paths)["v"].host_path == dir);
  CHECK((*paths)["v"].selinux_relabel);
  CHECK(ModeOf(dir) == 0777);
  for (const char* part : {"", "/volumes", "/volumes/kubernetes.io~empty-dir", "/plugins"})
    CHECK(ModeOf(f.pod_dir + part) == 0750);
  CHECK(std::filesystem::exists(f.pod_dir + "/plugins/kubernetes.io~empty-dir/v/ready"));
  WriteText(dir + "/data", "1");
  REQUIRE(f.Prepare(WithVolume("emptyDir: {}")).ok());
  CHECK(ReadText(dir + "/data") == "1");
  CHECK(*f.Await(f.volumes.Orphans({})) == std::set<std::string>{"1-2"});
  CHECK(f.Await(f.volumes.Orphans({"1-2"}))->empty());
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(std::filesystem::is_empty(f.pod_dir));
  CHECK(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(f.Await(f.volumes.Teardown("unknown")).ok());
  CHECK(absl::IsInvalidArgument(f.Await(f.volumes.Teardown("../1-2"))));
}

TEST_CASE("fsGroup owns a new emptyDir") {
  if (!NeedsRoot("chown to fsGroup")) return;
  PodVolumesFixture f;
  REQUIRE(f.Prepare(WithVolume("emptyDir: {}", "", ", securityContext: {fsGroup: 4242}")).ok());
  struct stat info {};
  REQUIRE(stat((f.pod_dir + "/volumes/kubernetes.io~empty-dir/v").c_str(), &info) == 0);
  CHECK(info.st_gid == 4242);
  CHECK((info.st_mode & 07777) == 02777);
}

TEST_CASE("an emptyDir whose making was cut short is completed; one that is complete is the pod's") {
  PodVolumesFixture f;
  std::string dir = f.pod_dir + "/volumes/kubernetes.io~empty-dir/v";
  std::string ready = f.pod_dir + "/plugins/kubernetes.io~empty-dir/v/ready";
  // As mkdir leaves it before the mode is set.
  REQUIRE(os::MakeDirectory(dir, 0700).ok());
  REQUIRE(f.Prepare(WithVolume("emptyDir: {}")).ok());
  CHECK(ModeOf(dir) == 0777);
  CHECK(std::filesystem::exists(ready));
  REQUIRE(chmod(dir.c_str(), 0711) == 0);
  REQUIRE(f.Prepare(WithVolume("emptyDir: {}")).ok());
  CHECK(ModeOf(dir) == 0711);
  std::filesystem::remove(dir);
  REQUIRE(f.Prepare(WithVolume("emptyDir: {}")).ok());
  CHECK(ModeOf(dir) == 0777);
}

TEST_CASE("an emptyDir that cannot be marked as complete is not said to be") {
  PodVolumesFixture f;
  WriteText(f.pod_dir + "/plugins/kubernetes.io~empty-dir", "a file");
  auto status = f.Prepare(WithVolume("emptyDir: {}")).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(base::Message(status).find("plugins/kubernetes.io~empty-dir") != std::string::npos);
}

TEST_CASE("fsGroup owns an emptyDir in memory whose making was cut short after the mount") {
  if (!NeedsRoot("tmpfs mounts")) return;
  PodVolumesFixture f;
  std::string dir = f.pod_dir + "/volumes/kubernetes.io~empty-dir/v";
  REQUIRE(os::MakeDirectory(dir, 0777).ok());
  REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", dir, "size=65536").ok());
  std::string spec =
      WithVolume("emptyDir: {medium: Memory}", "", ", securityContext: {fsGroup: 4242}");
  REQUIRE(f.Prepare(spec).ok());
  CHECK(f.Mounts() == 1);
  struct stat info {};
  REQUIRE(stat(dir.c_str(), &info) == 0);
  CHECK(info.st_gid == 4242);
  CHECK((info.st_mode & 0777) == 0777);
  CHECK(std::filesystem::exists(f.pod_dir + "/plugins/kubernetes.io~empty-dir/v/ready"));
}

TEST_CASE("an emptyDir in memory is one tmpfs of its size, and gone afterwards") {
  if (!NeedsRoot("tmpfs mounts")) return;
  PodVolumesFixture f;
  std::string spec = WithVolume("emptyDir: {medium: Memory, sizeLimit: 64Ki}");
  auto paths = f.Prepare(spec);
  REQUIRE(paths.ok());
  struct statfs fs {};
  REQUIRE(statfs((*paths)["v"].host_path.c_str(), &fs) == 0);
  CHECK(fs.f_blocks * static_cast<uint64_t>(fs.f_bsize) == 64 << 10);
  WriteText((*paths)["v"].host_path + "/data", "1");
  REQUIRE(f.Prepare(spec).ok());
  CHECK(f.Mounts() == 1);
  CHECK(ReadText((*paths)["v"].host_path + "/data") == "1");
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(f.Mounts() == 0);
  CHECK(std::filesystem::is_empty(f.pod_dir));
}

TEST_CASE("an emptyDir in memory is as large as what the node has for pods, as it is then") {
  if (!NeedsRoot("tmpfs mounts")) return;
  PodVolumesFixture f;
  const std::string spec = WithVolume("emptyDir: {medium: Memory}");
  for (uint64_t bytes : {64 << 10, 128 << 10}) {
    f.allocatable.memory_bytes = static_cast<int64_t>(bytes);
    auto paths = f.Prepare(spec);
    REQUIRE(paths.ok());
    struct statfs fs {};
    REQUIRE(statfs((*paths)["v"].host_path.c_str(), &fs) == 0);
    CHECK(fs.f_blocks * static_cast<uint64_t>(fs.f_bsize) == bytes);
    REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  }
}

TEST_CASE("an emptyDir of huge pages keeps its pages, and a mount with others is told") {
  if (!NeedsRoot("hugetlbfs mounts") || !std::filesystem::exists("/sys/kernel/mm/hugepages/hugepages-2048kB")) return;
  PodVolumesFixture f;
  auto spec = [](const std::string& medium, const std::string& size) {
    return "{volumes: [{name: v, emptyDir: {medium: " + medium + "}}], containers: [{name: c, resources: {requests: " +
           "{hugepages-" + size + ": 4Mi}}, volumeMounts: [{name: v, mountPath: /v}]}]}";
  };
  auto paths = f.Prepare(spec("HugePages-2Mi", "2Mi"));
  REQUIRE(paths.ok());
  struct statfs fs {};
  REQUIRE(statfs((*paths)["v"].host_path.c_str(), &fs) == 0);
  CHECK(fs.f_bsize == 2 << 20);
  CHECK(ModeOf(f.pod_dir + "/volumes/kubernetes.io~empty-dir") == 0750);
  REQUIRE(f.Prepare(spec("HugePages", "2Mi")).ok());
  CHECK(f.Mounts() == 1);
  EmptyDirPlan other;
  other.name = "v";
  other.medium = EmptyDirPlan::Medium::kHugePages;
  other.page_bytes = 1 << 30;
  auto status = SetUpEmptyDir(f.pod_dir, other);
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(base::Message(status).find("has pages of 2097152 bytes") != std::string::npos);
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(f.Mounts() == 0);
}

TEST_CASE("an emptyDir in memory whose mount was lost is mounted again") {
  if (!NeedsRoot("tmpfs mounts")) return;
  PodVolumesFixture f;
  std::string spec = WithVolume("emptyDir: {medium: Memory}");
  auto paths = f.Prepare(spec);
  REQUIRE(paths.ok());
  REQUIRE(os::Unmount((*paths)["v"].host_path, false).ok());  // as a reboot does
  CHECK(f.Mounts() == 0);
  REQUIRE(f.Prepare(spec).ok());
  CHECK(f.Mounts() == 1);
}

TEST_CASE("fsGroup owns an emptyDir in memory whose making after a reboot was cut short") {
  if (!NeedsRoot("tmpfs mounts")) return;
  PodVolumesFixture f;
  const std::string dir = f.pod_dir + "/volumes/kubernetes.io~empty-dir/v";
  const std::string ready = f.pod_dir + "/plugins/kubernetes.io~empty-dir/v/ready";
  std::string spec =
      WithVolume("emptyDir: {medium: Memory}", "", ", securityContext: {fsGroup: 4242}");
  REQUIRE(f.Prepare(spec).ok());
  CHECK(std::filesystem::exists(ready));
  REQUIRE(os::Unmount(dir, false).ok());  // as a reboot does
  // The attempt that ends at its mount: no pages are that large.
  EmptyDirPlan cut;
  cut.name = "v";
  cut.medium = EmptyDirPlan::Medium::kHugePages;
  cut.page_bytes = 12345;
  REQUIRE_FALSE(SetUpEmptyDir(f.pod_dir, cut).ok());
  CHECK_FALSE(std::filesystem::exists(ready));
  // And the one that got no further than that.
  REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", dir, "size=65536").ok());
  REQUIRE(f.Prepare(spec).ok());
  CHECK(f.Mounts() == 1);
  struct stat info {};
  REQUIRE(stat(dir.c_str(), &info) == 0);
  CHECK(info.st_gid == 4242);
  CHECK(std::filesystem::exists(ready));
}

}  // namespace
}  // namespace kubelet::volume
