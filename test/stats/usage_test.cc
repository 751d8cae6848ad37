// What pods use, for who has to choose between them.
#include "kubelet/os/disk_usage.h"
#include "stats/rig.h"

namespace kubelet::stats {
namespace {

using std::chrono::seconds;
using test::GroupNumbers;
using test::Rig;
using test::WriteText;

base::Task<absl::StatusOr<std::string>> Memory(Stats& stats, runtime::PodUsages* out) {
  auto usage = co_await stats.ProcessUsage();
  if (usage.ok()) *out = *std::move(usage);
  co_return usage.status().ok() ? absl::StatusOr<std::string>("") : usage.status();
}

base::Task<absl::StatusOr<std::string>> Files(Stats& stats, std::set<std::string> uids,
                                              runtime::PodUsages* out) {
  *out = co_await stats.FilesUsage(std::move(uids), true);
  co_return std::string();
}

runtime::PodUsages FilesOf(Rig& rig, std::set<std::string> uids = {}) {
  runtime::PodUsages out;
  rig.Await(Files(rig.stats(), std::move(uids), &out));
  return out;
}

uint64_t BytesOf(const std::string& path) {
  auto usage = os::UsageOfTree(path);
  REQUIRE(usage.ok());
  return usage->bytes;
}

TEST_CASE("memory and processes of pods, as of now") {
  bool v2 = GENERATE(false, true);
  Rig rig(v2);
  GroupNumbers n;
  n.pids = {5, 6};
  rig.AddPod("a", n);
  rig.AddPod("b");
  runtime::PodUsages usage;
  rig.Await(Memory(rig.stats(), &usage));
  REQUIRE(usage.size() == 2);
  CHECK(usage["uid-a"].memory == 8'000'000);
  CHECK(usage["uid-a"].processes == 2);
  REQUIRE(usage["uid-a"].containers.size() == 1);
  CHECK(usage["uid-a"].containers[0].name == "c");
  CHECK(usage["uid-a"].containers[0].memory == 8'000'000);
  n.pids = {5, 6, 7};
  n.cpu_us += 1000;  // nobody starts a process without time
  for (const char* group : {"", "/id-a"})
    rig.tree.Set(std::string("/kubepods/burstable/poduid-a") + group, n);
  rig.Await(Memory(rig.stats(), &usage));
  CHECK(usage["uid-a"].processes == 3);
}

TEST_CASE("without control groups of pods their memory is what the runtime says") {
  Rig rig;
  rig.per_qos = false;
  auto pod = rig.AddPod("a");
  rig.AddContainer(*pod, "d", "id-d", {});
  rig.AddPod("b");
  rig.cri.Used("id-a", rig.clock.Now());
  rig.cri.Used("id-d", rig.clock.Now());
  runtime::PodUsages usage;
  rig.Await(Memory(rig.stats(), &usage));
  REQUIRE(usage.size() == 1);  // of the other nothing is known
  CHECK(usage["uid-a"].memory == 6'000'000);
  REQUIRE(usage["uid-a"].containers.size() == 2);
  CHECK(usage["uid-a"].containers[0].memory == 3'000'000);
}

TEST_CASE("files of pods: layers, logs, volumes, and what counts against the pod's limit") {
  Rig rig;
  rig.AddPod("a");
  rig.AddPod("b");
  std::string logs = rig.options.pod_logs_dir + "/ns_a_uid-a";
  std::string volume = rig.disk / "empty", other = rig.disk / "claim";
  WriteText(logs + "/c/0.log", std::string(10000, 'x'));
  WriteText(volume + "/file", std::string(100000, 'x'));
  WriteText(other + "/file", std::string(5000, 'x'));
  VolumeDir empty, claim;
  empty.name = "e";
  empty.path = volume;
  empty.ephemeral = true;
  claim.name = "p";
  claim.path = other;
  rig.volumes["a"] = {empty, claim};
  rig.cri.Wrote("id-a", {{}, "", 7000, 3});

  auto usage = FilesOf(rig, {"uid-a"});
  REQUIRE(usage.size() == 1);
  const auto& a = usage["uid-a"];
  REQUIRE(a.containers.size() == 1);
  CHECK(a.containers[0].rootfs->bytes == 7000);
  CHECK(a.containers[0].rootfs->inodes == 3);
  uint64_t log_bytes = BytesOf(logs + "/c/0.log");
  CHECK(a.containers[0].logs->bytes == log_bytes);
  CHECK(a.volumes.at("e").bytes == BytesOf(volume));
  CHECK(a.volumes.at("p").bytes == BytesOf(other));
  CHECK(a.ephemeral->bytes == 7000 + log_bytes + BytesOf(volume));
  CHECK(FilesOf(rig).size() == 2);
}

TEST_CASE("files are measured again after ten seconds, not before") {
  Rig rig;
  rig.AddPod("a");
  VolumeDir empty;
  empty.name = "e";
  empty.path = rig.disk / "empty";
  rig.volumes["a"] = {empty};
  WriteText(empty.path + "/1", std::string(10000, 'x'));
  uint64_t before = FilesOf(rig)["uid-a"].volumes["e"].bytes;
  WriteText(empty.path + "/2", std::string(100000, 'x'));
  CHECK(FilesOf(rig)["uid-a"].volumes["e"].bytes == before);
  rig.clock.Advance(seconds(61));
  CHECK(FilesOf(rig)["uid-a"].volumes["e"].bytes == BytesOf(empty.path));
}

TEST_CASE("when volumes are not to be looked at, writable layers are what is known") {
  Rig rig;
  rig.options.disk_period = seconds(-1);
  rig.AddPod("a");
  rig.cri.Wrote("id-a", {{}, "", 7000, 0});
  auto usage = FilesOf(rig);
  CHECK(usage["uid-a"].ephemeral->bytes == 7000);
  CHECK(usage["uid-a"].volumes.empty());
}

}  // namespace
}  // namespace kubelet::stats
