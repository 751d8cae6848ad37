#include <algorithm>
#include <functional>

#include "kubelet/resource/topology_manager.h"

namespace kubelet::resource {
namespace {

using HintList = std::vector<TopologyHint>;

// One list for each resource; who does not mind, or has no place at all, says so in one hint.
std::vector<HintList> Flatten(const std::vector<HintsByResource>& providers) {
  std::vector<HintList> out;
  for (const auto& resources : providers) {
    if (resources.empty()) out.push_back({{std::nullopt, true}});
    for (const auto& [name, hints] : resources) {
      if (!hints) {
        out.push_back({{std::nullopt, true}});
      } else if (hints->empty()) {
        out.push_back({{std::nullopt, false}});
      } else {
        out.push_back(*hints);
      }
    }
  }
  return out;
}

void KeepSingleNodes(std::vector<HintList>& lists) {
  for (auto& list : lists) {
    std::erase_if(list, [](const TopologyHint& hint) {
      return !hint.preferred || (hint.nodes && hint.nodes->Count() != 1);
    });
  }
}

struct Merged {
  NumaMask nodes;
  bool preferred = true;
};

class Chooser {
 public:
  Chooser(std::vector<HintList> lists, bool closest, const std::vector<os::NumaNode>& nodes)
      : lists_(std::move(lists)), closest_(closest), nodes_(nodes) {
    for (const auto& node : nodes) all_.Add(node.id);
    for (const auto& list : lists_) {
      const NumaMask* narrowest = nullptr;
      for (const auto& hint : list) {
        if (hint.nodes && (narrowest == nullptr || hint.nodes->IsNarrowerThan(*narrowest)))
          narrowest = &*hint.nodes;
      }
      if (narrowest != nullptr) wanted_count_ = std::max(wanted_count_, narrowest->Count());
    }
  }

  NumaMask all() const { return all_; }

  // Of all combinations of a hint from each list; not preferred and anywhere when there is none.
  Merged Best() {
    Try(0, {all_, true}, nullptr);
    return best_.value_or(Merged{all_, false});
  }

 private:
  // `first`: nodes of the first hint that names any; only if all name the same is it preferred.
  void Try(size_t index, Merged merged, const NumaMask* first) {
    if (index == lists_.size()) {
      if (!merged.nodes.Empty() && (!best_ || IsBetter(merged, *best_))) best_ = merged;
      return;
    }
    for (const auto& hint : lists_[index]) {
      Merged next = merged;
      const NumaMask* reference = first;
      if (hint.nodes) {
        next.nodes = next.nodes & *hint.nodes;
        if (reference == nullptr) reference = &*hint.nodes;
        next.preferred = next.preferred && *hint.nodes == *reference;
      }
      next.preferred = next.preferred && hint.preferred;
      Try(index + 1, next, reference);
    }
  }

  // Among those that nobody prefers: as many nodes as the neediest resource takes, or as near to
  // that from below as can be.
  bool IsBetter(const Merged& candidate, const Merged& current) const {
    if (candidate.preferred != current.preferred) return candidate.preferred;
    if (candidate.preferred) return IsFitter(candidate.nodes, current.nodes);
    int now = current.nodes.Count(), then = candidate.nodes.Count();
    if (now > wanted_count_) return IsFitter(candidate.nodes, current.nodes);
    if (then > wanted_count_) return false;
    return then != now ? then > now : IsFitter(candidate.nodes, current.nodes);
  }

  bool IsFitter(NumaMask candidate, NumaMask current) const {
    if (!closest_ || candidate.Count() != current.Count()) return candidate.IsNarrowerThan(current);
    double then = Distance(candidate), now = Distance(current);
    return then != now ? then < now : candidate.bits() < current.bits();
  }

  double Distance(NumaMask mask) const {
    double sum = 0;
    for (const auto& from : nodes_) {
      for (size_t i = 0; i < nodes_.size() && i < from.distances.size(); ++i) {
        if (mask.Has(from.id) && mask.Has(nodes_[i].id)) sum += from.distances[i];
      }
    }
    return sum / (mask.Count() * mask.Count());
  }

  std::vector<HintList> lists_;
  bool closest_;
  const std::vector<os::NumaNode>& nodes_;
  NumaMask all_;
  int wanted_count_ = 0;
  std::optional<Merged> best_;
};

}  // namespace

TopologyChoice ChoosePlace(const std::vector<HintsByResource>& hints,
                           const TopologyManagerOptions& options,
                           const std::vector<os::NumaNode>& nodes) {
  bool single = options.policy == TopologyPolicy::kSingleNumaNode;
  auto lists = Flatten(hints);
  if (single) KeepSingleNodes(lists);
  Chooser chooser(std::move(lists), options.prefer_closest && !single, nodes);
  Merged best = chooser.Best();
  TopologyChoice choice{{best.nodes, best.preferred}, true};
  // Nobody asked for a node.
  if (single && best.nodes == chooser.all()) choice.place.nodes.reset();
  if (single || options.policy == TopologyPolicy::kRestricted) choice.admit = best.preferred;
  return choice;
}

}  // namespace kubelet::resource
