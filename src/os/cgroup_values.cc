#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "kubelet/os/cgroup.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

constexpr uint64_t kMaxShares = 262144;
constexpr uint64_t kMaxWeight = 10000;
constexpr uint64_t kDefaultPeriodUs = 100000;
// Above this the kernel counts pages as unlimited, and libcontainer's "unbounded" for huge pages is
// 2^62.
constexpr int64_t kUnlimited = int64_t{1} << 62;

std::string OrMax(int64_t value) { return value < 0 ? "max" : std::to_string(value); }

// max and -1 are no limit; nothing when it is not a number.
std::optional<int64_t> Limit(const std::string& text) {
  if (text == "max") return kUnlimited;
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return kUnlimited;
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value < 0 ? kUnlimited : std::min(value, kUnlimited);
}

bool IsByteLimit(const std::string& file) {
  return file.rfind("memory.", 0) == 0 || file.rfind("hugetlb.", 0) == 0;
}

void AddCpu(const CgroupValues& values, bool v2, std::vector<CgroupSetting>& out) {
  if (values.cpu_shares) {
    if (v2) {
      out.push_back({"cpu", "cpu.weight", std::to_string(KubeletCpuWeight(*values.cpu_shares))});
    } else {
      out.push_back({"cpu", "cpu.shares", std::to_string(*values.cpu_shares)});
    }
  }
  if (v2) {
    if (!values.cpu_quota_us && !values.cpu_period_us) return;
    int64_t quota = values.cpu_quota_us.value_or(-1);
    uint64_t period = values.cpu_period_us.value_or(kDefaultPeriodUs);
    out.push_back({"cpu", "cpu.max",
                   (quota > 0 ? std::to_string(quota) : "max") + " " + std::to_string(period)});
    return;
  }
  if (values.cpu_period_us)
    out.push_back({"cpu", "cpu.cfs_period_us", std::to_string(*values.cpu_period_us)});
  if (values.cpu_quota_us)
    out.push_back({"cpu", "cpu.cfs_quota_us", std::to_string(*values.cpu_quota_us)});
}

}  // namespace

uint64_t KubeletCpuWeight(uint64_t shares) {
  if (shares == 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= kMaxShares) return kMaxWeight;
  return 1 + (shares - 2) * (kMaxWeight - 1) / (kMaxShares - 2);
}

uint64_t RuntimeCpuWeight(uint64_t shares) {
  if (shares == 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= kMaxShares) return kMaxWeight;
  double log = std::log2(static_cast<double>(shares));
  double exponent = (log * log + 125 * log) / 612.0 - 7.0 / 34.0;
  return static_cast<uint64_t>(std::ceil(std::pow(10, exponent)));
}

uint64_t SharesOfKubeletCpuWeight(uint64_t weight) {
  if (weight == 0) return 0;
  return (weight - 1) * (kMaxShares - 2) / (kMaxWeight - 1) + 2;
}

std::string HugetlbSizeName(int64_t bytes) {
  const char* units[] = {"B", "KB", "MB", "GB"};
  size_t unit = 0;
  while (unit < 3 && bytes >= 1024 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + units[unit];
}

std::vector<CgroupSetting> CgroupSettings(const CgroupValues& values, bool v2) {
  std::vector<CgroupSetting> out;
  AddCpu(values, v2, out);
  if (values.memory_bytes) {
    if (v2) {
      out.push_back({"memory", "memory.max", OrMax(*values.memory_bytes)});
    } else {
      out.push_back({"memory", "memory.limit_in_bytes",
                     std::to_string(std::max<int64_t>(*values.memory_bytes, -1))});
    }
  }
  if (values.pids) out.push_back({"pids", "pids.max", OrMax(*values.pids)});
  if (values.cpuset_cpus) out.push_back({"cpuset", "cpuset.cpus", *values.cpuset_cpus});
  for (const auto& [size, bytes] : values.hugetlb_bytes) {
    std::string file = "hugetlb." + size + (v2 ? ".max" : ".limit_in_bytes");
    // v1 takes no word for "unlimited" here; both take a number that is too large.
    out.push_back({"hugetlb", file, std::to_string(bytes < 0 ? kUnlimited : bytes)});
  }
  return out;
}

bool IsSameSetting(const std::string& file, const std::string& current, const std::string& wanted) {
  if (current == wanted) return true;
  auto a = Limit(current), b = Limit(wanted);
  if (!a || !b) return false;
  if (!IsByteLimit(file)) return *a == *b;
  int64_t page = sysconf(_SC_PAGESIZE);
  // v1 shows "unlimited" as the largest whole number of pages.
  bool unlimited_a = *a >= kUnlimited, unlimited_b = *b >= kUnlimited;
  return unlimited_a == unlimited_b && (unlimited_a || *a / page == *b / page);
}

}  // namespace kubelet::os
