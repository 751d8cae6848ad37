// The topology manager: whether and where the resources of a pod lie together (topology.h).
//
//   none              every provider gives what it has, wherever it lies
//   best-effort       the best place that all agree on is told to them; the pod runs in any case
//   restricted        as that, but refused when there is no preferred place
//   single-numa-node  refused when there is no single node that has everything
//
// The scope is the container or the pod. A pod that is refused keeps nothing of what it had got
// until then. Reasons: TopologyAffinityError; UnexpectedAdmissionError for a provider that has not
// enough, or the reason that it names (SMTAlignmentError). Facts: pkg/kubelet/cm/topologymanager,
// 1.36. Core loop only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/os/cpu_topology.h"
#include "kubelet/resource/alignment.h"
#include "kubelet/resource/refusal.h"
#include "kubelet/resource/topology.h"

namespace kubelet::resource {

enum class TopologyPolicy { kNone, kBestEffort, kRestricted, kSingleNumaNode };

struct TopologyManagerOptions {
  TopologyPolicy policy = TopologyPolicy::kNone;  // topologyManagerPolicy
  bool pod_scope = false;                         // topologyManagerScope
  bool prefer_closest = false;                    // option prefer-closest-numa-nodes
  int max_nodes = 8;                              // option max-allowable-numa-nodes
};

// Pure. The place that suits all of `hints`, and whether the policy admits a pod there. Of several
// the preferred, then the narrowest (or, with prefer_closest, of as few nodes those nearest to one
// another).
struct TopologyChoice {
  TopologyHint place;
  bool admit = false;
};
TopologyChoice ChoosePlace(const std::vector<HintsByResource>& hints,
                           const TopologyManagerOptions& options,
                           const std::vector<os::NumaNode>& nodes);

class TopologyManager {
 public:
  struct Deps {
    base::Clock& clock;
    base::Registry* metrics = nullptr;
    AlignmentCounts* alignment = nullptr;
  };
  // FailedPrecondition in words for whoever starts the kubelet: the machine has more nodes than a
  // policy may handle, or no distances between them. With policy none the nodes are not looked at.
  static absl::StatusOr<std::unique_ptr<TopologyManager>> Create(TopologyManagerOptions options,
                                                                 std::vector<os::NumaNode> nodes,
                                                                 Deps deps);

  // In the order in which they are asked; devices before CPUs and memory, as upstream. They outlive
  // this object.
  void Add(HintProvider& provider) { providers_.push_back(&provider); }

  // Gives the pod what it asks for, or says why it cannot run here. A pod that has it already keeps
  // it.
  std::optional<Refusal> Admit(const api::core::Pod& pod);
  // The pod was let in before this kubelet ran. It keeps what it has; what it lacks (the state file
  // was deleted) it gets if there is some, wherever it lies, and is told of in the log if not.
  void Restore(const api::core::Pod& pod);
  void Release(const std::string& uid);

 private:
  TopologyManager(TopologyManagerOptions options, std::vector<os::NumaNode> nodes, Deps deps);
  std::optional<Refusal> Give(const api::core::Pod& pod);
  std::optional<Refusal> Choose(std::vector<HintsByResource> hints, TopologyHint* place);
  absl::Status AllocateOf(const api::core::Pod& pod, const api::core::Container& container,
                          const TopologyHint& place);
  void CountAligned(bool aligned);

  TopologyManagerOptions options_;
  std::vector<os::NumaNode> nodes_;
  Deps deps_;
  std::vector<HintProvider*> providers_;
  base::Family<base::Counter>*requests_ = nullptr, *errors_ = nullptr;
  base::Family<base::Histogram>* milliseconds_ = nullptr;
};

}  // namespace kubelet::resource
