#include "catch.h"
#include "status/writer_bench.h"

namespace kubelet::status {
namespace {

using WriterMirrorBench = WriterBench;

TEST_CASE("the static pod's status goes to its mirror, and waits for one") {
  WriterMirrorBench bench;
  auto pod = std::make_shared<const Pod>(StaticPod("etcd", "hash1"));
  bench.Set(pod, bench.Status("Running", true));
  bench.Advance(1min);
  CHECK(bench.Patches() == 0);
  bench.Put(MirrorPod("etcd", "hash0"));
  bench.Advance(1min);
  CHECK(bench.Patches() == 0);
  REQUIRE(bench.api.Remove({kPods, "default", "etcd"}).ok());
  auto mirror = bench.Put(MirrorPod("etcd", "hash1"));
  CHECK(bench.Patches() == 1);
  CHECK(bench.Stored("etcd")->status().phase() == "Running");
  CHECK(bench.api.log.back().call.patch.find(mirror->metadata().uid()) != std::string::npos);
  // Deleted by a user and made again: the new one gets it too.
  REQUIRE(bench.api.Remove({kPods, "default", "etcd"}).ok());
  bench.Put(MirrorPod("etcd", "hash1"));
  CHECK(bench.Stored("etcd")->status().phase() == "Running");
  // Never deleted from here.
  REQUIRE(bench.api.Remove({kPods, "default", "etcd"}, true).ok());
  bench.Set(pod, bench.Status("Failed", false), true);
  bench.writer.Finished("hash1");
  bench.Advance(1min);
  CHECK(bench.Stored("etcd")->status().phase() == "Failed");
  CHECK(bench.api.Count("DELETE", "") == 0);
}

TEST_CASE("a mirror made again while a write to the old one is under way gets the status") {
  WriterMirrorBench bench;
  auto pod = std::make_shared<const Pod>(StaticPod("etcd", "hash1"));
  bench.Put(MirrorPod("etcd", "hash1"));
  bench.api.set_latency(20ms);
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  REQUIRE(bench.api.Remove({kPods, "default", "etcd"}).ok());
  bench.Put(MirrorPod("etcd", "hash1"));
  bench.Advance(1s);
  CHECK(bench.Stored("etcd")->status().phase() == "Running");
  CHECK(bench.Gets() <= 1);
}

TEST_CASE("a static pod that runs anew asks for a new mirror instead of taking the phase back") {
  WriterMirrorBench bench;
  auto pod = std::make_shared<const Pod>(StaticPod("job", "hash1"));
  auto mirror = bench.Put(MirrorPod("job", "hash1"));
  bench.Set(pod, bench.Status("Succeeded", false), true);
  bench.writer.Finished("hash1");
  bench.Run();
  bench.writer.Forget("hash1");
  bench.Set(pod, bench.Status("Pending", false));
  bench.Run();
  CHECK(bench.Stored("job")->status().phase() == "Succeeded");
  REQUIRE(bench.outlived.size() == 1);
  CHECK(bench.outlived[0] == mirror->metadata().uid());
}

TEST_CASE(
    "after a restart the times of a static pod are those of its mirror, also when that is seen "
    "late") {
  WriterMirrorBench bench;
  bench.Put(MirrorPod("etcd", "hash1"));
  auto pod = std::make_shared<const Pod>(StaticPod("etcd", "hash1"));
  bench.Set(pod, bench.Status("Running", true, 2));
  bench.Run();
  REQUIRE(bench.Patches() == 1);
  StatusWriter second({bench.io.get_executor(), bench.clock, bench.api, [] { return 0.5; }}, {});
  bench.Advance(1h);
  second.Set("hash1", pod, bench.Status("Running", true, 2), {});
  second.ObservedAll({bench.Stored("etcd")});
  bench.Advance(1min);
  CHECK(bench.Patches() == 1);
}

}  // namespace
}  // namespace kubelet::status
