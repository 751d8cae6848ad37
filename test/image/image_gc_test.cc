#include "kubelet/image/image_gc.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "fakes/fake_runtime.h"
#include "image/gc_plan.h"

namespace kubelet::image {
namespace {

using namespace std::chrono_literals;
constexpr int64_t kGiB = 1 << 30;

struct Bench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  kubelet::test::FakeRuntime world{io.get_executor(), clock};
  kubelet::test::FakeRuntimeClient service{world};
  base::Registry metrics;
  ImageList list{io.get_executor(), clock, service};
  std::optional<UsedImages> used = UsedImages();
  DiskSpace space{100 * kGiB, 50 * kGiB};
  std::vector<std::string> warnings, words;
  std::vector<std::set<std::string>> told;
  std::unique_ptr<ImageGc> gc;
  // What the end of the object cancels still has to end.
  struct Drain {
    boost::asio::io_context& io;
    std::unique_ptr<ImageGc>& gc;
    ~Drain() {
      gc.reset();
      io.restart();
      io.poll();
    }
  } drain{io, gc};

  static base::Task<absl::StatusOr<DiskSpace>> Space(Bench* bench, std::string path) {
    CHECK(path == "/images");
    co_return bench->space;
  }
  static base::Task<void> Told(Bench* bench, std::set<std::string> left) {
    bench->told.push_back(std::move(left));
    co_return;
  }
  void Open(ImageGc::Options options = {}) {
    world.fs_info.image_filesystems.resize(1);
    world.fs_info.image_filesystems[0].mountpoint = "/images";
    ImageGc::Deps deps{io.get_executor(), clock, service, list, {}, {}, {}, {}, &metrics};
    deps.used = [this] { return used; };
    deps.space = [this](std::string path) { return Space(this, std::move(path)); };
    deps.on_warning = [this](const std::string& reason, const std::string& message) {
      warnings.push_back(reason);
      words.push_back(message);
    };
    deps.on_removed = [this](std::set<std::string> left, base::WallTime) {
      return Told(this, std::move(left));
    };
    gc = std::make_unique<ImageGc>(std::move(deps), options);
    gc->Start();
  }
  void Add(const std::string& name, const std::string& id, uint64_t size, bool pinned = false) {
    runtime::Image image;
    image.id = id;
    image.size_bytes = size;
    image.pinned = pinned;
    world.image_details[name] = image;
    world.images.insert(name);
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] {
      io.restart();
      io.poll();
    });
  }
  size_t Removed() const { return world.Count("RemoveImage"); }
};

TEST_CASE("a disk with room loses nothing, and costs a list and a look every five minutes") {
  Bench bench;
  bench.Add("a:1", "1", kGiB);
  bench.Open();
  bench.Advance(1h);
  CHECK(bench.Removed() == 0);
  CHECK(bench.world.Count("ListImages") == 12);
  CHECK(bench.world.Count("ImageFsInfo") == 12);
}

TEST_CASE("a threshold of 100 without an age asks for nothing") {
  Bench bench;
  ImageGc::Options off;
  off.high_percent = 100;
  bench.Open(off);
  bench.Advance(1h);
  CHECK(bench.world.calls.empty());
}

TEST_CASE("the longest unused go first, until the low threshold is reached") {
  Bench bench;
  for (int i = 1; i <= 4; ++i) bench.Add("a:" + std::to_string(i), std::to_string(i), 4 * kGiB);
  bench.used->ids = {"1", "2"};
  bench.Open();
  bench.Advance(2min);
  bench.used->ids = {"1"};
  bench.Advance(5min);  // 3 and 4 were never used, 2 was
  bench.used->ids = {};
  bench.space.available_bytes = 14 * kGiB;  // 86 % are used; 6 GiB have to go
  bench.Advance(5min);
  CHECK(bench.world.images == std::set<std::string>{"a:1", "a:2"});
  CHECK(bench.warnings.empty());
  REQUIRE(bench.told.size() == 1);
  CHECK(bench.told[0] == std::set<std::string>{"1", "2"});
  CHECK(bench.metrics.Render().find("kubelet_image_garbage_collected_total{reason=\"space\"} 2") !=
        std::string::npos);
}

TEST_CASE("what is kept on a full disk") {
  Bench bench;
  bench.Add("docker.io/library/byid:1", "sha256:1", kGiB);
  bench.Add("docker.io/library/byname:1", "sha256:2", kGiB);
  bench.Add("pause:1", "sha256:3", kGiB, true);
  bench.Add("docker.io/library/short:1", "sha256:4", kGiB);
  bench.Add("docker.io/library/volume:latest", "sha256:5", kGiB);
  bench.Add("unused:1", "sha256:6", kGiB);
  bench.used->ids = {"sha256:1", "4"};
  bench.used->references = {"byname:1", "volume"};
  bench.space.available_bytes = 10 * kGiB;
  bench.Open();
  bench.Advance(61s);
  CHECK(bench.Removed() == 0);  // too young
  bench.Add("young:1", "sha256:7", kGiB);
  bench.Advance(5min);
  CHECK(bench.Removed() == 1);
  CHECK_FALSE(bench.world.images.contains("unused:1"));
}

TEST_CASE("a disk that is full of other things is told once, not every five minutes") {
  Bench bench;
  bench.space.available_bytes = 10 * kGiB;
  bench.Open();
  bench.Advance(2min);
  CHECK(bench.warnings == std::vector<std::string>{"FreeDiskSpaceFailed"});
  CHECK(bench.words[0] ==
        "Insufficient free disk space on the node's image filesystem (90% of 100.0 GiB used). "
        "Failed to free "
        "sufficient space by deleting unused images (freed 0 bytes). Investigate disk usage, as it "
        "could be used by "
        "active images, logs, volumes, or other data.");
  bench.Advance(5min);
  CHECK(bench.warnings == std::vector<std::string>{"FreeDiskSpaceFailed", "ImageGCFailed"});
  bench.Advance(50min);
  CHECK(bench.warnings.size() == 2);
  bench.Advance(10min);
  CHECK(bench.warnings.size() == 4);
  bench.space.available_bytes = 9 * kGiB;
  bench.Advance(5min);
  CHECK(bench.warnings.size() == 6);
}

TEST_CASE("nothing goes while it is not known what is used, or when the runtime is away") {
  Bench bench;
  bench.Add("a:1", "1", kGiB);
  bench.used.reset();
  bench.space.available_bytes = 1 * kGiB;
  bench.Open();
  bench.Advance(20min);
  CHECK(bench.Removed() == 0);
  bench.used.emplace();
  bench.world.SetDown(true);
  bench.Advance(20min);
  bench.world.SetDown(false);
  CHECK(bench.world.images.size() == 1);
  bench.Advance(20min);
  CHECK(bench.world.images.empty());
}

TEST_CASE("an image that is wanted again while others are removed stays") {
  Bench bench;
  bench.Add("a:1", "1", kGiB);
  bench.Add("b:1", "2", kGiB);
  bench.Open();
  bench.Advance(2min);
  bench.space.available_bytes = 1 * kGiB;
  kubelet::test::Fault hang;
  hang.method = "RemoveImage";
  hang.kind = kubelet::test::Fault::Kind::kHang;
  bench.world.Inject(hang);
  bench.Advance(5min);
  bench.used->references = {"b:1"};
  bench.world.Heal();
  bench.Advance(1s);
  CHECK(bench.world.images == std::set<std::string>{"b:1"});
}

TEST_CASE("an age: only once this process has lasted longer, whatever the disk says") {
  Bench bench;
  ImageGc::Options options;
  options.high_percent = 100;
  options.max_age = 1h;
  bench.Add("used:1", "1", kGiB);
  bench.Add("old:1", "2", kGiB);
  bench.used->ids = {"1"};
  bench.Open(options);
  bench.Advance(59min);
  CHECK(bench.Removed() == 0);
  bench.Advance(10min);
  CHECK(bench.world.images == std::set<std::string>{"used:1"});
  CHECK(bench.metrics.Render().find("{reason=\"age\"} 1") != std::string::npos);
  bench.used->ids.clear();
  bench.Advance(50min);
  CHECK(bench.Removed() == 1);
  bench.Advance(20min);
  CHECK(bench.world.images.empty());
}

TEST_CASE("a filesystem without a size") {
  Bench bench;
  bench.space = {};
  bench.Open();
  bench.Advance(2min);
  CHECK(bench.warnings == std::vector<std::string>{"InvalidDiskCapacity"});
}

TEST_CASE("one list for all: questions at one time are one call, and a fresh answer is shared") {
  Bench bench;
  bench.Add("a:1", "1", 1);
  std::vector<ImagesPtr> got;
  auto ask = [](ImageList* list, base::Nanos age, std::vector<ImagesPtr>* out) -> base::Task<void> {
    auto images = co_await list->Get(age);
    if (images.ok()) out->push_back(*images);
  };
  base::TaskScope scope(bench.io.get_executor());
  for (int i = 0; i < 3; ++i) scope.Spawn("ask", ask(&bench.list, base::Nanos(0), &got));
  bench.Advance(0s);
  CHECK(got.size() == 3);
  CHECK(bench.world.Count("ListImages") == 1);
  bench.Advance(30s);
  scope.Spawn("ask", ask(&bench.list, 1min, &got));
  bench.Advance(0s);
  CHECK(bench.world.Count("ListImages") == 1);
  bench.list.Outdate();
  scope.Spawn("ask", ask(&bench.list, 1min, &got));
  bench.Advance(0s);
  CHECK(bench.world.Count("ListImages") == 2);
  CHECK(got.size() == 5);
}

TEST_CASE("shares and sizes") {
  CHECK(UsedPercent({1000, 151}) == 85);
  CHECK(UsedPercent({1000, 150}) == 85);
  CHECK(UsedPercent({1000, 149}) == 86);
  CHECK(BytesToFree({1000, 149}, 80) == 51);
  CHECK(BytesToFree({1000, 300}, 80) < 0);
  CHECK(SizeText(1023) == "1023 B");
  CHECK(SizeText(1536) == "1.5 KiB");
  CHECK(SizeText(3 * kGiB / 2) == "1.5 GiB");
  CHECK(SizeText(2048 * kGiB) == "2.0 TiB");
}

}  // namespace
}  // namespace kubelet::image
