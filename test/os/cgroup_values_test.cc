#include "catch.h"
#include "kubelet/os/cgroup.h"
#include "kubelet/os/cgroup_driver.h"

namespace kubelet::os {
namespace {

using Lines = std::vector<std::string>;

Lines Shown(const CgroupValues& values, bool v2) {
  Lines out;
  for (const auto& setting : CgroupSettings(values, v2)) {
    out.push_back(setting.controller + ":" + setting.file + "=" + setting.text);
  }
  return out;
}

TEST_CASE("cpu.weight of the kubelet's own groups is a straight line") {
  CHECK(KubeletCpuWeight(0) == 0);
  CHECK(KubeletCpuWeight(2) == 1);
  CHECK(KubeletCpuWeight(1024) == 39);
  CHECK(KubeletCpuWeight(2048) == 79);
  CHECK(KubeletCpuWeight(262144) == 10000);
  CHECK(KubeletCpuWeight(999999) == 10000);
  CHECK(SharesOfKubeletCpuWeight(1) == 2);
  CHECK(SharesOfKubeletCpuWeight(10000) == 262144);
}

TEST_CASE("cpu.weight of containers lies on a curve through 2:1, 1024:100 and 262144:10000") {
  CHECK(RuntimeCpuWeight(0) == 0);
  CHECK(RuntimeCpuWeight(1) == 1);
  CHECK(RuntimeCpuWeight(2) == 1);
  CHECK(RuntimeCpuWeight(256) == 35);
  CHECK(RuntimeCpuWeight(1024) == 100);
  CHECK(RuntimeCpuWeight(262144) == 10000);
  for (uint64_t shares = 3; shares < 262144; shares += 997) {
    CHECK(RuntimeCpuWeight(shares) <= RuntimeCpuWeight(shares + 997));
  }
}

TEST_CASE("values become the files of v1") {
  CgroupValues values;
  CHECK(Shown(values, false).empty());
  values = {512, 50000, 100000, 1 << 20, 99, "0-1", {{"2MB", 4 << 20}}};
  CHECK(Shown(values, false) ==
        Lines{"cpu:cpu.shares=512", "cpu:cpu.cfs_period_us=100000", "cpu:cpu.cfs_quota_us=50000",
              "memory:memory.limit_in_bytes=1048576", "pids:pids.max=99", "cpuset:cpuset.cpus=0-1",
              "hugetlb:hugetlb.2MB.limit_in_bytes=4194304"});
  values = {};
  values.cpu_quota_us = values.memory_bytes = values.pids = -1;
  CHECK(Shown(values, false) ==
        Lines{"cpu:cpu.cfs_quota_us=-1", "memory:memory.limit_in_bytes=-1", "pids:pids.max=max"});
}

TEST_CASE("values become the files of v2") {
  CgroupValues values{1024, 50000, std::nullopt, 1 << 20, 99, std::nullopt, {{"1GB", -1}}};
  CHECK(Shown(values, true) == Lines{"cpu:cpu.weight=39", "cpu:cpu.max=50000 100000",
                                     "memory:memory.max=1048576", "pids:pids.max=99",
                                     "hugetlb:hugetlb.1GB.max=4611686018427387904"});
  values = {};
  values.cpu_quota_us = values.memory_bytes = values.pids = -1;
  values.cpu_period_us = 20000;
  CHECK(Shown(values, true) ==
        Lines{"cpu:cpu.max=max 20000", "memory:memory.max=max", "pids:pids.max=max"});
}

TEST_CASE("a value that the kernel shows differently is still the same") {
  CHECK(IsSameSetting("memory.limit_in_bytes", "9223372036854771712", "-1"));
  CHECK(IsSameSetting("memory.max", "max", "max"));
  CHECK(IsSameSetting("memory.max", "4096", "5000"));  // rounded down to a page
  CHECK_FALSE(IsSameSetting("memory.max", "4096", "9000"));
  CHECK_FALSE(IsSameSetting("memory.max", "max", "4096"));
  CHECK_FALSE(IsSameSetting("pids.max", "4096", "5000"));
  CHECK(IsSameSetting("hugetlb.2MB.max", "max", "4611686018427387904"));
  CHECK_FALSE(IsSameSetting("cpu.max", "max 100000", "50000 100000"));
  CHECK(IsSameSetting("cpu.cfs_quota_us", "-1", "-1"));
  CHECK_FALSE(IsSameSetting("cpuset.cpus", "0-1", "0"));
}

TEST_CASE("huge page sizes have names") {
  CHECK(HugetlbSizeName(2 << 20) == "2MB");
  CHECK(HugetlbSizeName(1 << 30) == "1GB");
  CHECK(HugetlbSizeName(64 << 10) == "64KB");
  CHECK(HugetlbSizeName(int64_t{16} << 30) == "16GB");
}

const CgroupName kPod = {"kubepods", "burstable", "pod12-ab"};

TEST_CASE("names in each driver's syntax, and back") {
  CHECK(CgroupfsPath(kPod) == "/kubepods/burstable/pod12-ab");
  CHECK(CgroupfsPath({}) == "/");
  CHECK(ParseCgroupfsPath("/kubepods/burstable/pod12-ab") == kPod);
  CHECK(ParseCgroupfsPath("/").empty());
  CHECK(SliceUnit(kPod) == "kubepods-burstable-pod12_ab.slice");
  CHECK(SliceUnit({}) == "-.slice");
  CHECK(SlicePath(kPod) ==
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_ab.slice");
  CHECK(SlicePath({}) == "/");
  CHECK(ParseSlicePath(SlicePath(kPod)) == kPod);
  CHECK(ParseSlicePath("-.slice").empty());
  CHECK(SlicePath({"my-root", "kubepods"}) == "/my_root.slice/my_root-kubepods.slice");
}

std::string Shown(const UnitProperties& properties) {
  std::string out;
  for (const auto& [name, value] : properties) {
    out += name + "=";
    if (const auto* flag = std::get_if<bool>(&value)) out += *flag ? "true" : "false";
    if (const auto* number = std::get_if<uint64_t>(&value))
      out += *number == UINT64_MAX ? "inf" : std::to_string(*number);
    if (const auto* text = std::get_if<std::string>(&value)) out += *text;
    if (const auto* list = std::get_if<std::vector<std::string>>(&value))
      out += "[" + list->at(0) + "]";
    if (const auto* bytes = std::get_if<std::vector<uint8_t>>(&value)) {
      for (uint8_t byte : *bytes) out += std::to_string(byte) + ".";
    }
    out += " ";
  }
  return out;
}

TEST_CASE("limits as unit properties of v1 and v2") {
  CgroupValues values{1024, 25000, 100000, 1 << 20, 0, "0-2,9", {{"2MB", 0}}};
  CHECK(Shown(ResourceProperties(values, true, 252)) ==
        "MemoryMax=1048576 CPUWeight=39 CPUQuotaPeriodUSec=100000 CPUQuotaPerSecUSec=250000 "
        "TasksMax=1 AllowedCPUs=7.2. ");
  CHECK(Shown(ResourceProperties(values, false, 241)) ==
        "MemoryLimit=1048576 CPUShares=1024 CPUQuotaPerSecUSec=250000 TasksMax=1 ");
  values = {};
  values.cpu_quota_us = values.memory_bytes = values.pids = -1;
  CHECK(Shown(ResourceProperties(values, true, 252)) ==
        "MemoryMax=inf CPUQuotaPerSecUSec=inf TasksMax=inf ");
  CHECK(ResourceProperties({}, true, 252).empty());
}

TEST_CASE("systemd takes whole percents of a CPU: the quota is rounded up with it") {
  CgroupValues values;
  values.cpu_quota_us = 12345;
  values.cpu_period_us = 100000;
  CHECK(RoundedForSystemd(values).cpu_quota_us == 13000);
  CHECK(Shown(ResourceProperties(values, true, 0)) == "CPUQuotaPerSecUSec=130000 ");
  values.cpu_quota_us = 13000;
  CHECK(RoundedForSystemd(values) == values);
  values.cpu_quota_us = -1;
  CHECK(RoundedForSystemd(values) == values);
}

TEST_CASE("a new slice wants its parent and accounts for everything") {
  CHECK(Shown(SliceProperties(kPod, {}, true, 252)) ==
        "Description=kubelet cgroup /kubepods/burstable/pod12-ab Wants=[kubepods-burstable.slice] "
        "MemoryAccounting=true CPUAccounting=true TasksAccounting=true IOAccounting=true "
        "DefaultDependencies=false ");
  CHECK(Shown(SliceProperties({"kubepods"}, {}, false, 252)).find("Wants=[-.slice]") !=
        std::string::npos);
  CHECK(Shown(SliceProperties({"kubepods"}, {}, false, 252)).find("BlockIOAccounting=true") !=
        std::string::npos);
}

}  // namespace
}  // namespace kubelet::os
