// The reader of control groups over fake trees of both versions; and over the real ones.
#include "kubelet/os/cgroup_stats.h"

#include <iostream>

#include "catch.h"
#include "stats/cgroup_tree.h"

namespace kubelet::os {
namespace {

using test::CgroupTree;
using test::GroupNumbers;

constexpr unsigned kAll = CgroupReader::kCpu | CgroupReader::kMemory | CgroupReader::kDetails |
                          CgroupReader::kPressure | CgroupReader::kIo | CgroupReader::kBandwidth;

TEST_CASE("both versions of control groups tell the same of a group") {
  bool v2 = GENERATE(false, true);
  CAPTURE(v2);
  CgroupTree tree(v2);
  GroupNumbers n;
  n.memory_limit = "20000000";
  n.quota_us = 50'000;
  n.pids = {11, 12};
  tree.Set("/", GroupNumbers());
  tree.Set("/a/b", n);
  CgroupReader reader(tree.mounts(), tree.Proc(""));
  CgroupUsage usage;
  REQUIRE(reader.ReadUsage("/a/b", kAll, usage).ok());
  CHECK(usage.cpu_ns == 1'500'000'000);
  CHECK(usage.cpu_user_ns == 1'000'000'000);
  CHECK(usage.cpu_system_ns == 500'000'000);
  CHECK(usage.memory == 9'000'000);
  CHECK(usage.working_set == 8'000'000);
  CHECK(usage.rss == 3'000'000);
  CHECK(usage.cache == 4'000'000);
  CHECK(usage.mapped_file == 2'000'000);
  CHECK(usage.active_file == 1'500'000);
  CHECK(usage.swap == 70'000);
  CHECK(usage.page_faults == 123);
  CHECK(usage.major_page_faults == 7);
  CHECK(usage.max_memory == 9'500'000);
  CHECK(usage.oom_kills == 2);
  CHECK(usage.throttled_periods == 4);
  CHECK(usage.throttled_ns == 2'500'000'000);
  CHECK(usage.threads == 5);
  REQUIRE(usage.io.size() == 1);
  CHECK(usage.io[0].major == 8);
  CHECK(usage.io[0].bytes[IoTraffic::kWrite] == 8192);
  CHECK(usage.io[0].count[IoTraffic::kRead] == 11);
  CHECK(usage.cpu_pressure.has_value() == v2);
  if (v2) {
    CHECK(usage.cpu_pressure->some.avg10 == 1.5);
    CHECK(usage.cpu_pressure->some.total_us == 2'500'000);
    CHECK(usage.io_pressure->full.total_us == 44);
  }
  CgroupLimits limits;
  REQUIRE(reader.ReadLimits("/a/b", limits).ok());
  CHECK(limits.memory == 20'000'000);
  CHECK(limits.cpu_quota_us == 50'000);
  CHECK(limits.cpu_period_us == 100'000);
  CHECK(limits.cpu_shares == (v2 ? 500 : 512));
  CHECK(limits.threads == 0);
  CHECK(limits.swap == (v2 ? 0 : CgroupLimits::kNoLimit));
  CHECK(reader.Processes("/a/b") == std::vector<int>{11, 12});
  CHECK(reader.Children("/a") == std::vector<std::string>{"b"});
  CHECK(reader.MadeAt("/a/b").ok());
}

TEST_CASE("a group that goes away while it is read counts as gone") {
  bool v2 = GENERATE(false, true);
  CgroupTree tree(v2);
  tree.Set("/a", GroupNumbers());
  CgroupReader reader(tree.mounts(), tree.Proc(""));
  CgroupUsage usage;
  REQUIRE(reader.ReadUsage("/a", kAll, usage).ok());
  tree.RemoveFile("memory", "/a", "memory.stat");
  CHECK(absl::IsNotFound(reader.ReadUsage("/a", kAll, usage)));
  tree.Set("/a", GroupNumbers());
  tree.RemoveFile("cpuacct", "/a", v2 ? "cpu.stat" : "cpuacct.usage");
  CHECK(absl::IsNotFound(reader.ReadUsage("/a", kAll, usage)));
  tree.Remove("/a");
  CHECK(absl::IsNotFound(reader.ReadUsage("/a", CgroupReader::kCpu, usage)));
  CHECK_FALSE(reader.Exists("/a"));
  CHECK(reader.Processes("/a").empty());
}

TEST_CASE("the pulse of a group is its CPU time and memory, as often as one asks") {
  bool v2 = GENERATE(false, true);
  CgroupTree tree(v2);
  GroupNumbers n;
  tree.Set("/a/b", n);
  CgroupReader reader(tree.mounts(), tree.Proc(""));
  auto files = reader.OpenPulse("/a/b");
  auto first = files.Read();
  REQUIRE(first.ok());
  CHECK(first->cpu_ns == 1'500'000'000);
  CHECK(first->memory == 9'000'000);
  CHECK(*files.Read() == *first);
  n.cpu_us += 1;
  tree.Set("/a/b", n);
  CHECK_FALSE(*files.Read() == *first);
  CHECK(absl::IsNotFound(reader.OpenPulse("/a/c").Read().status()));
}

TEST_CASE("traffic is that of the scheduler when it counts, as the root tells") {
  CgroupTree tree(false);
  for (const char* group : {"/", "/a"}) tree.Set(group, GroupNumbers());
  CgroupReader reader(tree.mounts(), tree.Proc(""));
  auto reads = [&](const std::string& group) {
    CgroupUsage usage;
    REQUIRE(reader.ReadUsage(group, kAll, usage).ok());
    return usage.io.at(0).count[IoTraffic::kRead];
  };
  CHECK(reads("/") == 11);
  tree.Write("blkio", "/a", "blkio.bfq.io_serviced_recursive", "8:0 Read 5\nTotal 5\n");
  CHECK(reads("/a") == 11);  // the root has counted nothing that way
  tree.Write("blkio", "/", "blkio.bfq.io_serviced_recursive", "8:0 Read 6\nTotal 6\n");
  CHECK(reads("/") == 6);
  CHECK(reads("/a") == 5);
}

TEST_CASE("no limits, and limits that are none") {
  bool v2 = GENERATE(false, true);
  CgroupTree tree(v2);
  tree.Set("/a", GroupNumbers());
  CgroupReader reader(tree.mounts(), tree.Proc(""));
  CgroupLimits limits;
  REQUIRE(reader.ReadLimits("/a", limits).ok());
  CHECK(limits.memory == CgroupLimits::kNoLimit);
  CHECK(limits.cpu_quota_us == 0);
}

TEST_CASE("the root of version 2 has no memory.current") {
  CgroupTree tree(true);
  tree.Set("/", GroupNumbers());
  test::WriteText(tree.Proc("meminfo"), "MemTotal: 100 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\n");
  CgroupReader reader(tree.mounts(), tree.Proc(""));
  CgroupUsage usage;
  REQUIRE(reader.ReadUsage("/", kAll, usage).ok());
  CHECK(usage.memory == 7'000'000);
  CHECK(usage.working_set == 6'000'000);
  CHECK(usage.swap == 30 * 1024);
}

TEST_CASE("the groups of this machine can be read") {
  auto mounts = ReadMountinfo();
  REQUIRE(mounts.ok());
  auto host = DetectCgroups(*mounts);
  if (host.mode == CgroupMode::kNone) {
    std::cerr << "SKIPPED, no control groups: the groups of this machine can be read\n";
    return;
  }
  CgroupReader reader(host);
  CgroupUsage usage;
  REQUIRE(reader.ReadUsage("/", kAll, usage).ok());
  CHECK(usage.cpu_ns > 0);
  CHECK(usage.memory > 0);
  CHECK(usage.working_set <= usage.memory);
}

}  // namespace
}  // namespace kubelet::os
