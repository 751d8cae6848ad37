// Manifests gone with their directory, hung, unreadable or bad at a restart: which pods are kept.
#include <future>

#include "kubelet/base/log.h"
#include "source/file_source.h"
#include "source_bench.h"

namespace kubelet::source {
namespace {

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

}  // namespace
}  // namespace kubelet::source
