// Manifests in files: which are taken, and that they are followed as they come, change and go.
#include "source/file_source.h"

#include "source_bench.h"

namespace kubelet::source {
namespace {

TEST_CASE("the first snapshot has every visible regular file and nothing else") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Write("b", Manifest("b"));
  b.Write(".hidden.yaml", Manifest("hidden"));
  fs::create_directory(b.dir + "/sub");
  WriteFile(b.dir + "/sub/c.yaml", Manifest("sub"));
  WriteFile(b.root.path + "/target", Manifest("linked"));
  fs::create_symlink(b.root.path + "/target", b.dir + "/link.yaml");
  fs::create_directory_symlink(b.dir + "/sub", b.dir + "/dirlink");
  REQUIRE(::mkfifo((b.dir + "/pipe.yaml").c_str(), 0600) == 0);
  b.options.path += "/";
  b.Start();
  REQUIRE(b.snapshots.size() == 1);
  CHECK(b.snapshots[0].source == "file");
  CHECK(b.snapshots[0].complete);
  auto uids = b.Uids();
  CHECK(uids.size() == 3);
  CHECK_FALSE(b.Uid("a").empty());
  CHECK_FALSE(b.Uid("b").empty());
  CHECK_FALSE(b.Uid("linked").empty());
  CHECK(b.Problems() == "");
  CHECK(b.Checkpoints() == 3);
}

TEST_CASE("no directory and an empty directory are complete and empty") {
  FileBench b;
  SECTION("missing") {
    fs::remove(b.dir);
    b.Start();
    CHECK(Contains(b.Problems(), b.dir));
    CHECK(b.source->problems()[0].severity == Problem::Severity::kWarning);
  }
  SECTION("empty") {
    b.Start();
    CHECK(b.Problems() == "");
  }
  REQUIRE(b.snapshots.size() == 1);
  CHECK(b.snapshots[0].complete);
  CHECK(b.snapshots[0].pods.empty());
  if (!fs::exists(b.dir)) fs::create_directory(b.dir);
  b.Write("a.yaml", Manifest("a"));
  b.Settle();
  CHECK_FALSE(b.Uid("a").empty());
  CHECK(b.Problems() == "");
}

TEST_CASE("files that come, change and go are followed without waiting for the period") {
  FileBench b;
  b.Start();
  b.Write("a.yaml", Manifest("a"));
  b.Settle();
  std::string first = b.Uid("a");
  CHECK_FALSE(first.empty());
  SECTION("a closed write to a known file acts at once") {
    b.Write("a.yaml", Manifest("a", "nginx:1.26"));
    b.Poll();
    CHECK_FALSE(b.Uid("a").empty());
    CHECK(b.Uid("a") != first);
  }
  SECTION("a deletion acts within the quiet time") {
    b.Remove("a.yaml");
    b.Advance(25ms);
    CHECK(b.Uids().empty());
    CHECK(b.Checkpoints() == 0);
  }
  SECTION("touch, chmod, comments and blanks change nothing") {
    size_t before = b.snapshots.size();
    b.Write("a.yaml", "# hello\n\n" + Manifest("a"));
    fs::permissions(b.dir + "/a.yaml", fs::perms::owner_all);
    b.Settle();
    CHECK(b.snapshots.size() == before);
    CHECK(b.Uid("a") == first);
  }
}

TEST_CASE("config.seen is carried over for the same uid") {
  FileBench b;
  b.Write("a.yaml", Manifest("a", "i", "fixed"));
  b.Start();
  std::string seen = api::Annotation(*b.Pod("a"), api::kConfigSeen);
  b.Advance(5min);
  b.Write("a.yaml", Manifest("a", "other", "fixed"));
  b.Settle();
  CHECK(b.Pod("a")->spec().containers(0).image() == "other");
  CHECK(b.Uid("a") == "fixed");
  CHECK(api::Annotation(*b.Pod("a"), api::kConfigSeen) == seen);
  b.Write("a.yaml", Manifest("a", "other"));
  b.Settle();
  CHECK(api::Annotation(*b.Pod("a"), api::kConfigSeen) != seen);
}

TEST_CASE("one file instead of a directory") {
  FileBench b;
  b.options.path = b.dir + "/.pod";
  b.Write("other.yaml", Manifest("other"));
  b.Write(".pod", Manifest("a"));
  b.Start();
  CHECK(b.Uids().size() == 1);
  std::string uid = b.Uid("a");
  b.Write(".pod", "bad: [");
  b.Write("another.yaml", Manifest("another"));
  b.Settle();
  CHECK(b.Uid("a") == uid);
  b.Write(".new", Manifest("a", "2"));
  b.Move(".new", ".pod");
  b.Settle();
  CHECK(b.Uid("a") != uid);
  SECTION("deleted") {
    b.Remove(".pod");
    b.Settle();
    CHECK(b.Uids().empty());
    b.Write(".pod", Manifest("a"));
    b.Settle();
    CHECK(b.Uid("a") == uid);
  }
  SECTION("deleted while the kubelet is down") {
    b.Stop();
    b.Remove(".pod");
    b.Restart();
    CHECK(b.Uids().empty());
  }
  SECTION("its directory gone") {
    fs::rename(b.dir, b.dir + ".away");
    b.Advance(1min);
    CHECK(b.Uids().size() == 1);
  }
}

TEST_CASE("an overflow of the event queue is answered by a full list") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Write("z.yaml", Manifest("z"));
  b.Start();
  size_t limit = 16384;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
  if (limit > 200'000) {
    WARN("fs.inotify.max_queued_events is too high to overflow it here: " << limit);
    return;
  }
  // Alternating names are not merged by the kernel.
  for (size_t i = 0; i <= limit; ++i)
    ::truncate((b.dir + (i % 2 ? "/a.yaml" : "/z.yaml")).c_str(), 1000 + i % 2);
  b.Write("a.yaml", Manifest("a"));
  b.Write("z.yaml", Manifest("z"));
  b.Write("late.yaml", Manifest("late"));
  b.Settle();
  CHECK_FALSE(b.Uid("late").empty());
  CHECK(b.Uids().size() == 3);
}

TEST_CASE("removed and added again, many times, with and without a fixed uid") {
  FileBench b;
  b.Start();
  std::string plain;
  for (int i = 0; i < 200; ++i) {
    b.Write("a.yaml", Manifest("a"));
    b.Write("f.yaml", Manifest("f", "i", "fixed"));
    b.Advance(25ms);
    REQUIRE(b.Uids().size() == 2);
    if (plain.empty()) plain = b.Uid("a");
    REQUIRE(b.Uid("a") == plain);
    REQUIRE(b.Uid("f") == "fixed");
    b.Remove("a.yaml");
    b.Remove("f.yaml");
    b.Advance(25ms);
    REQUIRE(b.Uids().empty());
  }
  CHECK(b.Checkpoints() == 0);
}

}  // namespace
}  // namespace kubelet::source
