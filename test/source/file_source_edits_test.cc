// Edits of manifests: bad and half-written ones, copies, renames, and the ways of editors to save.
#include <fcntl.h>

#include "source/file_source.h"
#include "source_bench.h"

namespace kubelet::source {
namespace {

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

}  // namespace
}  // namespace kubelet::source
