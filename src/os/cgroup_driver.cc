#include "kubelet/os/cgroup_driver.h"

#include <algorithm>
#include <limits>

#include "kubelet/base/status.h"

namespace kubelet::os {
namespace {

constexpr uint64_t kInfinity = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kDefaultPeriodUs = 100000;
constexpr uint64_t kPercentUs = 10000;  // of a second

std::vector<std::string> Split(const std::string& text, char at) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start <= text.size()) {
    size_t end = std::min(text.find(at, start), text.size());
    if (end > start) parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

std::string Replace(std::string text, char from, char to) {
  std::replace(text.begin(), text.end(), from, to);
  return text;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

uint64_t QuotaPerSecond(int64_t quota_us, uint64_t period_us) {
  if (quota_us <= 0) return kInfinity;
  auto per_second =
      static_cast<uint64_t>(static_cast<unsigned __int128>(quota_us) * 1000000 / period_us);
  return (per_second + kPercentUs - 1) / kPercentUs * kPercentUs;
}

uint64_t PeriodOf(const CgroupValues& values) {
  uint64_t period = values.cpu_period_us.value_or(kDefaultPeriodUs);
  return period == 0 ? kDefaultPeriodUs : period;
}

// `0-2,5` as systemd takes it: one bit a CPU, lowest byte first. Empty for text that is not a list.
std::vector<uint8_t> CpuBits(const std::string& list) {
  std::vector<uint8_t> bits;
  for (const auto& range : Split(list, ',')) {
    unsigned first = 0, last = 0;
    int fields = std::sscanf(range.c_str(), "%u-%u", &first, &last);
    if (fields == 1) last = first;
    if (fields < 1 || first > last || last > 65535) return {};
    for (unsigned cpu = first; cpu <= last; ++cpu) {
      if (bits.size() <= cpu / 8) bits.resize(cpu / 8 + 1);
      bits[cpu / 8] |= static_cast<uint8_t>(1u << (cpu % 8));
    }
  }
  return bits;
}

class CgroupfsDriver : public CgroupDriver {
 public:
  explicit CgroupfsDriver(std::shared_ptr<const CgroupHierarchy> hierarchy)
      : hierarchy_(std::move(hierarchy)) {}
  std::string Path(const CgroupName& name) const override { return CgroupfsPath(name); }
  std::optional<std::string> ChildComponent(const CgroupName&,
                                            const std::string& entry) const override {
    return entry;
  }
  CgroupName Parse(const std::string& path) const override { return ParseCgroupfsPath(path); }
  absl::StatusOr<LostLimits> Create(const CgroupName& name, const CgroupValues& values) override {
    return hierarchy_->Create(Path(name), values);
  }
  absl::StatusOr<LostLimits> Update(const CgroupName& name, const CgroupValues& values) override {
    return hierarchy_->Apply(Path(name), values);
  }
  absl::Status Remove(const CgroupName& name) override { return hierarchy_->Remove(Path(name)); }

 private:
  std::shared_ptr<const CgroupHierarchy> hierarchy_;
};

class SystemdDriver : public CgroupDriver {
 public:
  SystemdDriver(std::shared_ptr<const CgroupHierarchy> hierarchy,
                std::unique_ptr<UnitManager> manager)
      : hierarchy_(std::move(hierarchy)), manager_(std::move(manager)) {}

  std::string Path(const CgroupName& name) const override { return SlicePath(name); }

  std::optional<std::string> ChildComponent(const CgroupName& parent,
                                            const std::string& entry) const override {
    CgroupName name = ParseSlicePath(entry);
    if (!EndsWith(entry, ".slice") || name.size() != parent.size() + 1) return std::nullopt;
    if (!std::equal(parent.begin(), parent.end(), name.begin())) return std::nullopt;
    return name.back();
  }

  CgroupName Parse(const std::string& path) const override { return ParseSlicePath(path); }

  // systemd makes the directories of the controllers that it manages; the rest (cpuset and hugetlb
  // on v1) and the values it does not know are ours.
  absl::StatusOr<LostLimits> Create(const CgroupName& name, const CgroupValues& wanted) override {
    CgroupValues values = RoundedForSystemd(wanted);
    bool v2 = hierarchy_->v2();
    auto status = manager_->StartTransient(SliceUnit(name),
                                           SliceProperties(name, values, v2, manager_->version()));
    if (absl::IsAlreadyExists(status)) status = SetLimits(name, values);
    if (!status.ok()) return status;
    return hierarchy_->Create(Path(name), values);
  }

  absl::StatusOr<LostLimits> Update(const CgroupName& name, const CgroupValues& wanted) override {
    CgroupValues values = RoundedForSystemd(wanted);
    RETURN_IF_ERROR(SetLimits(name, values));
    return hierarchy_->Apply(Path(name), values);
  }

  absl::Status Remove(const CgroupName& name) override {
    auto stopped = manager_->Stop(SliceUnit(name));
    // What systemd left, or does not know, goes also when it refused.
    auto removed = hierarchy_->Remove(Path(name));
    return removed.ok() ? stopped : removed;
  }

 private:
  absl::Status SetLimits(const CgroupName& name, const CgroupValues& values) {
    auto properties = ResourceProperties(values, hierarchy_->v2(), manager_->version());
    return properties.empty() ? absl::OkStatus()
                              : manager_->SetProperties(SliceUnit(name), properties);
  }

  std::shared_ptr<const CgroupHierarchy> hierarchy_;
  std::unique_ptr<UnitManager> manager_;
};

}  // namespace

std::string CgroupfsPath(const CgroupName& name) {
  std::string path;
  for (const auto& part : name) path += "/" + part;
  return path.empty() ? "/" : path;
}

CgroupName ParseCgroupfsPath(const std::string& path) { return Split(path, '/'); }

std::string SliceUnit(const CgroupName& name) {
  std::string unit;
  for (const auto& part : name) unit += (unit.empty() ? "" : "-") + Replace(part, '-', '_');
  return (unit.empty() ? "-" : unit) + ".slice";
}

std::string SlicePath(const CgroupName& name) {
  std::string path;
  for (size_t i = 1; i <= name.size(); ++i) {
    path += "/" + SliceUnit(CgroupName(name.begin(), name.begin() + static_cast<ptrdiff_t>(i)));
  }
  return path.empty() ? "/" : path;
}

CgroupName ParseSlicePath(const std::string& path) {
  std::string unit = path.substr(path.rfind('/') + 1);
  if (EndsWith(unit, ".slice")) unit.resize(unit.size() - 6);
  CgroupName name = Split(unit, '-');
  for (auto& part : name) part = Replace(part, '_', '-');
  return name;
}

CgroupValues RoundedForSystemd(CgroupValues values) {
  if (values.cpu_quota_us && *values.cpu_quota_us > 0) {
    uint64_t period = PeriodOf(values);
    uint64_t per_second = QuotaPerSecond(*values.cpu_quota_us, period);
    values.cpu_quota_us =
        static_cast<int64_t>(static_cast<unsigned __int128>(per_second) * period / 1000000);
  }
  return values;
}

UnitProperties ResourceProperties(const CgroupValues& values, bool v2, int systemd_version) {
  UnitProperties out;
  if (values.memory_bytes) {
    // 0 would let nothing start; it means "not given" here as upstream.
    uint64_t limit =
        *values.memory_bytes < 0 ? kInfinity : static_cast<uint64_t>(*values.memory_bytes);
    if (limit != 0) out.emplace_back(v2 ? "MemoryMax" : "MemoryLimit", limit);
  }
  if (values.cpu_shares && *values.cpu_shares != 0) {
    out.emplace_back(v2 ? "CPUWeight" : "CPUShares",
                     v2 ? KubeletCpuWeight(*values.cpu_shares) : *values.cpu_shares);
  }
  if (values.cpu_period_us && systemd_version >= 242)
    out.emplace_back("CPUQuotaPeriodUSec", *values.cpu_period_us);
  if (values.cpu_quota_us || values.cpu_period_us) {
    out.emplace_back("CPUQuotaPerSecUSec",
                     QuotaPerSecond(values.cpu_quota_us.value_or(-1), PeriodOf(values)));
  }
  if (values.pids) {
    // systemd refuses TasksMax=0.
    uint64_t tasks =
        *values.pids < 0 ? kInfinity : std::max<uint64_t>(static_cast<uint64_t>(*values.pids), 1);
    out.emplace_back("TasksMax", tasks);
  }
  if (values.cpuset_cpus && systemd_version >= 244) {
    if (auto bits = CpuBits(*values.cpuset_cpus); !bits.empty())
      out.emplace_back("AllowedCPUs", std::move(bits));
  }
  return out;
}

UnitProperties SliceProperties(const CgroupName& name, const CgroupValues& values, bool v2,
                               int systemd_version) {
  std::string parent =
      name.empty() ? "-.slice" : SliceUnit(CgroupName(name.begin(), name.end() - 1));
  UnitProperties out;
  out.emplace_back("Description", "kubelet cgroup " + CgroupfsPath(name));
  out.emplace_back("Wants", std::vector<std::string>{parent});
  for (const char* accounting : {"MemoryAccounting", "CPUAccounting", "TasksAccounting"}) {
    out.emplace_back(accounting, true);
  }
  out.emplace_back(v2 ? "IOAccounting" : "BlockIOAccounting", true);
  out.emplace_back("DefaultDependencies", false);
  for (auto& property : ResourceProperties(values, v2, systemd_version))
    out.push_back(std::move(property));
  return out;
}

std::unique_ptr<CgroupDriver> MakeCgroupfsDriver(std::shared_ptr<const CgroupHierarchy> hierarchy) {
  return std::make_unique<CgroupfsDriver>(std::move(hierarchy));
}

std::unique_ptr<CgroupDriver> MakeSystemdDriver(std::shared_ptr<const CgroupHierarchy> hierarchy,
                                                std::unique_ptr<UnitManager> manager) {
  return std::make_unique<SystemdDriver>(std::move(hierarchy), std::move(manager));
}

}  // namespace kubelet::os
