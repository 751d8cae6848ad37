// Does it fit? What pods ask for against what the node has to give, as plain numbers.
//
// Pure and without state; any thread. Facts: pkg/scheduler/framework/plugins/noderesources (Fits),
// pkg/kubelet/lifecycle/predicate.go, Kubernetes 1.36. Used for pods that come and for pods that
// grow.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kubelet/api/quantity.h"
#include "kubelet/api/types.h"

namespace kubelet::admission {

// By resource name: cpu in thousandths, everything else in its own unit. `pods` is a resource like
// the others: a pod asks for one.
using Amounts = std::map<std::string, int64_t>;

void Add(const Amounts& more, Amounts& sum);

// Of the larger of containers and init containers, with sidecars, pod level and overhead; of
// resources that a node can count (cpu, memory, ephemeral-storage, huge pages, extended and
// attachable ones). For a pod whose resize is under way: call it on the pod with its allocated
// resources. `pod_level` false: gate PodLevelResources is off.
Amounts RequestsOf(const api::core::Pod& pod, bool pod_level = true);

// Allocatable (or capacity) as the Node object has it.
using QuantityMap = google::protobuf::Map<std::string, api::resource::Quantity>;
Amounts AmountsOf(const QuantityMap& quantities);

struct Insufficient {
  std::string resource;
  int64_t requested = 0, used = 0, capacity = 0;
  // How much has to be freed.
  int64_t Missing() const { return requested - (capacity - used); }
  bool operator==(const Insufficient&) const = default;
};

// What does not fit of `requests` beside `used`, in upstream's order: pods, cpu, memory,
// ephemeral-storage, then the others by name; empty: it fits. What the node does not offer has a
// capacity of 0; a request of 0 always fits. With `used` empty: can it ever fit?
std::vector<Insufficient> FindInsufficient(const Amounts& requests, const Amounts& used,
                                           const Amounts& allocatable);
inline bool Fits(const Amounts& requests, const Amounts& used, const Amounts& allocatable) {
  return FindInsufficient(requests, used, allocatable).empty();
}

// `OutOfcpu`
std::string ReasonOf(const Insufficient& lack);
// `Node didn't have enough resource: cpu, requested: 2000, used: 100, capacity: 1500`
std::string MessageOf(const Insufficient& lack);

// Named with a domain that is not Kubernetes' own, such as `example.com/gpu`.
bool IsExtendedResource(const std::string& name);

}  // namespace kubelet::admission
