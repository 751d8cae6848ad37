#include "source/file_set.h"

#include "source_bench.h"

namespace kubelet::source {
namespace {

// Listings made by hand: no files, no loop.
struct SetBench {
  FileSet::Options options;
  std::unique_ptr<FileSet> set;
  std::map<std::string, std::pair<std::string, uint64_t>> files;  // name -> text, inode
  std::set<std::string> held, deleted;
  os::FileId directory{1, 1};
  uint64_t next_inode = 100;
  base::MonoTime mono{};

  SetBench() {
    options.path = "/m";
    options.node_name = "node";
    options.directory_hold = 5min;
    options.judge = JudgeManifest;
    set = std::make_unique<FileSet>(options);
  }
  void Put(const std::string& name, const std::string& text) { files[name] = {text, next_inode++}; }
  void Edit(const std::string& name, const std::string& text) { files.at(name).first = text; }
  void Move(const std::string& from, const std::string& to) {
    auto file = files.at(from);
    files.erase(from);
    files[to] = file;
  }
  bool Look() {
    Listing listing;
    listing.directory_id = directory;
    for (const auto& [name, file] : files) {
      Reading reading;
      reading.text = file.first;
      reading.id = {file.second, 7};
      listing.files["/m/" + name] = reading;
    }
    for (const auto& name : held) listing.held.insert("/m/" + name);
    for (const auto& name : deleted) listing.deleted.insert("/m/" + name);
    mono += 1s;
    return set->Apply(std::move(listing), base::WallFromUnixNanos(mono.time_since_epoch().count()),
                      mono);
  }
  std::map<std::string, std::string> Uids() const {
    std::map<std::string, std::string> out;
    for (const auto& pod : set->Pods()) out[pod->metadata().name()] = pod->metadata().uid();
    return out;
  }
};

TEST_CASE("names exchanged by editing both files at once are two updates") {
  SetBench b;
  b.Put("a.yaml", Manifest("a"));
  b.Put("b.yaml", Manifest("b"));
  b.Look();
  auto uids = b.Uids();
  b.Edit("a.yaml", "# now b\n" + Manifest("b", "x1"));
  b.Edit("b.yaml", "# now a\n" + Manifest("a", "x2"));
  CHECK(b.Look());
  CHECK(b.set->Problems().empty());
  CHECK(b.Uids().size() == 2);
  CHECK(b.Uids() != uids);
}

TEST_CASE("a file that takes another's name keeps its own pod until that is given up") {
  SetBench b;
  b.Put("a.yaml", Manifest("a"));
  b.Put("b.yaml", Manifest("b"));
  b.Look();
  auto uids = b.Uids();
  b.Edit("b.yaml", Manifest("a", "other"));
  CHECK_FALSE(b.Look());
  CHECK(b.Uids() == uids);
  REQUIRE(b.set->Problems().size() == 1);
  CHECK(b.set->Problems()[0].kept);
  b.files.erase("a.yaml");
  CHECK(b.Look());
  CHECK(b.Uids().size() == 1);
  CHECK(b.Uids().contains("a-node"));
  CHECK(b.set->Problems().empty());
}

TEST_CASE("a backup copy does not hold on to the old version when its original is edited") {
  SetBench b;
  b.Put("a.yaml", Manifest("a"));
  b.Look();
  auto uids = b.Uids();
  b.Put("a.yaml.bak", Manifest("a"));
  b.Edit("a.yaml", Manifest("a", "new"));
  CHECK(b.Look());
  CHECK(b.Uids() != uids);
  CHECK(b.set->Problems().size() == 1);
  // Restoring the backup over it.
  b.Move("a.yaml.bak", "a.yaml");
  CHECK(b.Look());
  CHECK(b.Uids() == uids);
  CHECK(b.set->Problems().empty());
}

TEST_CASE("a file overwritten by another is that other; the overwritten pod goes") {
  SetBench b;
  b.Put("a.yaml", Manifest("a"));
  b.Put("b.yaml", Manifest("b"));
  b.Look();
  auto uids = b.Uids();
  b.Move("b.yaml", "a.yaml");
  CHECK(b.Look());
  CHECK(b.Uids() == std::map<std::string, std::string>{{"b-node", uids["b-node"]}});
}

TEST_CASE("a file renamed and spoilt in one go keeps its pod by its inode") {
  SetBench b;
  b.Put("a.yaml", Manifest("a"));
  b.Look();
  auto uids = b.Uids();
  b.Move("a.yaml", "b.yaml");
  b.Edit("b.yaml", "bad: [");
  CHECK_FALSE(b.Look());
  CHECK(b.Uids() == uids);
  REQUIRE(b.set->Problems().size() == 1);
  CHECK(b.set->Problems()[0].origin == "/m/b.yaml");
  CHECK(b.set->Problems()[0].kept);
  // A bad new file (another inode) in place of a deleted one does not.
  b.files.clear();
  b.Put("c.yaml", "bad: [");
  CHECK(b.Look());
  CHECK(b.Uids().empty());
}

TEST_CASE(
    "an editor's backup that disappears while the new file is still bad does not take the pod with "
    "it") {
  SetBench b;
  b.Put("a.yaml", Manifest("a"));
  b.Look();
  auto uids = b.Uids();
  b.Move("a.yaml", "a.yaml~");
  b.Look();
  b.Put("a.yaml", "");
  b.Look();
  b.files.erase("a.yaml~");
  CHECK_FALSE(b.Look());
  CHECK(b.Uids() == uids);
  CHECK(b.set->Problems().size() == 1);
}

TEST_CASE("a name that is changing is neither judged nor removed") {
  SetBench b;
  b.Put("a.yaml", Manifest("a"));
  b.Put("b.yaml", Manifest("b"));
  b.Look();
  auto uids = b.Uids();
  b.held = {"a.yaml", "b.yaml", "c.yaml"};
  b.files.erase("a.yaml");
  b.Edit("b.yaml", Manifest("b", "new"));
  b.Put("c.yaml", Manifest("c"));
  CHECK_FALSE(b.Look());
  CHECK(b.Uids() == uids);
  CHECK(b.set->Problems().empty());
  b.held.clear();
  CHECK(b.Look());
  CHECK(b.Uids().size() == 2);
}

TEST_CASE("a manifest that was deleted and is there again is a removal, if it is a good one") {
  SetBench b;
  b.Put("a.yaml", Manifest("a"));
  b.Put("b.yaml", Manifest("b"));
  b.Look();
  auto uids = b.Uids();
  auto seen = api::Annotation(*b.set->Pods()[0], api::kConfigSeen);
  b.deleted = {"a.yaml"};
  SECTION("the same text") {
    b.Put("a.yaml", Manifest("a"));
    CHECK(b.Look());
    CHECK(b.Uids() == uids);
    CHECK(b.set->removed() == std::set<std::string>{uids["a-node"]});
    CHECK(api::Annotation(*b.set->Pods()[0], api::kConfigSeen) != seen);
    b.deleted.clear();
    CHECK_FALSE(b.Look());
    CHECK(b.set->removed().empty());
  }
  SECTION("other text is another pod, which needs no telling") {
    b.Put("a.yaml", Manifest("a", "other"));
    CHECK(b.Look());
    CHECK(b.Uids()["a-node"] != uids["a-node"]);
    CHECK(b.set->removed().empty());
  }
  SECTION("bad text removes nothing") {
    b.Put("a.yaml", "apiVersion: v1\nkind: Po");
    CHECK_FALSE(b.Look());
    CHECK(b.Uids() == uids);
    CHECK(b.set->removed().empty());
  }
  SECTION("the same file was only away") {
    CHECK_FALSE(b.Look());
    CHECK(b.set->removed().empty());
  }
  SECTION("a name that is changing is not judged") {
    b.Put("a.yaml", Manifest("a"));
    b.held = {"a.yaml"};
    CHECK_FALSE(b.Look());
    CHECK(b.set->removed().empty());
  }
  SECTION("in another directory it was put back") {
    b.Put("a.yaml", Manifest("a"));
    b.directory = {2, 2};
    b.Look();
    CHECK(b.Uids() == uids);
    CHECK(b.set->removed().empty());
  }
}

TEST_CASE("a checkpoint keeps the uid it has, whatever this build would compute") {
  SetBench b;
  Checkpoint c;
  c.source = "/m";
  c.path = "/m/a.yaml";
  c.identity_path = "/m/first.yaml";
  c.node_name = "node";
  c.uid = "of-another-build";
  c.seen = "2020-01-01T00:00:00.000000000Z";
  c.text = Manifest("a");
  b.set->Restore(c);
  b.Put("a.yaml", "# comment\n" + Manifest("a"));
  b.Look();
  CHECK(b.Uids() == std::map<std::string, std::string>{{"a-node", "of-another-build"}});
  CHECK(api::Annotation(*b.set->Pods()[0], api::kConfigHash) == "of-another-build");
  CHECK(api::Annotation(*b.set->Pods()[0], api::kConfigSeen) == c.seen);
  b.Edit("a.yaml", Manifest("a", "new"));
  b.Look();
  CHECK(b.Uids()["a-node"].size() == 32);
}

TEST_CASE("checkpoints survive the disk, and damage is noticed") {
  Checkpoint c;
  c.source = "/m";
  c.path = "/m/a\nb%20.yaml";
  c.identity_path = c.path;
  c.node_name = "n";
  c.uid = "u";
  c.name = "default/a";
  c.seen = "s";
  c.directory = {12, -34};
  c.text = std::string("a\n\nb: \0c\n", 9);
  std::string data = EncodeCheckpoint(c);
  auto back = DecodeCheckpoint(data);
  REQUIRE(back.ok());
  CHECK(back->path == c.path);
  CHECK(back->text == c.text);
  CHECK(back->directory == c.directory);
  CHECK(EncodeCheckpoint(*back) == data);
  for (size_t i = 0; i < data.size(); ++i) {
    INFO(i);
    CHECK_FALSE(DecodeCheckpoint(data.substr(0, i)).ok());
    std::string damaged = data;
    damaged[i] ^= 1;
    CHECK_FALSE(DecodeCheckpoint(damaged).ok());
  }
}

TEST_CASE("when a name may be judged") {
  Settler s({20ms, 200ms, 1s});
  base::MonoTime t{};
  auto event = [](uint32_t mask, uint32_t cookie = 0) {
    os::InotifyEvent e;
    e.mask = mask;
    e.cookie = cookie;
    e.name = "a";
    return e;
  };
  SECTION("closed: at once, when it is known") {
    s.Add(event(IN_CLOSE_WRITE), true, t);
    CHECK(s.Next() == t);
    s.Add(event(IN_CLOSE_WRITE), false, t);
    CHECK(s.Next() == t + 20ms);
  }
  SECTION("moved in: at once; moved from a visible name: after the quiet time") {
    s.Add(event(IN_MOVED_TO, 5), true, t);
    CHECK(s.Next() == t);
    s.Add(event(IN_MOVED_FROM, 6), true, t);
    s.Add(event(IN_MOVED_TO, 6), true, t);
    CHECK(s.Next() == t + 20ms);
  }
  SECTION("a burst is cut off") {
    for (int i = 0; i < 30; ++i) s.Add(event(IN_ATTRIB), true, t + i * 15ms);
    CHECK(s.Next() == t + 200ms);
  }
  SECTION("a deleted name is told of when it is due, whether or not it is there again") {
    s.Add(event(IN_DELETE), true, t);
    s.Add(event(IN_CREATE), true, t);
    CHECK(s.TakeDeleted({}).empty());
    s.Add(event(IN_CLOSE_WRITE), true, t);
    CHECK(s.TakeDue(t));
    CHECK(s.TakeDeleted({"a"}).empty());  // it is changing again
    CHECK(s.TakeDeleted({}) == std::set<std::string>{"a"});
    CHECK(s.TakeDeleted({}).empty());
  }
  SECTION("a file that is moved away, or moved or written over, is not deleted") {
    auto masks = GENERATE(std::vector<uint32_t>{IN_MOVED_FROM, IN_CREATE, IN_CLOSE_WRITE},
                          std::vector<uint32_t>{IN_MOVED_FROM, IN_MOVED_TO},
                          std::vector<uint32_t>{IN_MOVED_FROM, IN_CREATE, IN_DELETE, IN_MOVED_TO},
                          std::vector<uint32_t>{IN_MOVED_TO},
                          std::vector<uint32_t>{IN_MODIFY, IN_CLOSE_WRITE});
    for (uint32_t mask : masks) s.Add(event(mask), true, t);
    CHECK(s.TakeDue(t + 1s));
    CHECK(s.TakeDeleted({}).empty());
  }
  SECTION("an open writer is waited for, not for ever") {
    s.Add(event(IN_MODIFY), true, t);
    s.Add(event(IN_ATTRIB), true, t + 1ms);
    s.Add(event(IN_MODIFY), true, t + 900ms);
    CHECK(s.Next() == t + 1s);
    CHECK_FALSE(s.TakeDue(t + 999ms));
    CHECK(s.Pending() == std::set<std::string>{"a"});
    CHECK(s.TakeDue(t + 1s));
    CHECK(s.Pending().empty());
  }
}

}  // namespace
}  // namespace kubelet::source
