// Which NUMA nodes the resources of a container come from, so that CPUs, memory and devices lie
// together.
//
//   pod is admitted --> every HintProvider: where could it be? --> one choice of the policy
//                   --> every HintProvider: take it there        | or the pod is refused
//
// The scope says whether a choice is made for each container or once for the pod; with policy none
// nothing is asked, and everybody takes what there is. Facts: pkg/kubelet/cm/topologymanager, 1.36.
// Core loop only; nothing here waits.
#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/api/types.h"

namespace kubelet::resource {

// A set of NUMA nodes with numbers below 64, which is what the kernel and upstream can tell apart.
class NumaMask {
 public:
  static constexpr int kMaxNode = 63;
  constexpr NumaMask() = default;
  static constexpr NumaMask FromBits(uint64_t bits) {
    NumaMask mask;
    mask.bits_ = bits;
    return mask;
  }
  static constexpr NumaMask Of(int node) { return FromBits(uint64_t{1} << node); }
  constexpr void Add(int node) { bits_ |= uint64_t{1} << node; }
  constexpr bool Has(int node) const { return (bits_ >> node & 1) != 0; }
  constexpr int Count() const { return std::popcount(bits_); }
  constexpr bool Empty() const { return bits_ == 0; }
  constexpr uint64_t bits() const { return bits_; }
  std::vector<int> Nodes() const;  // ascending
  // Fewer nodes; of as many the one with the lower numbers.
  bool IsNarrowerThan(NumaMask other) const;
  friend constexpr NumaMask operator&(NumaMask a, NumaMask b) {
    return FromBits(a.bits_ & b.bits_);
  }
  friend constexpr NumaMask operator|(NumaMask a, NumaMask b) {
    return FromBits(a.bits_ | b.bits_);
  }
  constexpr bool operator==(const NumaMask&) const = default;

 private:
  uint64_t bits_ = 0;
};

// The mask of every non-empty subset of `nodes`, those of one node first, then of two, and so on;
// those of as many by their lowest nodes. 2^n of them: policies other than none refuse machines
// with more than eight nodes.
std::vector<NumaMask> Subsets(const std::vector<int>& nodes);

struct TopologyHint {
  std::optional<NumaMask> nodes;  // nullopt: anywhere
  bool preferred = false;         // no smaller set of nodes would do
  bool operator==(const TopologyHint&) const = default;
};
// For one resource. nullopt: it does not matter where it comes from; empty: there is no place.
using Hints = std::optional<std::vector<TopologyHint>>;
using HintsByResource = std::map<std::string, Hints>;

// Who hands out a resource of the node that lies in one place or another: CPUs, memory, devices.
// Consumer-owned port. A container that has something already (the pod was admitted before a
// restart) gives just that as its hint, and Allocate leaves it as it is.
class HintProvider {
 public:
  virtual ~HintProvider() = default;
  // Nothing for resources that the container does not ask for.
  virtual HintsByResource ContainerHints(const api::core::Pod& pod,
                                         const api::core::Container& container) = 0;
  // For all containers of the pod together, with scope `pod`.
  virtual HintsByResource PodHints(const api::core::Pod& pod) = 0;
  // Takes what the container asks for, on the nodes of `place` first; init containers come before
  // the others. Success when it asks for nothing. Of an error the pod is refused with its message
  // and UnexpectedAdmissionError, or with the reason of TypedRefusal, and Release follows. What has
  // to be asked of another process is asked later, when the container starts.
  virtual absl::Status Allocate(const api::core::Pod& pod, const api::core::Container& container,
                                const TopologyHint& place) = 0;
  // The pod was refused, or nothing of it is left. A pod that has nothing is success.
  virtual void Release(const std::string& uid) = 0;
};

// An error that names its own reason, such as SMTAlignmentError.
absl::Status TypedRefusal(const std::string& reason, const std::string& message);
// nullopt: `status` was not made by TypedRefusal.
std::optional<std::string> ReasonOfRefusal(const absl::Status& status);

}  // namespace kubelet::resource
