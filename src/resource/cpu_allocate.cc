// Who gets which CPUs, and where they could come from: a part of CpuManager.
#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/resource/cpu_manager.h"
#include "resource/cpu_state.h"
#include "resource/cpu_take.h"

namespace kubelet::resource {

using api::core::Container;
using api::core::Pod;

namespace {

constexpr char kCpu[] = "cpu";
constexpr char kSmtError[] = "SMTAlignmentError";

bool IsRegularInit(const Pod& pod, const Container& container) {
  for (const auto& init : pod.spec().init_containers()) {
    if (init.name() == container.name()) return !api::IsRestartableInit(init);
  }
  return false;
}

// At any time: init containers one after the other, beside the sidecars before them.
int CountOf(const Pod& pod) {
  int sidecars = 0, most = 0, apps = 0;
  for (const auto& init : pod.spec().init_containers()) {
    int count = CpuManager::ExclusiveCpuCount(pod, init);
    if (api::IsRestartableInit(init)) {
      sidecars += count;
    } else {
      most = std::max(most, sidecars + count);
    }
  }
  for (const auto& container : pod.spec().containers())
    apps += CpuManager::ExclusiveCpuCount(pod, container);
  return std::max(most, sidecars + apps);
}

}  // namespace

int CpuManager::ExclusiveCpuCount(const Pod& pod, const Container& container) {
  if (pod.spec().has_resources() || api::ComputeQos(pod) != api::QosClass::kGuaranteed) return 0;
  int64_t milli = api::Request(container, kCpu).MilliValue();
  return milli % 1000 == 0 ? static_cast<int>(milli / 1000) : 0;
}

absl::StatusOr<CpuSet> CpuManager::Take(const CpuSet& available, int count) const {
  TakeOptions options;
  options.spread = options_.distribute_across_cores;
  options.distribute = options_.distribute_across_numa;
  options.uncore = options_.prefer_uncore;
  if (options_.full_pcpus_only) options.group = layout_->CpusPer(CpuLevel::kCore);
  return TakeCpus(*layout_, available, count, options);
}

absl::StatusOr<CpuSet> CpuManager::TakeChecked(const TopologyHint& place, int count,
                                               const CpuSet& reusable) const {
  RETURN_IF_ERROR(CheckCores(count));
  return TakeAt(place, count, reusable);
}

// First of what lies at the place, then of all the rest.
absl::StatusOr<CpuSet> CpuManager::TakeAt(const TopologyHint& place, int count,
                                          const CpuSet& reusable) const {
  CpuSet available = (state_->shared - reserved_) | reusable;
  CpuSet taken;
  if (place.nodes) {
    CpuSet near = layout_->In(*place.nodes, available);
    if (options_.align_by_socket) {
      CpuSet there = layout_->In(*place.nodes, layout_->all());
      for (int socket : layout_->Ids(CpuLevel::kSocket, there))
        near = near | layout_->In(CpuLevel::kSocket, socket, available);
    }
    ASSIGN_OR_RETURN(taken, Take(near, std::min(count, near.size())));
  }
  ASSIGN_OR_RETURN(CpuSet rest, Take(available - taken, count - taken.size()));
  return taken | rest;
}

absl::Status CpuManager::CheckCores(int count) const {
  if (!options_.full_pcpus_only) return absl::OkStatus();
  int per_core = layout_->CpusPer(CpuLevel::kCore);
  if (count % per_core != 0) {
    return TypedRefusal(kSmtError,
                        "SMT Alignment Error: requested " + std::to_string(count) +
                            " cpus not multiple cpus per core = " + std::to_string(per_core));
  }
  // Reserved CPUs may be halves of cores: the other halves cannot be given away.
  int whole = (state_->shared - layout_->WithSiblings(reserved_)).size();
  if (count <= whole) return absl::OkStatus();
  return TypedRefusal(kSmtError,
                      "SMT Alignment Error: not enough free physical CPUs: available physical "
                      "CPUs = " +
                          std::to_string(whole) + ", requested CPUs = " + std::to_string(count) +
                          ", CPUs per core = " + std::to_string(per_core));
}

absl::Status CpuManager::Allocate(const Pod& pod, const Container& container,
                                  const TopologyHint& place) {
  int count = options_.static_policy ? ExclusiveCpuCount(pod, container) : 0;
  if (count == 0) return absl::OkStatus();
  const std::string& uid = pod.metadata().uid();
  if (const CpuSet* own = Find(uid, container.name())) {
    Reuse(pod, container, CpuSet(*own));
    return absl::OkStatus();
  }
  if (requests_ != nullptr) requests_->Only().Add();
  auto taken = TakeChecked(place, count, ReusableOf(uid));
  if (!taken.ok()) {
    if (errors_ != nullptr) errors_->Only().Add();
    if (options_.full_pcpus_only) CountAligned(false, kPhysicalCpuBoundary);
    return taken.status();
  }
  if (options_.full_pcpus_only) CountAligned(true, kPhysicalCpuBoundary);
  if (layout_->Ids(CpuLevel::kUncore, *taken).size() == 1) CountAligned(true, kUncoreBoundary);
  state_->shared = state_->shared - *taken;
  state_->exclusive[uid][container.name()] = *taken;
  Reuse(pod, container, *taken);
  LOG_INFO("Exclusive CPUs", "pod", api::PodKey(pod), "podUID", uid, "container", container.name(),
           "cpus", taken->ToString(), "shared", state_->shared.ToString());
  UpdateGauges();
  Save();
  if (deps_.on_change) deps_.on_change();
  return absl::OkStatus();
}

void CpuManager::Release(const std::string& uid) {
  auto pod = state_->exclusive.find(uid);
  if (!options_.static_policy || pod == state_->exclusive.end()) return;
  CpuSet back;
  for (const auto& [name, cpus] : pod->second) back = back | cpus;
  state_->exclusive.erase(pod);
  if (reuse_uid_ == uid) reuse_uid_.clear();
  state_->shared = state_->shared | back;
  LOG_INFO("Exclusive CPUs are back in the shared pool", "podUID", uid, "cpus", back.ToString(),
           "shared", state_->shared.ToString());
  UpdateGauges();
  Save();
  if (deps_.on_change) deps_.on_change();
}

// Pods are admitted one after the other: what another left is of no use any more.
void CpuManager::Reuse(const Pod& pod, const Container& container, const CpuSet& cpus) {
  if (reuse_uid_ != pod.metadata().uid()) {
    reuse_uid_ = pod.metadata().uid();
    reuse_ = CpuSet();
  }
  reuse_ = IsRegularInit(pod, container) ? reuse_ | cpus : reuse_ - cpus;
}

CpuSet CpuManager::ReusableOf(const std::string& uid) const {
  return reuse_uid_ == uid ? reuse_ : CpuSet();
}

void CpuManager::CountAligned(bool aligned, const char* boundary) {
  if (deps_.alignment != nullptr) deps_.alignment->Count(aligned, "container", boundary);
}

HintsByResource CpuManager::ContainerHints(const Pod& pod, const Container& container) {
  int count = options_.static_policy ? ExclusiveCpuCount(pod, container) : 0;
  if (count == 0) return {};
  const std::string& uid = pod.metadata().uid();
  if (const CpuSet* own = Find(uid, container.name())) {
    // Of a spec that asks for other than was given there is no place.
    if (own->size() != count) return {{kCpu, std::vector<TopologyHint>()}};
    return {{kCpu, HintsFor(*own, {}, count)}};
  }
  return {{kCpu, HintsFor(state_->shared - reserved_, ReusableOf(uid), count)}};
}

HintsByResource CpuManager::PodHints(const Pod& pod) {
  int count = options_.static_policy ? CountOf(pod) : 0;
  if (count == 0) return {};
  const std::string& uid = pod.metadata().uid();
  CpuSet assigned;
  for (const auto* list : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& container : *list) {
      const CpuSet* own = Find(uid, container.name());
      if (own == nullptr) continue;
      if (own->size() != ExclusiveCpuCount(pod, container))
        return {{kCpu, std::vector<TopologyHint>()}};
      assigned = assigned | *own;
    }
  }
  if (assigned.size() == count) return {{kCpu, HintsFor(assigned, {}, count)}};
  return {{kCpu, HintsFor(state_->shared - reserved_, ReusableOf(uid) | assigned, count)}};
}

// Every set of nodes that has enough. Preferred are those of as few nodes as would do on an empty
// machine.
Hints CpuManager::HintsFor(const CpuSet& available, const CpuSet& reusable, int count) const {
  auto nodes = layout_->Ids(CpuLevel::kNuma, layout_->all());
  int fewest = static_cast<int>(nodes.size());
  std::vector<TopologyHint> hints;
  for (NumaMask mask : Subsets(nodes)) {
    if (layout_->In(mask, layout_->all()).size() >= count) fewest = std::min(fewest, mask.Count());
    CpuSet reused = layout_->In(mask, reusable);
    if (reused != reusable) continue;
    if (reused.size() + layout_->In(mask, available).size() >= count)
      hints.push_back({mask, false});
  }
  for (auto& hint : hints) {
    hint.preferred = hint.nodes->Count() == fewest ||
                     (options_.align_by_socket && FewestSockets(*hint.nodes, fewest));
  }
  return hints;
}

bool CpuManager::FewestSockets(NumaMask nodes, int fewest_nodes) const {
  int sockets = layout_->Count(CpuLevel::kSocket);
  int nodes_per_socket = layout_->Count(CpuLevel::kNuma) / sockets;
  if (nodes_per_socket == 0) return false;
  int fewest = (fewest_nodes + nodes_per_socket - 1) / nodes_per_socket;
  auto used = layout_->Ids(CpuLevel::kSocket, layout_->In(nodes, layout_->all()));
  return static_cast<int>(used.size()) == fewest;
}

}  // namespace kubelet::resource
