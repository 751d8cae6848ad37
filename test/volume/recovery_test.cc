// What was in the way of a volume is gone: its pods try again at once.
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <set>

#include "await.h"
#include "catch.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mount_watch.h"
#include "kubelet/volume/volume.h"
#include "os/dead_mount.h"
#include "os/temp_dir.h"
#include "resource/pod_yaml.h"

namespace kubelet::volume {
namespace {

using test::NeedsRoot;
using test::PodOf;
using test::TempDir;

using Answer = std::optional<absl::StatusOr<VolumeMap>>;

// A clock that is turned by hand, and a pool of real threads.
struct ByHand {
  TempDir root, host;
  std::multiset<std::string> woken;
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  test::LastTurns last{io};
  VolumeOptions options = Options();
  PodVolumes volumes{io.get_executor(), clock, pool, options};
  base::TaskScope scope{io.get_executor()};
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<bool> hung{false};
  std::string hangs_at;

  ~ByHand() {
    test::Settle(io, pool);
    (void)os::UnmountBelow(root.path(), true);
    (void)os::UnmountBelow(host.path(), true);
  }
  VolumeOptions Options() {
    VolumeOptions out;
    out.root_dir = root.path();
    out.on_ready = [this](const std::string& uid) { woken.insert(uid); };
    out.before_look = [this](const std::string& path) {
      if (path != hangs_at) return;
      hung = true;
      released.wait();
    };
    return out;
  }
  void RunUntil(const std::function<bool()>& done) {
    auto work = boost::asio::make_work_guard(io);
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io.restart();
    while (!done() && std::chrono::steady_clock::now() < end)
      io.run_one_for(std::chrono::milliseconds(10));
    REQUIRE(done());
  }
  void Begin(const std::string& uid, const std::string& path, const std::string& type,
             Answer& out) {
    auto pod = PodOf("{volumes: [{name: v, hostPath: {path: " + path + ", type: " + type +
                     "}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /v}]}]}");
    pod.mutable_metadata()->set_uid(uid);
    auto shared = std::make_shared<const api::core::Pod>(std::move(pod));
    scope.Spawn("prepare", test::StoreResult(volumes.Prepare(shared), out));
  }
  absl::Status Prepare(const std::string& uid, const std::string& path, const std::string& type) {
    Answer out;
    Begin(uid, path, type, out);
    RunUntil([&] { return out.has_value(); });
    return out->status();
  }
};

TEST_CASE("a path that hung and answers wakes the pods that wait for it, explained meanwhile") {
  ByHand f;
  f.hangs_at = f.host / "x";
  Answer first;
  f.Begin("first", f.hangs_at, "DirectoryOrCreate", first);
  f.RunUntil([&] { return f.hung.load(); });
  CHECK(f.volumes.Explain("first").empty());
  f.clock.Advance(std::chrono::seconds(5));
  REQUIRE(f.volumes.Explain("first").size() == 1);
  CHECK(f.volumes.Explain("first")[0].find("v: no answer from the path " + f.hangs_at +
                                           " since ") == 0);
  CHECK(f.volumes.Explain("first")[0].find(" (5s)") != std::string::npos);
  CHECK(absl::IsUnavailable(f.Prepare("second", f.hangs_at, "DirectoryOrCreate")));
  f.clock.Advance(f.options.host_path_timeout);
  f.RunUntil([&] { return first.has_value(); });
  CHECK(absl::IsDeadlineExceeded(first->status()));
  CHECK(f.woken.empty());
  f.release.set_value();
  f.RunUntil([&] { return f.woken.size() == 2; });
  CHECK(f.woken == std::multiset<std::string>{"first", "second"});
  CHECK(f.Prepare("first", f.hangs_at, "DirectoryOrCreate").ok());
  CHECK(f.Prepare("second", f.hangs_at, "DirectoryOrCreate").ok());
  CHECK(f.volumes.Explain("first").empty());
}

TEST_CASE("a look that no thread had time for does not count as one that hangs") {
  ByHand f;
  f.hangs_at = f.host / "x";
  std::array<Answer, 3> answers;
  for (size_t i = 0; i < 2; ++i) {
    f.hung = false;
    f.Begin("hung" + std::to_string(i), f.hangs_at, "DirectoryOrCreate", answers[i]);
    f.RunUntil([&] { return f.hung.load(); });
  }
  std::string other = f.host / "y";
  f.Begin("waits", other, "DirectoryOrCreate", answers[2]);
  f.RunUntil([&] {
    f.clock.Advance(std::chrono::seconds(1));
    return answers[2].has_value();
  });
  CHECK(absl::IsDeadlineExceeded(answers[2]->status()));
  f.release.set_value();
  f.RunUntil([&] { return answers[0] && answers[1]; });
  CHECK_FALSE(std::filesystem::exists(other));
  f.volumes.RetryNow("waits");
  auto again = f.Prepare("waits", other, "DirectoryOrCreate");
  INFO(again);
  CHECK(again.ok());
}

TEST_CASE("a pod that gets through wakes those that failed at the same path, and no others") {
  ByHand f;
  CHECK_FALSE(f.Prepare("a", f.host / "x", "Directory").ok());
  CHECK_FALSE(f.Prepare("b", f.host / "x", "Directory").ok());
  CHECK_FALSE(f.Prepare("other", f.host / "y", "Directory").ok());
  CHECK(f.Prepare("maker", f.host / "x", "DirectoryOrCreate").ok());
  CHECK(f.woken == std::multiset<std::string>{"a", "b"});
  CHECK(f.Prepare("a", f.host / "x", "Directory").ok());
  CHECK(f.woken.size() == 2);
}

TEST_CASE("what is mounted later wakes the pods that failed below it") {
  if (!NeedsRoot("a mount of its own")) return;
  ByHand f;
  std::string disk = f.host / "disk";
  REQUIRE(os::MakeDirectory(disk, 0755).ok());
  CHECK_FALSE(f.Prepare("a", disk + "/data", "Directory").ok());
  CHECK_FALSE(f.Prepare("other", f.host / "y", "Directory").ok());
  // One that is mounted before the first look at the table is no news; the next one is.
  for (int i = 0; i < 20 && f.woken.empty(); ++i) {
    REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", disk, "size=65536").ok());
    REQUIRE(os::MakeDirectory(disk + "/data", 0755).ok());
    int turns = 0;
    f.RunUntil([&] {
      f.clock.Advance(std::chrono::milliseconds(100));
      return !f.woken.empty() || ++turns > 100;
    });
  }
  CHECK(f.woken == std::multiset<std::string>{"a"});
  CHECK(f.Prepare("a", disk + "/data", "Directory").ok());
}

TEST_CASE("a dead mount that answers wakes its pods; its own pod's explanation names it") {
  if (!NeedsRoot("mounts of its own")) return;
  ByHand f;
  std::string point = f.host / "dead";
  REQUIRE(os::MakeDirectory(point, 0755).ok());
  test::DeadMount dead(point);
  if (!dead.ok()) return;
  Answer first, second;
  f.Begin("first", point + "/x", "DirectoryOrCreate", first);
  f.RunUntil([&] { return dead.taken() > 0; });
  f.clock.Advance(std::chrono::seconds(2));
  auto lines = f.volumes.Explain("first");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("v: no answer from the mount " + point +
                      " (fuse.dead server:/dead) since ") == 0);
  f.clock.Advance(f.options.host_path_timeout);
  f.RunUntil([&] { return first.has_value(); });
  CHECK(absl::IsDeadlineExceeded(first->status()));
  CHECK(absl::IsUnavailable(f.Prepare("second", point + "/x", "DirectoryOrCreate")));
  // Somebody keeps asking, with one process for all.
  int taken = dead.taken();
  f.RunUntil([&] { return dead.taken() > taken || f.volumes.calls().HungMounts().size() == 1; });
  f.clock.Advance(std::chrono::seconds(100));
  CHECK(f.woken.empty());
  CHECK(absl::IsUnavailable(f.Prepare("third", point + "/x", "DirectoryOrCreate")));
  dead.End();
  // Whoever asks may just be waiting for his next time to ask.
  f.RunUntil([&] {
    f.clock.Advance(std::chrono::milliseconds(100));
    return f.woken.size() >= 3;
  });
  CHECK(f.woken == std::multiset<std::string>{"first", "second", "third"});
  f.RunUntil([&] {
    f.clock.Advance(std::chrono::milliseconds(100));
    return f.volumes.calls().HungMounts().empty();
  });
}

TEST_CASE("a pod that is torn down is not woken, and nobody asks for it any more") {
  ByHand f;
  CHECK_FALSE(f.Prepare("a", f.host / "x", "Directory").ok());
  std::optional<absl::Status> done;
  f.scope.Spawn("teardown", test::StoreResult(f.volumes.Teardown("a"), done));
  f.RunUntil([&] { return done.has_value(); });
  CHECK(f.Prepare("maker", f.host / "x", "DirectoryOrCreate").ok());
  CHECK(f.woken.empty());
}

TEST_CASE("changes of the mount table are told, and none after the end") {
  if (!NeedsRoot("a mount of its own")) return;
  TempDir dir;
  boost::asio::io_context io{1};
  int changes = 0;
  os::MountWatch watch(io.get_executor(), [&] { ++changes; });
  REQUIRE(watch.Start().ok());
  auto until = [&](int count) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (changes < count && std::chrono::steady_clock::now() < end)
      io.run_one_for(std::chrono::milliseconds(10));
    return changes >= count;
  };
  REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", dir.path(), "size=65536").ok());
  CHECK(until(1));
  int before = changes;
  REQUIRE(os::Unmount(dir.path(), false).ok());
  CHECK(until(before + 1));
  watch.Stop();
  before = changes;
  REQUIRE(os::MountFilesystem("tmpfs", "tmpfs", dir.path(), "size=65536").ok());
  io.restart();
  io.poll();
  CHECK(changes == before);
  CHECK(os::Unmount(dir.path(), false).ok());
}

TEST_CASE("volumes that an earlier kubelet left are counted, those of other kinds as failures") {
  ByHand f;
  base::Registry metrics;
  VolumeOptions options = f.options;
  options.metrics = &metrics;
  PodVolumes next(f.io.get_executor(), f.clock, f.pool, options);
  for (const char* dir :
       {"pods/a/volumes/kubernetes.io~empty-dir/x", "pods/a/volumes/kubernetes.io~configmap/y",
        "pods/b/volumes/kubernetes.io~csi/pv1"})
    REQUIRE(os::MakeDirectory(f.root / dir, 0750).ok());
  bool done = false;
  auto count = [](PodVolumes& volumes, bool* flag) -> base::Task<void> {
    co_await volumes.CountFound();
    *flag = true;
  };
  f.scope.Spawn("count", count(next, &done));
  f.RunUntil([&] { return done; });
  auto has = [&](const std::string& line) {
    return metrics.Render().find("\n" + line + "\n") != std::string::npos;
  };
  CHECK(has("reconstruct_volume_operations_total 3"));
  CHECK(has("reconstruct_volume_operations_errors_total 1"));
  CHECK(has("force_cleaned_failed_volume_operations_total 0"));
  std::optional<absl::Status> gone;
  f.scope.Spawn("teardown", test::StoreResult(next.Teardown("b"), gone));
  f.RunUntil([&] { return gone.has_value(); });
  CHECK(gone->ok());
  CHECK(has("force_cleaned_failed_volume_operations_total 1"));
  CHECK(has("force_cleaned_failed_volume_operation_errors_total 0"));
}

}  // namespace
}  // namespace kubelet::volume
