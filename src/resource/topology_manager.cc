#include "kubelet/resource/topology_manager.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::resource {

using api::core::Container;
using api::core::Pod;

namespace {

constexpr char kAffinityError[] = "TopologyAffinityError";
constexpr char kAffinityMessage[] = "Resources cannot be allocated with Topology locality";
constexpr char kUnexpected[] = "UnexpectedAdmissionError";

std::vector<const Container*> ContainersOf(const Pod& pod) {
  std::vector<const Container*> out;
  for (const auto& container : pod.spec().init_containers()) out.push_back(&container);
  for (const auto& container : pod.spec().containers()) out.push_back(&container);
  return out;
}

Refusal RefusalOf(const absl::Status& status) {
  if (auto reason = ReasonOfRefusal(status)) return {*reason, base::Message(status)};
  return {kUnexpected, "Allocate failed due to " + base::Message(status) + ", which is unexpected"};
}

}  // namespace

absl::StatusOr<std::unique_ptr<TopologyManager>> TopologyManager::Create(
    TopologyManagerOptions options, std::vector<os::NumaNode> nodes, Deps deps) {
  if (options.policy != TopologyPolicy::kNone) {
    if (static_cast<int>(nodes.size()) > options.max_nodes) {
      return absl::FailedPreconditionError(
          "topologyManagerPolicy: unsupported on machines with more than " +
          std::to_string(options.max_nodes) + " NUMA nodes");
    }
    for (const auto& node : nodes) {
      if (node.id > NumaMask::kMaxNode) {
        return absl::FailedPreconditionError("topologyManagerPolicy: NUMA node " +
                                             std::to_string(node.id) + " has too high a number");
      }
      if (options.prefer_closest && node.distances.size() != nodes.size()) {
        return absl::FailedPreconditionError(
            "topologyManagerPolicyOptions: prefer-closest-numa-nodes needs the distances of NUMA "
            "node " +
            std::to_string(node.id) + ", which the kernel does not tell");
      }
    }
  }
  return std::unique_ptr<TopologyManager>(
      new TopologyManager(options, std::move(nodes), std::move(deps)));
}

TopologyManager::TopologyManager(TopologyManagerOptions options, std::vector<os::NumaNode> nodes,
                                 Deps deps)
    : options_(options), nodes_(std::move(nodes)), deps_(std::move(deps)) {
  if (deps_.metrics != nullptr) {
    requests_ = &deps_.metrics->AddCounter(
        "kubelet_topology_manager_admission_requests_total",
        "The number of admission requests where resources have to be aligned.");
    errors_ = &deps_.metrics->AddCounter(
        "kubelet_topology_manager_admission_errors_total",
        "The number of admission request failures where resources could not be aligned.");
    milliseconds_ =
        &deps_.metrics->AddHistogram("kubelet_topology_manager_admission_duration_ms",
                                     "Duration in milliseconds to serve a pod admission request.",
                                     base::ExponentialBuckets(.05, 2, 15));
    for (auto* family : {requests_, errors_}) family->Only();
    milliseconds_->Only();
  }
  if (deps_.alignment == nullptr || options_.policy == TopologyPolicy::kNone) return;
  for (bool aligned : {true, false}) {
    for (const char* scope : {"container", "pod"})
      deps_.alignment->Show(aligned, scope, kNumaBoundary);
  }
}

std::optional<Refusal> TopologyManager::Admit(const Pod& pod) {
  auto before = deps_.clock.Mono();
  auto refusal = Give(pod);
  if (refusal) Release(pod.metadata().uid());
  if (requests_ == nullptr) return refusal;
  requests_->Only().Add();
  // Without a policy nothing was to be aligned.
  if (refusal && options_.policy != TopologyPolicy::kNone) errors_->Only().Add();
  std::chrono::duration<double, std::milli> took = deps_.clock.Mono() - before;
  milliseconds_->Only().Observe(took.count());
  return refusal;
}

void TopologyManager::Restore(const Pod& pod) {
  for (const auto* container : ContainersOf(pod)) {
    auto status = AllocateOf(pod, *container, {});
    if (status.ok()) continue;
    LOG_WARNING("A pod that runs cannot have what it asks for; it goes on without", "pod",
                api::PodKey(pod), "podUID", pod.metadata().uid(), "container", container->name(),
                "err", status);
  }
}

void TopologyManager::Release(const std::string& uid) {
  for (auto* provider : providers_) provider->Release(uid);
}

std::optional<Refusal> TopologyManager::Give(const Pod& pod) {
  TopologyHint place;
  bool aligns = options_.policy != TopologyPolicy::kNone;
  if (aligns && options_.pod_scope) {
    std::vector<HintsByResource> hints;
    for (auto* provider : providers_) hints.push_back(provider->PodHints(pod));
    if (auto refusal = Choose(std::move(hints), &place)) return refusal;
  }
  for (const auto* container : ContainersOf(pod)) {
    if (aligns && !options_.pod_scope) {
      std::vector<HintsByResource> hints;
      for (auto* provider : providers_) hints.push_back(provider->ContainerHints(pod, *container));
      if (auto refusal = Choose(std::move(hints), &place)) return refusal;
    }
    if (auto status = AllocateOf(pod, *container, place); !status.ok()) return RefusalOf(status);
    if (!options_.pod_scope) CountAligned(true);
  }
  if (options_.pod_scope) CountAligned(true);
  return std::nullopt;
}

std::optional<Refusal> TopologyManager::Choose(std::vector<HintsByResource> hints,
                                               TopologyHint* place) {
  auto choice = ChoosePlace(hints, options_, nodes_);
  *place = choice.place;
  if (choice.admit) return std::nullopt;
  CountAligned(false);
  return Refusal{kAffinityError, kAffinityMessage};
}

absl::Status TopologyManager::AllocateOf(const Pod& pod, const Container& container,
                                         const TopologyHint& place) {
  for (auto* provider : providers_) RETURN_IF_ERROR(provider->Allocate(pod, container, place));
  return absl::OkStatus();
}

// Only one policy promises it.
void TopologyManager::CountAligned(bool aligned) {
  if (deps_.alignment == nullptr || options_.policy != TopologyPolicy::kSingleNumaNode) return;
  deps_.alignment->Count(aligned, options_.pod_scope ? "pod" : "container", kNumaBoundary);
}

}  // namespace kubelet::resource
