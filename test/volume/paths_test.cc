// Paths that a pod names: on the host, also where it hangs, and in its volumes, never out of them.
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <thread>

#include "await.h"
#include "catch.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "kubelet/volume/volume.h"
#include "os/temp_dir.h"
#include "resource/pod_yaml.h"
#include "volume/plan.h"
#include "volume/pod_volumes_fixture.h"
#include "volume/set_up.h"

namespace kubelet::volume {
namespace {

using test::ModeOf;
using test::NeedsRoot;
using test::PodOf;
using test::PodVolumesFixture;
using test::ReadText;
using test::TempDir;
using test::WithVolume;
using test::WriteText;

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
  test::LastTurns last{io};
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

}  // namespace
}  // namespace kubelet::volume
