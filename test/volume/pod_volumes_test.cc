#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <iostream>
#include <thread>

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
#include "volume/plan.h"
#include "volume/set_up.h"

namespace kubelet::volume {
namespace {

using test::ModeOf;
using test::NeedsRoot;
using test::PodOf;
using test::ReadText;
using test::TempDir;
using test::WriteText;

const test::ChildMain child_main(ChildCallTable());

// Real threads, so real time; the loop runs until the answer is there.
struct PodVolumesFixture {
  api::NodeAllocatable allocatable{.memory_bytes = 1 << 20};
  std::vector<std::string> events;
  TempDir root;
  boost::asio::io_context io{1};
  base::RealClock clock{io};
  base::BlockingPool pool{io.get_executor(), clock, {}};
  VolumeOptions options = Options();
  PodVolumes volumes{io.get_executor(), clock, pool, options};
  std::string pod_dir = root / "pods/1-2";

  ~PodVolumesFixture() {
    test::Settle(io, pool);
    os::UnmountBelow(root.path(), true).IgnoreError();
  }
  VolumeOptions Options() {
    VolumeOptions options;
    options.on_event = [this](const std::string& uid, const api::core::Pod*, const std::string& reason,
                              const std::string& message) { events.push_back(uid + " " + reason + ": " + message); };
    options.root_dir = root.path();
    options.allocatable = [this] { return allocatable; };
    return options;
  }
  template <typename T>
  T Await(base::Task<T> task) {
    return test::Await(io, std::move(task));
  }
  absl::StatusOr<VolumeMap> Prepare(const std::string& spec) {
    return Await(volumes.Prepare(std::make_shared<const api::core::Pod>(PodOf(spec))));
  }
  absl::StatusOr<std::map<int, std::string>> SubPath(const std::string& spec,
                                                     const std::string& path) {
    auto pod = std::make_shared<const api::core::Pod>(PodOf(spec));
    return Await(volumes.PrepareSubPaths(pod, "c", {{0, path}}));
  }
  absl::StatusOr<std::string> Read(const std::string& spec, const std::string& path) {
    auto pod = std::make_shared<const api::core::Pod>(PodOf(spec));
    return Await(volumes.ReadFile(pod, "v", path));
  }
  std::vector<std::string> Explain() { return volumes.Explain("1-2"); }
  size_t Mounts() { return os::MountsBelow(*os::ReadMountinfo(), root.path()).size(); }
};

std::string WithVolume(const std::string& source, const std::string& mount = "",
                       const std::string& more = "") {
  return "{volumes: [{name: v, " + source +
         "}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /v" + mount + "}]}]" +
         more + "}";
}

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

TEST_CASE("host paths of every type") {
  TempDir dir;
  WriteText(dir / "file", "x");
  std::filesystem::create_directory_symlink(dir.path(), dir / "link");
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", (dir / "sock").c_str());
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  close(fd);
  auto check = [&](const std::string& path, const char* type) {
    auto status = CheckHostPath({"v", path, type});
    return status.ok() ? "" : std::string(status.message());
  };
  const std::string failed = "hostPath type check failed: ";
  CHECK(check(dir / "absent", "").empty());
  CHECK(check(dir.path(), "Directory").empty());
  CHECK(check(dir / "link", "Directory").empty());
  CHECK(check(dir / "file", "Directory") == failed + (dir / "file") + " is not a directory");
  CHECK(check(dir / "absent", "Directory") == failed + (dir / "absent") + " is not a directory");
  CHECK(check(dir / "file", "DirectoryOrCreate") ==
        failed + (dir / "file") + " is not a directory");
  CHECK(check(dir / "file", "File").empty());
  CHECK(check(dir.path(), "File") == failed + dir.path() + " is not a file");
  CHECK(check(dir.path(), "FileOrCreate") == failed + dir.path() + " is not a file");
  CHECK(check(dir / "sock", "Socket").empty());
  CHECK(check(dir / "file", "Socket") == failed + (dir / "file") + " is not a socket file");
  CHECK(check("/dev/null", "CharDevice").empty());
  CHECK(check(dir / "file", "CharDevice") ==
        failed + (dir / "file") + " is not a character device");
  CHECK(check("/dev/null", "BlockDevice") == failed + "/dev/null is not a block device");
  CHECK(check(dir / "file", "Nonsense") == "Nonsense is an invalid volume type");

  mode_t old = umask(0022);
  CHECK(check(dir / "made/dir", "DirectoryOrCreate").empty());
  CHECK(check(dir / "made/file", "FileOrCreate").empty());
  umask(old);
  CHECK(ModeOf(dir / "made/dir") == 0755);
  CHECK(ModeOf(dir / "made/file") == 0644);
  CHECK(check(dir / "absent/file", "FileOrCreate").find(dir / "absent/file") != std::string::npos);
}

TEST_CASE("a host path is given as it is, and never removed") {
  PodVolumesFixture f;
  TempDir host;
  WriteText(host / "data", "precious");
  auto paths = f.Prepare(WithVolume("hostPath: {path: " + host.path() + ", type: Directory}"));
  REQUIRE(paths.ok());
  CHECK((*paths)["v"].host_path == host.path());
  CHECK_FALSE((*paths)["v"].selinux_relabel);
  auto wrong = f.Prepare(WithVolume("hostPath: {path: " + (host / "data") + ", type: Directory}"));
  REQUIRE(absl::IsFailedPrecondition(wrong.status()));
  CHECK(std::string(wrong.status().message()) ==
        "pod shop/web: MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: " +
            (host / "data") + " is not a directory");
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(ReadText(host / "data") == "precious");
}

TEST_CASE("a sub path is made with the volume's mode, bound, and goes with the pod") {
  if (!NeedsRoot("bind mounts")) return;
  PodVolumesFixture f;
  auto paths = f.Prepare(WithVolume("emptyDir: {}"));
  REQUIRE(paths.ok());
  std::string inside = (*paths)["v"].host_path + "/a/b";
  CHECK_FALSE(std::filesystem::exists(inside));
  std::string target = f.pod_dir + "/volume-subpaths/v/c/0";
  CHECK(*f.SubPath(WithVolume("emptyDir: {}"), "a/b") == std::map<int, std::string>{{0, target}});
  CHECK(ModeOf(inside) == 0777);
  WriteText(target + "/data", "1");
  CHECK(ReadText(inside + "/data") == "1");
  REQUIRE(f.SubPath(WithVolume("emptyDir: {}"), "a/b").ok());
  CHECK(f.Mounts() == 1);
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(f.Mounts() == 0);
  CHECK(std::filesystem::is_empty(f.pod_dir));
}

// Of a volume in memory with fsGroup the group and the sticky bit are part of it
// (pkg/volume/util/subpath/subpath_linux.go).
TEST_CASE("a sub path is made with all bits of the volume's mode") {
  if (!NeedsRoot("bind mounts")) return;
  PodVolumesFixture f;
  auto paths = f.Prepare(WithVolume("emptyDir: {medium: Memory}"));
  REQUIRE(paths.ok());
  std::string volume = (*paths)["v"].host_path;
  REQUIRE(chmod(volume.c_str(), 03777) == 0);
  REQUIRE(f.SubPath(WithVolume("emptyDir: {medium: Memory}"), "a").ok());
  CHECK(ModeOf(volume + "/a") == 03777);
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
}

TEST_CASE("a sub path of a host path: the data stays, a way out is refused") {
  if (!NeedsRoot("bind mounts")) return;
  PodVolumesFixture f;
  TempDir host;
  WriteText(host / "vol/sub/data", "precious");
  WriteText(host / "outside/data", "secret");
  std::filesystem::create_symlink("../outside", host / "vol/escape");
  auto source = "hostPath: {path: " + (host / "vol") + "}";
  auto paths = f.SubPath(WithVolume(source), "sub/data");
  REQUIRE(paths.ok());
  CHECK(ReadText((*paths)[0]) == "precious");
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(ReadText(host / "vol/sub/data") == "precious");
  auto escape = f.SubPath(WithVolume(source), "escape");
  CHECK(absl::IsFailedPrecondition(escape.status()));
  // No more: the rest is about the node.
  CHECK(base::Message(escape.status()) ==
        "failed to prepare subPath for volumeMount \"v\" of container \"c\"");
}

TEST_CASE("a sub path under a writer that swaps it for a link all the time leads out at no moment") {
  if (!NeedsRoot("bind mounts")) return;
  TempDir dir;
  WriteText(dir / "vol/sub/data", "inside");
  WriteText(dir / "outside/data", "secret");
  std::filesystem::create_directory_symlink(dir / "outside", dir / "vol/evil");
  std::filesystem::create_directory_symlink("../outside", dir / "vol/evil2");
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) {
      for (const char* evil : {"vol/evil", "vol/evil2"}) {
        for (int twice = 0; twice < 2; ++twice)
          renameat2(AT_FDCWD, (dir / "vol/sub").c_str(), AT_FDCWD, (dir / evil).c_str(), RENAME_EXCHANGE);
      }
    }
  });
  int bound = 0, refused = 0;
  // On a machine that is slow or busy the writer may be in the way of every try for a while.
  for (int i = 0; i < 400 || (bound == 0 && i < 40'000); ++i) {
    bool make = i % 2 == 1;
    std::string target = "v/c/" + std::to_string(i);
    auto place = SetUpSubPath(dir / "pod", dir / "vol", make ? "sub/new/dir" + target : "sub/data", target);
    (place.ok() ? bound : refused) += 1;
    if (place.ok() && !make) CHECK(ReadText(*place) == "inside");
  }
  stop = true;
  writer.join();
  INFO(bound << " bound, " << refused << " refused");
  CHECK(bound > 0);
  CHECK_FALSE(std::filesystem::exists(dir / "outside/new"));
  REQUIRE(os::UnmountBelow(dir.path(), true).ok());
}

TEST_CASE("a sub path shows a file that an init container has made") {
  if (!NeedsRoot("bind mounts")) return;
  PodVolumesFixture f;
  auto paths = f.Prepare(WithVolume("emptyDir: {}"));
  REQUIRE(paths.ok());
  WriteText((*paths)["v"].host_path + "/app.conf", "made");
  auto sub = f.SubPath(WithVolume("emptyDir: {}"), "app.conf");
  REQUIRE(sub.ok());
  CHECK(ReadText((*sub)[0]) == "made");
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
}

TEST_CASE("a file inside a volume is read, and nothing outside of it") {
  PodVolumesFixture f;
  const std::string spec = WithVolume("emptyDir: {}");
  auto paths = f.Prepare(spec);
  REQUIRE(paths.ok());
  const std::string dir = (*paths)["v"].host_path;
  WriteText(dir + "/a/env", "inside");
  WriteText(f.root / "env", "outside");
  std::filesystem::create_symlink("/a/env", dir + "/absolute");
  std::filesystem::create_symlink("../../../../../../env", dir + "/up");
  std::filesystem::create_symlink(f.root / "env", dir + "/out");
  std::filesystem::create_directory_symlink("/proc/self", dir + "/proc");
  REQUIRE(mkfifo((dir + "/pipe").c_str(), 0666) == 0);
  WriteText(dir + "/big", std::string((1 << 20) + 1, 'x'));
  CHECK(*f.Read(spec, "a/env") == "inside");
  CHECK(*f.Read(spec, "absolute") == "inside");
  for (const char* path : {"up", "out", "proc/environ", "../env", "none"}) {
    INFO(path);
    CHECK_FALSE(f.Read(spec, path).ok());
  }
  CHECK(absl::IsFailedPrecondition(f.Read(spec, "pipe").status()));
  CHECK(absl::IsFailedPrecondition(f.Read(spec, "a").status()));
  CHECK(absl::IsResourceExhausted(f.Read(spec, "big").status()));
}

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

TEST_CASE(
    "a hung host path delays its own pod, and the next one on that mount asks in vain without "
    "holding a thread") {
  if (!NeedsRoot("a mount of its own")) return;
  struct MountedDir : TempDir {
    ~MountedDir() { os::UnmountBelow(path(), true).IgnoreError(); }
  } host;
  REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", host.path(), "size=65536").ok());
  TempDir root;
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<bool> hung{false};
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  VolumeOptions options;
  options.root_dir = root.path();
  options.before_look = [&, dead = host / "dead"](const std::string& path) {
    if (path != dead) return;
    hung = true;
    released.wait();
  };
  PodVolumes volumes{io.get_executor(), clock, pool, options};
  std::optional<absl::StatusOr<VolumeMap>> first, second, other, again;
  base::TaskScope scope(io.get_executor());
  auto work = boost::asio::make_work_guard(io);
  int pods = 0;
  auto prepare = [&](const std::string& path, std::optional<absl::StatusOr<VolumeMap>>& out) {
    auto pod = PodOf(WithVolume("hostPath: {path: " + path + ", type: DirectoryOrCreate}"));
    pod.mutable_metadata()->set_uid("uid" + std::to_string(++pods));  // no back-off of another
    auto shared = std::make_shared<const api::core::Pod>(std::move(pod));
    scope.Spawn("prepare", test::StoreResult(volumes.Prepare(shared), out));
  };
  prepare(host / "dead", first);
  while (!hung) io.run_one_for(std::chrono::milliseconds(1));
  clock.Advance(std::chrono::seconds(2));
  prepare(host / "other", second);
  prepare(root / "healthy", other);
  while (scope.size() > 1) io.run_one();
  REQUIRE(second);
  CHECK(absl::IsUnavailable(second->status()));
  CHECK(std::string(second->status().message()).find(host.path() + " does not answer") !=
        std::string::npos);
  REQUIRE(other);
  CHECK(other->ok());
  CHECK_FALSE(first);
  // Its own deadline passes; the thread is still there, and so is the answer to others.
  clock.Advance(options.host_path_timeout);
  while (scope.size() > 0) io.run_one();
  CHECK(absl::IsDeadlineExceeded(first->status()));
  prepare(host / "other", again);
  while (scope.size() > 0) io.run_one();
  CHECK(absl::IsUnavailable(again->status()));
  release.set_value();
  do {
    prepare(host / "other", again);
    while (scope.size() > 0) io.run_one();
  } while (!again->ok());
  CHECK(std::filesystem::is_directory(host / "other"));
}

// A clock that is turned by hand, and a pool of real threads.
struct ByHand {
  std::vector<std::string> events;
  TempDir root;
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
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
