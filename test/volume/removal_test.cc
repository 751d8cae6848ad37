// Files of pods that are gone, in whatever number: others' volumes do not wait for them.
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <iterator>
#include <optional>
#include <set>

#include "catch.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "os/temp_dir.h"
#include "volume/one_claim.h"

namespace kubelet::volume {
namespace {

using test::WriteText;

const std::string kScratch =
    "{volumes: [{name: v, emptyDir: {}}], containers: [{name: c, volumeMounts: [{name: v, "
    "mountPath: /v}]}]}";

struct RemovalFixture : test::OneClaimFixture {
  std::string Scratch(const std::string& uid) {
    return root / ("pods/" + uid + "/volumes/kubernetes.io~empty-dir/v");
  }
  void Fill(const std::string& uid, int files) {
    REQUIRE(Prepare(uid, kScratch).ok());
    for (int i = 0; i < files; ++i) WriteText(Scratch(uid) + "/" + std::to_string(i), "x");
  }
};

TEST_CASE(
    "while a pod of very many files is removed others are set up and removed, on one thread") {
  RemovalFixture f;
  f.Fill("a", 300);
  base::BlockingPool::Options one;
  one.threads = 1;
  base::BlockingPool pool(f.io.get_executor(), f.clock, one);
  VolumeOptions options = f.options;
  options.metrics = nullptr;
  options.removal_turn = std::chrono::milliseconds(0);  // one file at a time
  PodVolumes volumes(f.io.get_executor(), f.clock, pool, options);
  std::optional<absl::Status> gone;
  base::TaskScope scope(f.io.get_executor());
  scope.Spawn("teardown", test::StoreResult(volumes.Teardown("a"), gone));
  auto left = [&] {
    return std::distance(std::filesystem::directory_iterator(f.Scratch("a")), {});
  };
  f.RunUntil([&] { return left() < 300; });
  CHECK(f.Await(volumes.Prepare(RemovalFixture::Pod("b", kScratch))).ok());
  CHECK(f.Await(volumes.Teardown("b")).ok());
  CHECK_FALSE(gone);
  // However long it takes: what counts is that it goes on.
  for (int i = 0; i < 2; ++i) {
    f.clock.Advance(std::chrono::seconds(100));
    auto before = left();
    f.RunUntil([&] { return left() < before - 2; });
  }
  auto lines = volumes.Explain("a");
  REQUIRE(lines.size() == 1);
  INFO(lines[0]);
  CHECK(lines[0].starts_with("removing its files since "));
  CHECK(f.Await(volumes.Teardown("a")).code() == absl::StatusCode::kUnavailable);
  f.RunUntil([&] { return gone.has_value(); });
  INFO(*gone);
  CHECK(gone->ok());
  CHECK(std::filesystem::is_empty(f.root / "pods/a"));
}

TEST_CASE("a removal that hangs is not begun twice, and holds up no other work on volumes") {
  RemovalFixture f;
  std::promise<void> release;
  auto released = release.get_future().share();
  std::atomic<int> begun{0};
  VolumeOptions options = f.options;
  options.metrics = nullptr;
  std::multiset<std::string> woken;
  options.on_ready = [&](const std::string& uid) { woken.insert(uid); };
  options.before_look = [&, hangs = f.root / "pods/a"](const std::string& path) {
    if (path != hangs) return;
    ++begun;
    released.wait();
  };
  PodVolumes volumes(f.io.get_executor(), f.clock, f.pool, options);
  f.Fill("a", 1);
  std::optional<absl::Status> first;
  base::TaskScope scope(f.io.get_executor());
  scope.Spawn("teardown", test::StoreResult(volumes.Teardown("a"), first));
  f.RunUntil([&] { return begun.load() == 1; });
  f.clock.Advance(options.teardown_timeout + std::chrono::seconds(1));
  f.RunUntil([&] { return first.has_value(); });
  CHECK(absl::IsDeadlineExceeded(*first));
  for (int i = 0; i < 4; ++i) {
    auto again = f.Await(volumes.Teardown("a"));
    INFO(again);
    CHECK(absl::IsUnavailable(again));
    CHECK(base::Message(again).find("its volumes are still being removed") != std::string::npos);
  }
  for (const char* uid : {"b", "d", "e"}) {
    CHECK(f.Await(volumes.Prepare(RemovalFixture::Pod(uid, kScratch))).ok());
    CHECK(f.Await(volumes.Teardown(uid)).ok());
  }
  CHECK(begun == 1);
  release.set_value();
  f.RunUntil([&] { return woken.contains("a"); });
  CHECK(f.Await(volumes.Teardown("a")).ok());
  CHECK(std::filesystem::is_empty(f.root / "pods/a"));
}

}  // namespace
}  // namespace kubelet::volume
