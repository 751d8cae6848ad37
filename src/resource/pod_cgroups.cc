#include "kubelet/resource/pod_cgroups.h"

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
        RETURN_IF_ERROR(Make(QosCgroupName(options.cgroup_root, qos),
                             ComputeQosCgroup(qos, std::nullopt, options)));
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

  absl::StatusOr<std::string> EnsurePod(const api::core::Pod& pod) {
    if (!options.pods_per_qos) return std::string();
    auto name = PodCgroupName(options.cgroup_root, api::ComputeQos(pod), pod.metadata().uid());
    if (pod.metadata().uid().empty())
      return absl::InvalidArgumentError("pod " + api::PodKey(pod) + ": no uid");
    RETURN_IF_ERROR(CheckUid(name, api::PodKey(pod)));
    RETURN_IF_ERROR(
        base::Annotate(Make(name, ComputePodCgroup(pod, options)), "pod " + api::PodKey(pod)));
    return driver->Path(name);
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

  absl::Status UpdateQos(int64_t burstable_cpu_milli) {
    if (!options.pods_per_qos) return absl::OkStatus();
    if (!RootComplete()) {
      RETURN_IF_ERROR(
          Make(QosCgroupName(options.cgroup_root, QosClass::kGuaranteed), RootValues(), true));
    }
    for (auto qos : {QosClass::kBurstable, QosClass::kBestEffort}) {
      RETURN_IF_ERROR(Make(QosCgroupName(options.cgroup_root, qos),
                           ComputeQosCgroup(qos, burstable_cpu_milli, options)));
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

Task<absl::StatusOr<std::string>> PodCgroups::EnsurePod(api::PodPtr pod) {
  std::string kind = kKind;
  std::function<absl::StatusOr<std::string>()> work = [state = state_, pod] {
    return state->EnsurePod(*pod);
  };
  co_return co_await pool_.Run<std::string>(std::move(kind), kTimeout, std::move(work));
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

Task<absl::Status> PodCgroups::UpdateQos(int64_t burstable_cpu_milli) {
  std::string kind = kKind;
  std::function<absl::Status()> work = [state = state_, burstable_cpu_milli] {
    return state->UpdateQos(burstable_cpu_milli);
  };
  co_return co_await pool_.RunStatus(std::move(kind), kTimeout, std::move(work));
}

}  // namespace kubelet::resource
