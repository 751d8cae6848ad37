// Start, state and metrics of the CPU manager; what is given to whom is in cpu_allocate.cc.
#include "kubelet/resource/cpu_manager.h"

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "resource/cpu_layout.h"
#include "resource/cpu_state.h"
#include "resource/state_text.h"

namespace kubelet::resource {
namespace {

constexpr char kNone[] = "none", kStatic[] = "static";

absl::Status Unusable(const std::string& why) { return absl::FailedPreconditionError(why); }

}  // namespace

absl::StatusOr<std::unique_ptr<CpuManager>> CpuManager::Create(CpuManagerOptions options,
                                                               const os::CpuTopology& topology,
                                                               Deps deps) {
  std::unique_ptr<CpuManager> manager(
      new CpuManager(std::move(options), topology, std::move(deps)));
  RETURN_IF_ERROR(manager->Start());
  return manager;
}

CpuManager::CpuManager(CpuManagerOptions options, const os::CpuTopology& topology, Deps deps)
    : options_(std::move(options)),
      deps_(std::move(deps)),
      layout_(std::make_unique<CpuLayout>(topology)),
      state_(std::make_unique<CpuState>()) {
  if (deps_.metrics == nullptr) return;
  auto& metrics = *deps_.metrics;
  requests_ = &metrics.AddCounter("kubelet_cpu_manager_pinning_requests_total",
                                  "The number of cpu core allocations which required pinning.");
  errors_ =
      &metrics.AddCounter("kubelet_cpu_manager_pinning_errors_total",
                          "The number of cpu core allocations which required pinning failed.");
  pool_size_ = &metrics.AddGauge("kubelet_cpu_manager_shared_pool_size_millicores",
                                 "The size of the shared CPU pool for non-guaranteed QoS pods, in "
                                 "millicores.");
  given_ = &metrics.AddGauge("kubelet_cpu_manager_exclusive_cpu_allocation_count",
                             "The total number of CPUs exclusively allocated to containers running "
                             "on this node");
  per_numa_ = &metrics.AddGauge("kubelet_cpu_manager_allocation_per_numa",
                                "Number of CPUs allocated per NUMA node", {"numa_node"});
  for (auto* family : {requests_, errors_}) family->Only();
  for (auto* family : {pool_size_, given_}) family->Only();
}

CpuManager::~CpuManager() = default;

absl::Status CpuManager::Start() {
  if (options_.static_policy) RETURN_IF_ERROR(Reserve());
  auto restored = Restore();
  if (!restored.ok()) {
    return Unusable("could not restore state from checkpoint: " + base::Message(restored) +
                    ", please drain this node and delete the CPU manager checkpoint file \"" +
                    deps_.path + "\" before restarting Kubelet");
  }
  if (!options_.static_policy) {
    Save();
    return absl::OkStatus();
  }
  if (state_->shared.empty() && state_->exclusive.empty()) {
    state_->shared = options_.strict_reservation ? layout_->all() - reserved_ : layout_->all();
  }
  if (auto status = CheckState(); !status.ok()) {
    return Unusable("CPU manager: " + base::Message(status) +
                    ", please drain this node and delete \"" + deps_.path + "\"");
  }
  LOG_INFO("CPU manager hands out CPUs", "reserved", reserved_.ToString(), "shared",
           state_->shared.ToString());
  if (deps_.alignment != nullptr) {
    for (bool aligned : {true, false})
      deps_.alignment->Show(aligned, "container", kPhysicalCpuBoundary);
    deps_.alignment->Show(true, "container", kUncoreBoundary);
  }
  UpdateGauges();
  Save();
  return absl::OkStatus();
}

absl::Status CpuManager::Reserve() {
  if (options_.reserved_milli <= 0) {
    return Unusable(
        "cpuManagerPolicy: the static policy requires systemReserved.cpu + kubeReserved.cpu, or "
        "reservedSystemCPUs, to be greater than zero");
  }
  if (options_.align_by_socket) {
    if (options_.single_numa_node) {
      return Unusable(
          "cpuManagerPolicyOptions: align-by-socket is incompatible with topologyManagerPolicy "
          "single-numa-node");
    }
    if (layout_->Count(CpuLevel::kSocket) > layout_->Count(CpuLevel::kNuma)) {
      return Unusable(
          "cpuManagerPolicyOptions: align-by-socket is not compatible with hardware where the "
          "number of sockets is greater than the number of NUMA nodes");
    }
  }
  int count = static_cast<int>((options_.reserved_milli + 999) / 1000);
  reserved_ = options_.reserved;
  if (reserved_.empty()) {
    if (auto taken = Take(layout_->all(), count); taken.ok()) reserved_ = *std::move(taken);
  }
  if (reserved_.size() != count || !(reserved_ - layout_->all()).empty()) {
    return Unusable("cpuManagerPolicy: unable to reserve the required amount of CPUs: " +
                    std::to_string(count) + " of \"" + layout_->all().ToString() + "\", got \"" +
                    reserved_.ToString() + "\"");
  }
  return absl::OkStatus();
}

absl::Status CpuManager::Restore() {
  if (!deps_.saved) return absl::OkStatus();
  ASSIGN_OR_RETURN(CpuStateFile file, DecodeCpuState(*deps_.saved));
  deps_.saved.reset();
  RETURN_IF_ERROR(CheckPolicy(file.policy, options_.static_policy ? kStatic : kNone));
  *state_ = std::move(file.state);
  return absl::OkStatus();
}

absl::Status CpuManager::CheckState() const {
  const CpuSet& shared = state_->shared;
  if (shared.empty()) return Unusable("default cpuset cannot be empty");
  if (options_.strict_reservation && !(reserved_ & shared).empty()) {
    return Unusable("some of strictly reserved cpus: \"" + (reserved_ & shared).ToString() +
                    "\" are present in defaultCpuSet: \"" + shared.ToString() + "\"");
  }
  if (!options_.strict_reservation && !(reserved_ - shared).empty()) {
    return Unusable("not all reserved cpus: \"" + reserved_.ToString() +
                    "\" are present in defaultCpuSet: \"" + shared.ToString() + "\"");
  }
  for (const auto& [uid, containers] : state_->exclusive) {
    for (const auto& [name, cpus] : containers) {
      if ((cpus & shared).empty()) continue;
      return Unusable("pod: " + uid + ", container: " + name + " cpuset: \"" + cpus.ToString() +
                      "\" overlaps with default cpuset \"" + shared.ToString() + "\"");
    }
  }
  CpuSet known = shared | AllExclusive();
  CpuSet expected = options_.strict_reservation ? layout_->all() - reserved_ : layout_->all();
  if (known == expected) return absl::OkStatus();
  return Unusable("current set of available CPUs \"" + expected.ToString() +
                  "\" doesn't match with CPUs in state \"" + known.ToString() + "\"");
}

void CpuManager::Save() {
  if (deps_.save) deps_.save(EncodeCpuState(options_.static_policy ? kStatic : kNone, *state_));
}

const CpuSet* CpuManager::Find(const std::string& uid, const std::string& container) const {
  auto pod = state_->exclusive.find(uid);
  if (pod == state_->exclusive.end()) return nullptr;
  auto cpus = pod->second.find(container);
  return cpus == pod->second.end() ? nullptr : &cpus->second;
}

CpuSet CpuManager::CpusOf(const std::string& uid, const std::string& container) const {
  if (!options_.static_policy) return {};
  const CpuSet* own = Find(uid, container);
  return own == nullptr ? state_->shared : *own;
}

CpuSet CpuManager::ExclusiveCpus(const std::string& uid, const std::string& container) const {
  const CpuSet* own = options_.static_policy ? Find(uid, container) : nullptr;
  return own == nullptr ? CpuSet() : *own;
}

bool CpuManager::HasExclusiveCpus(const std::string& uid) const {
  return options_.static_policy && state_->exclusive.contains(uid);
}

const CpuSet& CpuManager::shared() const { return state_->shared; }

CpuSet CpuManager::Allocatable() const {
  return options_.static_policy ? layout_->all() - reserved_ : CpuSet();
}

std::set<std::string> CpuManager::Pods() const {
  std::set<std::string> uids;
  for (const auto& [uid, containers] : state_->exclusive) uids.insert(uid);
  return uids;
}

CpuSet CpuManager::AllExclusive() const {
  CpuSet all;
  for (const auto& [uid, containers] : state_->exclusive) {
    for (const auto& [name, cpus] : containers) all = all | cpus;
  }
  return all;
}

void CpuManager::UpdateGauges() {
  if (pool_size_ == nullptr) return;
  CpuSet given = AllExclusive();
  pool_size_->Only().Set((state_->shared - reserved_).size() * 1000);
  given_->Only().Set(given.size());
  for (int node : layout_->Ids(CpuLevel::kNuma, layout_->all())) {
    per_numa_->With({std::to_string(node)}).Set(layout_->In(CpuLevel::kNuma, node, given).size());
  }
}

}  // namespace kubelet::resource
