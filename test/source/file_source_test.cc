#include "source/file_source.h"

#include <fcntl.h>

#include <future>

#include "kubelet/base/log.h"
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

TEST_CASE("S3: a bad edit keeps the pod, is reported, and mending it is an update") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Write("b.yaml", Manifest("b"));
  b.Start();
  auto uids = b.Uids();
  size_t snapshots = b.snapshots.size();
  std::string typo = Manifest("a");
  typo.replace(typo.find("image"), 5, "imago");
  for (std::string bad :
       {typo, std::string(), std::string("\0\0\0", 3), Manifest("a").substr(0, 30),
        Manifest("a") + "\x80garbage: [", std::string("apiVersion: v1\nkind: PodList\nitems: []\n"),
        std::string(kMaxManifest + 1, '#')}) {
    INFO(bad.substr(0, 60));
    b.Write("a.yaml", bad);
    b.Settle();
    b.Advance(60s);
    CHECK(b.Uids() == uids);
    CHECK(b.snapshots.size() == snapshots);
    CHECK(Contains(b.Problems(), b.dir + "/a.yaml [default/a-node]"));
    CHECK(Contains(b.Problems(), "(kept)"));
  }
  auto since = b.source->problems()[0].since;
  b.Advance(60s);
  CHECK(b.source->problems()[0].since == since);
  CHECK(b.loop.clock.Now() - since >= 60s);
  b.Write("a.yaml", Manifest("a", "nginx:1.26"));
  b.Settle();
  CHECK(b.Problems() == "");
  CHECK(b.Uid("a") != uids["default/a-node"]);
  CHECK(b.Uid("b") == uids["default/b-node"]);
}

TEST_CASE("a file that cannot be read keeps the pod") {
  FileBench b;
  WriteFile(b.root.path + "/real", Manifest("a"));
  fs::create_symlink(b.root.path + "/real", b.dir + "/a.yaml");
  b.Start();
  auto uids = b.Uids();
  REQUIRE(uids.size() == 1);
  SECTION("a link to nowhere") { fs::rename(b.root.path + "/real", b.root.path + "/elsewhere"); }
  SECTION("a link to itself") {
    b.Remove("a.yaml");
    fs::create_symlink("a.yaml", b.dir + "/a.yaml");
  }
  SECTION("a pipe in its place") {
    b.Remove("a.yaml");
    REQUIRE(::mkfifo((b.dir + "/a.yaml").c_str(), 0600) == 0);
  }
  SECTION("a directory in its place") {
    b.Remove("a.yaml");
    fs::create_directory(b.dir + "/a.yaml");
  }
  b.Advance(21s);
  CHECK(b.Uids() == uids);
  CHECK(Contains(b.Problems(), "(kept)"));
  fs::remove(b.dir + "/a.yaml");
  b.Settle();
  CHECK(b.Uids().empty());
  CHECK(b.Problems() == "");
}

TEST_CASE("a half-written file is not taken while its writer has it open") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Start();
  std::string uid = b.Uid("a");
  std::string text = Manifest("a", "nginx:2") + "  - name: second\n    image: two\n";
  // The first part alone is a valid, different pod.
  size_t half = text.find("  - name: second");
  int fd = ::open((b.dir + "/a.yaml").c_str(), O_WRONLY | O_TRUNC);
  REQUIRE(::write(fd, text.data(), half) == static_cast<ssize_t>(half));
  b.Advance(500ms);
  CHECK(b.Uid("a") == uid);
  CHECK(b.Problems() == "");
  REQUIRE(::write(fd, text.data() + half, text.size() - half) > 0);
  ::close(fd);
  b.Poll();
  CHECK(b.Uid("a") != uid);
  CHECK(b.Pod("a")->spec().containers_size() == 2);
  for (const auto& snapshot : b.snapshots) {
    REQUIRE(snapshot.pods.size() == 1);
    const auto& spec = snapshot.pods[0]->spec();
    CHECK((spec.containers(0).image() == "nginx:1.25" || spec.containers_size() == 2));
  }
}

TEST_CASE("a change of one file does not make another, half-written one be taken") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Write("b.yaml", Manifest("b"));
  b.Start();
  std::string a = b.Uid("a"), other = b.Uid("b");
  // Valid as far as it goes.
  std::string half = Manifest("a", "half");
  int fd = ::open((b.dir + "/a.yaml").c_str(), O_WRONLY | O_TRUNC);
  REQUIRE(::write(fd, half.data(), half.size()) == static_cast<ssize_t>(half.size()));
  b.Write("b.yaml", Manifest("b", "new"));
  b.Poll();
  CHECK(b.Uid("b") != other);
  CHECK(b.Uid("a") == a);
  ::close(fd);
  b.Poll();
  CHECK(b.Uid("a") != a);
}

TEST_CASE("S4: a copy of a manifest under another name changes nothing and is reported") {
  FileBench b;
  b.Write("x.yaml", Manifest("x"));
  b.Start();
  std::string uid = b.Uid("x");
  size_t snapshots = b.snapshots.size();
  for (std::string copy : {"x.yaml.bak", "a.yaml", "zz"}) {
    b.Write(copy, Manifest("x", copy == "zz" ? "other" : "nginx:1.25"));
    b.Advance(1s);
    CHECK(
        Contains(b.Problems(), b.dir + "/" + copy +
                                   " [default/x-node] pod default/x-node is already provided by " +
                                   b.dir + "/x.yaml"));
  }
  b.Advance(60s);
  CHECK(b.Uid("x") == uid);
  CHECK(b.snapshots.size() == snapshots);
  b.Write("x.yaml", Manifest("x", "nginx:1.26"));
  b.Settle();
  std::string edited = b.Uid("x");
  CHECK(edited != uid);
  b.Restart();
  CHECK(b.Uid("x") == edited);
  // Giving up the name lets the next one have it; a copy with another uid is a conflict too.
  b.Remove("x.yaml");
  b.Settle();
  CHECK(b.Uids().size() == 1);
  CHECK_FALSE(b.Uid("x") == edited);
}

TEST_CASE("at first start a manifest name goes before a backup's") {
  FileBench b;
  b.options.state_dir.clear();
  b.Write("a.bak", Manifest("x", "old"));
  b.Write("x.yaml", Manifest("x", "new"));
  b.Write("y.json", Manifest("x", "newer"));
  b.Start();
  REQUIRE(b.Pod("x"));
  CHECK(b.Pod("x")->spec().containers(0).image() == "new");
  CHECK(b.source->problems().size() == 2);
}

TEST_CASE("two files with one fixed uid do not fight") {
  FileBench b;
  b.Write("a.yaml", Manifest("a", "i", "fixed"));
  b.Start();
  b.Write("b.yaml", Manifest("b", "i", "fixed"));
  b.Settle();
  CHECK(b.Uids().size() == 1);
  CHECK(Contains(b.Problems(), "uid fixed is already provided by " + b.dir + "/a.yaml"));
}

TEST_CASE("a renamed file keeps the uid of its pod, also over a restart") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Start();
  std::string uid = b.Uid("a");
  std::string seen = api::Annotation(*b.Pod("a"), api::kConfigSeen);
  size_t snapshots = b.snapshots.size();
  b.Move("a.yaml", "b.yaml");
  b.Settle();
  CHECK(b.Uid("a") == uid);
  CHECK(b.snapshots.size() == snapshots);
  CHECK(b.Problems() == "");
  CHECK(b.Checkpoints() == 1);
  // By copy and delete, and back.
  b.Write("c.yaml", Manifest("a"));
  b.Remove("b.yaml");
  b.Settle();
  CHECK(b.Uid("a") == uid);
  b.loop.clock.JumpWall(1h);
  b.Restart();
  CHECK(b.Uid("a") == uid);
  CHECK(api::Annotation(*b.Pod("a"), api::kConfigSeen) == seen);
  // Renamed while nobody looked.
  b.Stop();
  b.Move("c.yaml", "d.yaml");
  b.snapshots.clear();
  b.Start();
  CHECK(b.Uid("a") == uid);
  // A comment does not bring the new path into the uid; a change does change it.
  b.Write("d.yaml", "# c\n" + Manifest("a"));
  b.Settle();
  CHECK(b.Uid("a") == uid);
  b.Write("d.yaml", Manifest("a", "other"));
  b.Settle();
  CHECK(b.Uid("a") != uid);
  for (const auto& snapshot : b.snapshots) CHECK(snapshot.pods.size() == 1);
}

TEST_CASE("files exchanged by renames keep both pods") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Write("b.yaml", Manifest("b"));
  b.Start();
  auto uids = b.Uids();
  size_t snapshots = b.snapshots.size();
  b.Move("a.yaml", "t.yaml");
  b.Move("b.yaml", "a.yaml");
  b.Move("t.yaml", "b.yaml");
  b.Settle();
  CHECK(b.Uids() == uids);
  CHECK(b.snapshots.size() == snapshots);
  CHECK(b.Problems() == "");
  b.Write("a.yaml", Manifest("a", "2"));
  b.Write("b.yaml", Manifest("b", "2"));
  b.Settle();
  CHECK(b.Uids().size() == 2);
  CHECK(b.Uid("a") != uids["default/a-node"]);
}

TEST_CASE("an editor's save is one update") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Start();
  std::string uid = b.Uid("a");
  std::string fresh = Manifest("a", "nginx:1.26");
  SECTION("temporary file renamed over it") {
    b.Write(".a.yaml.swp", fresh);
    b.Move(".a.yaml.swp", "a.yaml");
    b.Poll();
  }
  SECTION("visible temporary file renamed over it") {
    b.Write("a.yaml.tmp", fresh);
    b.Move("a.yaml.tmp", "a.yaml");
    b.Settle();
  }
  SECTION("backup by rename, new file, backup deleted") {
    b.Move("a.yaml", "a.yaml~");
    b.Poll();
    b.Write("a.yaml", fresh);
    b.Poll();
    b.Remove("a.yaml~");
    b.Settle();
  }
  SECTION("removed and created anew") {
    b.Remove("a.yaml");
    b.Poll();
    b.Advance(10ms);
    b.Write("a.yaml", fresh);
    b.Settle();
  }
  SECTION("truncated and written") { b.Write("a.yaml", fresh); }
  b.Settle();
  CHECK(b.Uid("a") != uid);
  CHECK(b.snapshots.size() == 2);
  for (const auto& snapshot : b.snapshots) CHECK(snapshot.pods.size() == 1);
  CHECK(b.Problems() == "");
}

TEST_CASE(
    "a manifest that is deleted and written again with the same text is a pod removed and added") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Write("b.yaml", Manifest("b"));
  b.Start();
  auto uids = b.Uids();
  size_t before = b.snapshots.size();
  SECTION("at once") {
    b.Remove("a.yaml");
    b.Write("a.yaml", Manifest("a"));
    b.Settle();
    REQUIRE(b.snapshots.size() == before + 2);
    REQUIRE(b.snapshots[before].pods.size() == 1);
    CHECK(b.snapshots[before].complete);
    CHECK(b.snapshots[before].pods[0]->metadata().uid() == uids["default/b-node"]);
  }
  SECTION("by a move") {
    b.Write(".new", Manifest("a"));
    b.Remove("a.yaml");
    b.Move(".new", "a.yaml");
    b.Settle();
    CHECK(b.snapshots.size() == before + 2);
  }
  SECTION("a save that changes no text is none") {
    SECTION("written over") { b.Write("a.yaml", Manifest("a")); }
    SECTION("moved over") {
      b.Write(".new", Manifest("a"));
      b.Move(".new", "a.yaml");
    }
    SECTION("with a backup, which goes then") {
      b.Move("a.yaml", "a.yaml~");
      b.Write("a.yaml", Manifest("a"));
      b.Remove("a.yaml~");
    }
    SECTION("given up half-way") {
      b.Move("a.yaml", "a.yaml~");
      b.Write("a.yaml", "half");
      b.Remove("a.yaml");
      b.Move("a.yaml~", "a.yaml");
    }
    b.Settle();
    CHECK(b.snapshots.size() == before);
  }
  b.Settle();
  CHECK(b.Uids() == uids);
  CHECK(b.Problems() == "");
  b.Restart();
  CHECK(b.Uids() == uids);
}

TEST_CASE("S5: a directory that vanishes keeps its pods") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  SECTION("and is watched again when it is back") {
    b.Start();
    auto uids = b.Uids();
    fs::rename(b.dir, b.dir + ".away");
    b.Advance(30s);
    CHECK(b.Uids() == uids);
    CHECK(Contains(b.Problems(), "keep running"));
    fs::rename(b.dir + ".away", b.dir);
    b.Advance(2s);
    CHECK(b.Problems() == "");
    CHECK(b.Uids() == uids);
    CHECK(b.snapshots.size() == 1);
    b.Remove("a.yaml");
    b.Advance(50ms);
    CHECK(b.Uids().empty());
  }
  SECTION("for ever, loudly") {
    b.Start();
    auto uids = b.Uids();
    fs::rename(b.dir, b.dir + ".away");
    b.Advance(6min);
    CHECK(b.Uids() == uids);
    CHECK(Contains(b.Problems(), "still after 5m0s"));
    auto errors = base::LogErrorCount();
    b.Advance(10min);
    CHECK(base::LogErrorCount() == errors + 2);
    b.Restart();
    CHECK(b.Uids() == uids);
    CHECK(b.snapshots[0].complete);
  }
  SECTION("or until the hold ends, when so configured") {
    b.options.remove_when_directory_gone = true;
    b.Start();
    fs::rename(b.dir, b.dir + ".away");
    b.Advance(4min);
    CHECK(b.Uids().size() == 1);
    b.Advance(62s);
    CHECK(b.Uids().empty());
    CHECK(b.Checkpoints() == 0);
  }
}

TEST_CASE("S5: a directory that was replaced keeps its pods for the hold time") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Write("b.yaml", Manifest("b"));
  b.Start();
  auto uids = b.Uids();
  fs::rename(b.dir, b.dir + ".away");
  fs::create_directory(b.dir);
  b.Write("b.yaml", Manifest("b"));
  b.Advance(2s);
  CHECK(b.Uids() == uids);
  CHECK(Contains(b.Problems(), b.dir + "/a.yaml"));
  SECTION("and gets them back") {
    fs::remove_all(b.dir);
    fs::rename(b.dir + ".away", b.dir);
    b.Advance(6min);
    CHECK(b.Uids() == uids);
    CHECK(b.Problems() == "");
    CHECK(b.snapshots.size() == 1);
  }
  SECTION("then lets them go; a file deleted from the new one goes at once") {
    b.Remove("b.yaml");
    b.Settle();
    CHECK(b.Uid("b") == "");
    CHECK(b.Uid("a") != "");
    b.Advance(5min);
    CHECK(b.Uids().empty());
    CHECK(b.Problems() == "");
  }
}

TEST_CASE("a restart while a file is bad keeps its pod") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Write("b.yaml", Manifest("b"));
  b.Start();
  auto uids = b.Uids();
  b.Stop();
  b.Write("a.yaml", "broken: [");
  SECTION("both still wanted") {
    b.Restart();
    CHECK(b.Uids() == uids);
    CHECK(Contains(b.Problems(), "(kept)"));
    b.Restart();
    CHECK(b.Uids() == uids);
  }
  SECTION("a file deleted meanwhile is gone for good") {
    b.Remove("b.yaml");
    b.Restart();
    CHECK(b.snapshots.size() == 1);
    CHECK(b.Uids().size() == 1);
    CHECK(b.Uid("a") == uids["default/a-node"]);
    CHECK(b.Checkpoints() == 1);
  }
  SECTION("another path starts afresh") {
    b.options.path = b.root.path + "/other";
    b.Restart();
    CHECK(b.Uids().empty());
    CHECK(b.Checkpoints() == 0);
  }
  SECTION("another node name: the pod of the last good text under the new name") {
    b.options.node_name = "node2";
    b.Restart();
    CHECK(b.Uids().size() == 2);
    CHECK(b.Uids().contains("default/a-node2"));
    CHECK(b.Uids()["default/a-node2"] != uids["default/a-node"]);
  }
  SECTION("damaged checkpoints are ignored") {
    for (const auto& entry : fs::directory_iterator(b.options.state_dir + "/static_pods")) {
      fs::resize_file(entry.path(), fs::file_size(entry.path()) - 5);
    }
    b.Restart();
    CHECK(b.Uids().size() == 1);
    CHECK(b.Uid("b") == uids["default/b-node"]);
  }
}

TEST_CASE("checkpoints that cannot be written are a warning and nothing else") {
  FileBench b;
  WriteFile(b.root.path + "/state", "a file in the way");
  b.Write("a.yaml", Manifest("a"));
  b.Start();
  CHECK(b.Uids().size() == 1);
  CHECK(Contains(b.Problems(), "cannot save the last good manifests"));
  fs::remove(b.root.path + "/state");
  b.Advance(21s);
  CHECK(b.Problems() == "");
  CHECK(b.Checkpoints() == 1);
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

TEST_CASE(
    "a filesystem that hangs keeps the last good set, and is followed again when it answers") {
  FileBench b;
  b.Write("a.yaml", Manifest("a"));
  b.Start();
  auto uids = b.Uids();
  // Both threads that manifests may use are stuck, as they would be in a dead mount.
  std::promise<void> release;
  auto gate = release.get_future().share();
  base::TaskScope stuck(b.loop.io.get_executor());
  struct Hang {
    static base::Task<void> Run(base::BlockingPool& pool, std::shared_future<void> gate) {
      std::function<absl::Status()> work = [gate] {
        gate.wait();
        return absl::OkStatus();
      };
      co_await pool.RunStatus("manifests", 1h, std::move(work));
    }
  };
  stuck.Spawn("stuck", Hang::Run(b.loop.pool, gate));
  stuck.Spawn("stuck", Hang::Run(b.loop.pool, gate));
  b.loop.io.restart();
  b.loop.io.poll();
  b.Write("a.yaml", Manifest("a", "2"));
  auto look = b.source->looks();
  auto turn = [&] {
    b.loop.io.restart();
    b.loop.io.poll();
  };
  for (int i = 0; i < 70; ++i) b.loop.clock.Advance(1s, turn);
  CHECK(b.source->looks() > look);
  CHECK(b.Uids() == uids);
  CHECK(Contains(b.Problems(), b.dir + " [] "));
  release.set_value();
  b.loop.RunUntil([&] { return stuck.size() == 0; });
  // What was given up is still in the queue of the threads, which need time of their own for it.
  auto limit = std::chrono::steady_clock::now() + 60s;
  while (!b.Problems().empty() && std::chrono::steady_clock::now() < limit)
    b.loop.clock.Advance(1s, [&] { b.Poll(); });
  CHECK(b.Uid("a") != uids["default/a-node"]);
  CHECK(b.Problems() == "");
}

TEST_CASE("a directory that cannot be read at first start is not complete") {
  FileBench b;
  fs::remove(b.dir);
  REQUIRE(::mkfifo(b.dir.c_str(), 0600) == 0);
  b.Start();
  REQUIRE(b.snapshots.size() == 1);
  CHECK_FALSE(b.snapshots[0].complete);
  fs::remove(b.dir);
  fs::create_directory(b.dir);
  b.Write("a.yaml", Manifest("a"));
  b.Advance(2s);
  CHECK(b.snapshots.back().complete);
  CHECK(b.Uids().size() == 1);
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
