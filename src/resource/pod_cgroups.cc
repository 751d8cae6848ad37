#include "kubelet/resource/pod_cgroups.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <mutex>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::resource {
namespace {

using api::QosClass;
using base::Task;

constexpr char kKind[] = "cgroup";
constexpr auto kTimeout =
    std::chrono::seconds(60);  // above the 30 s that a job of systemd may take
constexpr QosClass kClasses[] = {QosClass::kGuaranteed, QosClass::kBurstable,
                                 QosClass::kBestEffort};

// -1: no limit. v1 shows that as a number beyond all memory.
int64_t ParseLimit(const std::string& text) {
  int64_t value = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr int64_t kBeyond = int64_t{1} << 62;
  return error != std::errc() || value >= kBeyond ? -1 : value;
}

// Many shares have one weight; the wanted ones are meant when they have this.
void ReadV2(const std::string& weight, const std::string& max, const os::CgroupValues& wanted,
            os::CgroupValues& values) {
  auto w = static_cast<uint64_t>(std::max<int64_t>(ParseLimit(weight), 0));
  bool as_wanted = wanted.cpu_shares && os::KubeletCpuWeight(*wanted.cpu_shares) == w;
  values.cpu_shares = as_wanted ? *wanted.cpu_shares : os::SharesOfKubeletCpuWeight(w);
  values.cpu_quota_us = ParseLimit(max.substr(0, max.find(' ')));
  if (auto space = max.find(' '); space != std::string::npos) {
    values.cpu_period_us =
        static_cast<uint64_t>(std::max<int64_t>(ParseLimit(max.substr(space + 1)), 0));
  }
}

}  // namespace

// What runs on pool threads; several at once.
struct PodCgroups::State {
  std::shared_ptr<os::CgroupDriver> driver;
  std::shared_ptr<const os::CgroupHierarchy> hierarchy;
  PodCgroupOptions options;
  std::mutex mutex;
  std::set<std::string> told;  // files of lost limits that were logged
  bool root_complete = true;   // every limit of kubepods took

  // True when there was nothing to report.
  bool Report(const std::string& group, const os::LostLimits& lost) {
    std::lock_guard lock(mutex);
    for (const auto& limit : lost) {
      if (!told.insert(limit.file).second) continue;
      LOG_WARNING("A cgroup limit cannot be set here; going on without, and saying so only once",
                  "file", limit.file, "cgroup", group, "err", limit.status);
    }
    return lost.empty();
  }

  os::CgroupValues RootValues() const {
    auto values = ComputeRootCgroup(options);
    if (hierarchy->v2() && !options.online_cpus.empty()) values.cpuset_cpus = options.online_cpus;
    return values;
  }

  absl::Status Make(const os::CgroupName& name, const os::CgroupValues& values,
                    bool is_root = false) {
    auto lost = driver->Create(name, values);
    std::string path = driver->Path(name);
    if (!lost.ok()) return base::Annotate(lost.status(), "cgroup " + path);
    bool complete = Report(path, *lost);
    if (is_root) SetRootComplete(complete);
    return absl::OkStatus();
  }

  void SetRootComplete(bool complete) {
    std::lock_guard lock(mutex);
    root_complete = complete;
  }

  bool RootComplete() {
    std::lock_guard lock(mutex);
    return root_complete;
  }

  absl::Status Enforce(const std::string& group, const NodeAmounts& reserved,
                       Enforcement enforcement, const char* field) {
    if (enforcement == Enforcement::kNone) return absl::OkStatus();
    auto lost =
        driver->Update(driver->Parse(group), ComputeReservedCgroup(reserved, enforcement, options));
    if (!lost.ok()) {
      return absl::FailedPreconditionError(std::string(field) + ": cgroup `" + group +
                                           "` cannot be limited: " + base::Message(lost.status()));
    }
    Report(group, *lost);
    return absl::OkStatus();
  }

  absl::Status EnsureRoot() {
    if (options.pods_per_qos) {
      std::string root = driver->Path(os::ParseCgroupfsPath(options.cgroup_root));
      if (!hierarchy->Exists(root)) {
        return absl::FailedPreconditionError("cgroupRoot: cgroup `" + root + "` does not exist");
      }
      RETURN_IF_ERROR(
          Make(QosCgroupName(options.cgroup_root, QosClass::kGuaranteed), RootValues(), true));
      for (auto qos : {QosClass::kBurstable, QosClass::kBestEffort}) {
        auto name = QosCgroupName(options.cgroup_root, qos);
        // One that is there keeps its share: there may be pods in it.
        std::optional<int64_t> cpu;
        if (!hierarchy->Exists(driver->Path(name))) cpu = 0;
        RETURN_IF_ERROR(Make(name, ComputeQosCgroup(qos, cpu, options)));
      }
    }
    RETURN_IF_ERROR(Enforce(options.system_reserved_cgroup, options.system_reserved,
                            options.enforce_system, "systemReservedCgroup"));
    return Enforce(options.kube_reserved_cgroup, options.kube_reserved, options.enforce_kube,
                   "kubeReservedCgroup");
  }

  // A uid that cannot be told from the group's name would be an orphan in the next moment.
  absl::Status CheckUid(const os::CgroupName& name, const std::string& pod) const {
    if (driver->Parse(driver->Path(name)) == name) return absl::OkStatus();
    return absl::InvalidArgumentError("pod " + pod + ": metadata.uid does not make a cgroup name");
  }

  absl::StatusOr<std::string> EnsurePod(const api::core::Pod& pod, bool no_cpu_quota) {
    if (!options.pods_per_qos) return std::string();
    auto name = PodCgroupName(options.cgroup_root, api::ComputeQos(pod), pod.metadata().uid());
    if (pod.metadata().uid().empty())
      return absl::InvalidArgumentError("pod " + api::PodKey(pod) + ": no uid");
    RETURN_IF_ERROR(CheckUid(name, api::PodKey(pod)));
    auto values = ComputePodCgroup(pod, options, no_cpu_quota);
    // Of a group that is there the limit is a resize's to lower: the kernel would make room by
    // killing.
    if (values.memory_bytes && *values.memory_bytes > 0) {
      auto used = Bytes(driver->Path(name), UsageFile());
      if (used.ok() && *used >= *values.memory_bytes) values.memory_bytes.reset();
    }
    RETURN_IF_ERROR(base::Annotate(Make(name, values), "pod " + api::PodKey(pod)));
    return driver->Path(name);
  }

  const char* UsageFile() const {
    return hierarchy->v2() ? "memory.current" : "memory.usage_in_bytes";
  }
  absl::StatusOr<int64_t> Bytes(const std::string& path, const std::string& file) const {
    ASSIGN_OR_RETURN(std::string text, hierarchy->Read(path, "memory", file));
    return ParseLimit(text);
  }

  os::CgroupName NameOf(const api::core::Pod& pod) const {
    return PodCgroupName(options.cgroup_root, api::ComputeQos(pod), pod.metadata().uid());
  }

  absl::StatusOr<os::CgroupValues> ReadPod(const api::core::Pod& pod) const {
    os::CgroupValues values;
    if (!options.pods_per_qos) return values;
    const std::string path = driver->Path(NameOf(pod));
    auto read = [&](const char* controller, const char* file) {
      return hierarchy->Read(path, controller, file);
    };
    if (hierarchy->v2()) {
      ASSIGN_OR_RETURN(std::string weight, read("cpu", "cpu.weight"));
      ASSIGN_OR_RETURN(std::string max, read("cpu", "cpu.max"));
      ASSIGN_OR_RETURN(std::string memory, read("memory", "memory.max"));
      ReadV2(weight, max, ComputePodCgroup(pod, options), values);
      values.memory_bytes = ParseLimit(memory);
      return values;
    }
    ASSIGN_OR_RETURN(std::string shares, read("cpu", "cpu.shares"));
    ASSIGN_OR_RETURN(std::string memory, read("memory", "memory.limit_in_bytes"));
    values.cpu_shares = static_cast<uint64_t>(std::max<int64_t>(ParseLimit(shares), 0));
    values.memory_bytes = ParseLimit(memory);
    // Absent where the kernel was built without bandwidth control.
    auto quota = read("cpu", "cpu.cfs_quota_us"), period = read("cpu", "cpu.cfs_period_us");
    if (quota.ok()) values.cpu_quota_us = ParseLimit(*quota);
    if (period.ok())
      values.cpu_period_us = static_cast<uint64_t>(std::max<int64_t>(ParseLimit(*period), 0));
    return values;
  }

  absl::Status LimitPod(const api::core::Pod& pod, const os::CgroupValues& values) {
    if (!options.pods_per_qos) return absl::OkStatus();
    auto lost = driver->Update(NameOf(pod), values);
    if (!lost.ok()) return lost.status();
    if (lost->empty()) return absl::OkStatus();
    return absl::UnavailableError(base::Message(lost->front().status));
  }

  absl::StatusOr<std::map<std::string, int64_t>> MemoryInUse(
      const api::core::Pod& pod, const std::vector<std::string>& ids) const {
    if (!options.pods_per_qos)
      return absl::FailedPreconditionError("there are no cgroups per QoS class");
    const std::string path = driver->Path(NameOf(pod));
    std::map<std::string, int64_t> used;
    ASSIGN_OR_RETURN(used[""], Bytes(path, UsageFile()));
    auto children = hierarchy->Children(path);
    for (const auto& id : ids) {
      // <id>, cri-containerd-<id>.scope, crio-<id>.scope
      auto child = std::find_if(children.begin(), children.end(), [&](const auto& name) {
        return name.find(id) != std::string::npos;
      });
      if (child == children.end()) continue;
      auto bytes = Bytes(path + "/" + *child, UsageFile());
      if (bytes.ok()) used[id] = *bytes;
    }
    return used;
  }

  absl::Status RemovePod(const std::string& uid, std::optional<QosClass> qos) {
    if (!options.pods_per_qos) return absl::OkStatus();
    if (uid.empty()) return absl::InvalidArgumentError("no uid");
    absl::Status first;
    for (auto each : kClasses) {
      auto name = PodCgroupName(options.cgroup_root, each, uid);
      if (qos && *qos != each) continue;
      RETURN_IF_ERROR(CheckUid(name, uid));
      // Without a class to go by, a driver is only asked for what is there.
      if (!qos && !IsThere(name)) continue;
      auto status = base::Annotate(driver->Remove(name), "pod " + uid);
      if (first.ok()) first = status;
    }
    return first;
  }

  bool IsThere(const os::CgroupName& name) const {
    os::CgroupName parent(name.begin(), name.end() - 1);
    for (const auto& entry : hierarchy->Children(driver->Path(parent))) {
      if (driver->ChildComponent(parent, entry) == name.back()) return true;
    }
    return false;
  }

  std::set<std::string> ListPods() const {
    std::set<std::string> uids;
    if (!options.pods_per_qos) return uids;
    for (auto qos : kClasses) {
      auto parent = QosCgroupName(options.cgroup_root, qos);
      for (const auto& entry : hierarchy->Children(driver->Path(parent))) {
        auto child = driver->ChildComponent(parent, entry);
        if (child && child->size() > 3 && child->rfind("pod", 0) == 0)
          uids.insert(child->substr(3));
      }
    }
    return uids;
  }

  // Its CPU shares, or weight, are that many or more; false when they cannot be read.
  bool HasShares(const os::CgroupName& name, uint64_t shares) const {
    auto text =
        hierarchy->Read(driver->Path(name), "cpu", hierarchy->v2() ? "cpu.weight" : "cpu.shares");
    if (!text.ok()) return false;
    uint64_t wanted = hierarchy->v2() ? os::KubeletCpuWeight(shares) : shares;
    return ParseLimit(*text) >= static_cast<int64_t>(wanted);
  }

  absl::Status UpdateQos(int64_t burstable_cpu_milli, bool of_all_pods) {
    if (!options.pods_per_qos) return absl::OkStatus();
    if (!RootComplete()) {
      RETURN_IF_ERROR(
          Make(QosCgroupName(options.cgroup_root, QosClass::kGuaranteed), RootValues(), true));
    }
    for (auto qos : {QosClass::kBurstable, QosClass::kBestEffort}) {
      auto name = QosCgroupName(options.cgroup_root, qos);
      auto values = ComputeQosCgroup(qos, burstable_cpu_milli, options);
      if (!of_all_pods && values.cpu_shares && HasShares(name, *values.cpu_shares))
        values.cpu_shares.reset();
      RETURN_IF_ERROR(Make(name, values));
    }
    return absl::OkStatus();
  }
};

PodCgroups::PodCgroups(base::BlockingPool& pool, std::shared_ptr<os::CgroupDriver> driver,
                       std::shared_ptr<const os::CgroupHierarchy> hierarchy,
                       PodCgroupOptions options)
    : pool_(pool), state_(std::make_shared<State>()) {
  state_->driver = std::move(driver);
  state_->hierarchy = std::move(hierarchy);
  state_->options = std::move(options);
}

PodCgroups::~PodCgroups() = default;

std::string PodCgroups::RootPath() const {
  const auto& options = state_->options;
  if (!options.pods_per_qos) return "";
  return state_->driver->Path(QosCgroupName(options.cgroup_root, QosClass::kGuaranteed));
}

Task<absl::Status> PodCgroups::EnsureRoot() {
  std::string kind = kKind;
  std::function<absl::Status()> work = [state = state_] { return state->EnsureRoot(); };
  co_return co_await pool_.RunStatus(std::move(kind), kTimeout, std::move(work));
}

Task<absl::StatusOr<std::string>> PodCgroups::EnsurePod(api::PodPtr pod, bool no_cpu_quota) {
  std::string kind = kKind;
  std::function<absl::StatusOr<std::string>()> work = [state = state_, pod, no_cpu_quota] {
    return state->EnsurePod(*pod, no_cpu_quota);
  };
  co_return co_await pool_.Run<std::string>(std::move(kind), kTimeout, std::move(work));
}

Task<absl::StatusOr<os::CgroupValues>> PodCgroups::ReadPod(api::PodPtr pod) {
  std::string kind = kKind;
  std::function<absl::StatusOr<os::CgroupValues>()> work = [state = state_, pod] {
    return state->ReadPod(*pod);
  };
  co_return co_await pool_.Run<os::CgroupValues>(std::move(kind), kTimeout, std::move(work));
}

Task<absl::Status> PodCgroups::LimitPod(api::PodPtr pod, os::CgroupValues values) {
  std::string kind = kKind;
  std::function<absl::Status()> work = [state = state_, pod, values] {
    return state->LimitPod(*pod, values);
  };
  co_return co_await pool_.RunStatus(std::move(kind), kTimeout, std::move(work));
}

Task<absl::StatusOr<std::map<std::string, int64_t>>> PodCgroups::MemoryInUse(
    api::PodPtr pod, std::vector<std::string> ids) {
  std::string kind = kKind;
  std::function<absl::StatusOr<std::map<std::string, int64_t>>()> work =
      [state = state_, pod, ids] { return state->MemoryInUse(*pod, ids); };
  co_return co_await pool_.Run<std::map<std::string, int64_t>>(std::move(kind), kTimeout,
                                                               std::move(work));
}

os::CgroupValues PodCgroups::Wanted(const api::core::Pod& pod, bool no_cpu_quota) const {
  if (!state_->options.pods_per_qos) return {};
  return ComputePodCgroup(pod, state_->options, no_cpu_quota);
}

Task<absl::Status> PodCgroups::RemovePod(std::string uid, std::optional<QosClass> qos) {
  std::string kind = kKind;
  std::function<absl::Status()> work = [state = state_, uid, qos] {
    return state->RemovePod(uid, qos);
  };
  co_return co_await pool_.RunStatus(std::move(kind), kTimeout, std::move(work));
}

Task<absl::StatusOr<std::set<std::string>>> PodCgroups::ListPods() {
  std::string kind = kKind;
  std::function<absl::StatusOr<std::set<std::string>>()> work = [state = state_] {
    return state->ListPods();
  };
  co_return co_await pool_.Run<std::set<std::string>>(std::move(kind), kTimeout, std::move(work));
}

Task<absl::Status> PodCgroups::UpdateQos(int64_t burstable_cpu_milli, bool of_all_pods) {
  std::string kind = kKind;
  std::function<absl::Status()> work = [state = state_, burstable_cpu_milli, of_all_pods] {
    return state->UpdateQos(burstable_cpu_milli, of_all_pods);
  };
  co_return co_await pool_.RunStatus(std::move(kind), kTimeout, std::move(work));
}

}  // namespace kubelet::resource
