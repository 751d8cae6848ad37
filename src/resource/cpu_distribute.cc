#include "resource/cpu_distribute.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

namespace kubelet::resource {
namespace {

using Nodes = std::vector<int>;
using FreeByNode = std::map<int, int>;

// `visit` sees every choice of `count` of `nodes`, in their order; it ends all by returning false.
bool Choose(const Nodes& nodes, size_t count, const std::function<bool(const Nodes&)>& visit,
            size_t from = 0, Nodes chosen = {}) {
  if (chosen.size() == count) return visit(chosen);
  for (size_t i = from; i + (count - chosen.size()) <= nodes.size(); ++i) {
    chosen.push_back(nodes[i]);
    if (!Choose(nodes, count, visit, i + 1, chosen)) return false;
    chosen.pop_back();
  }
  return true;
}

double Rounded(double value) { return std::round(value * 1000) / 1000; }

// Standard deviation: how unlike the nodes are. Rounded, so that equal is equal.
double Imbalance(const FreeByNode& free) {
  double sum = 0, squares = 0;
  for (const auto& [node, cpus] : free) sum += cpus;
  double mean = Rounded(sum / static_cast<double>(free.size()));
  for (const auto& [node, cpus] : free) squares += (cpus - mean) * (cpus - mean);
  return Rounded(std::sqrt(squares / static_cast<double>(free.size())));
}

struct Choice {
  double imbalance = std::numeric_limits<double>::max();
  Nodes nodes, rest;  // `rest`: who gives what does not divide
};

class Distribution {
 public:
  Distribution(const CpuLayout& layout, const CpuSet& available, int count, int group)
      : layout_(layout), count_(count), group_(group) {
    for (int node : layout.Ids(CpuLevel::kNuma, available))
      free_[node] = layout.In(CpuLevel::kNuma, node, available).size();
    // As packing orders them.
    std::map<int, int> socket_free;
    std::map<int, int> socket_of;
    for (int cpu : available) {
      ++socket_free[layout.IdOf(CpuLevel::kSocket, cpu)];
      socket_of.emplace(layout.IdOf(CpuLevel::kNuma, cpu), layout.IdOf(CpuLevel::kSocket, cpu));
    }
    for (const auto& [node, cpus] : free_) order_.push_back(node);
    bool nodes_in_sockets = layout.Count(CpuLevel::kSocket) < layout.Count(CpuLevel::kNuma);
    std::sort(order_.begin(), order_.end(), [&](int a, int b) {
      auto key = [&](int node) {
        int socket = nodes_in_sockets ? socket_of[node] : 0;
        return std::make_tuple(nodes_in_sockets ? socket_free[socket] : 0, socket, free_[node],
                               node);
      };
      return key(a) < key(b);
    });
  }

  std::vector<CpuShare> Run() const {
    auto [fewest, most] = Range();
    for (int nodes = fewest; nodes <= most; ++nodes) {
      if (auto best = Best(static_cast<size_t>(nodes))) return Shares(*best);
    }
    return {};
  }

 private:
  // Fewer nodes could not have enough, more would have less than a group each.
  std::pair<int, int> Range() const {
    auto divided = [](int a, int b) { return (a - 1) / b + 1; };
    int groups = divided(layout_.all().size(), group_);
    int per_node = divided(groups, layout_.Count(CpuLevel::kNuma));
    int needed = divided(count_, group_);
    return {divided(needed, per_node), std::min(needed, static_cast<int>(order_.size()))};
  }

  int EvenShare(size_t nodes) const { return count_ / static_cast<int>(nodes) / group_ * group_; }

  bool CanGive(const Nodes& nodes) const {
    int groups = 0, least = std::numeric_limits<int>::max();
    for (int node : nodes) {
      groups += free_.at(node) / group_;
      least = std::min(least, free_.at(node));
    }
    return groups * group_ >= count_ && least >= EvenShare(nodes.size());
  }

  std::optional<Choice> Best(size_t size) const {
    Choice best;
    Choose(order_, size, [&](const Nodes& nodes) {
      if (CanGive(nodes)) {
        Choice choice = Weigh(nodes);
        if (choice.imbalance < best.imbalance) best = std::move(choice);
      }
      return best.imbalance > 0;
    });
    if (best.nodes.empty()) return std::nullopt;
    return best;
  }

  Choice Weigh(const Nodes& nodes) const {
    FreeByNode left = free_;
    for (int node : nodes) left[node] -= EvenShare(nodes.size());
    int rest = count_ - EvenShare(nodes.size()) * static_cast<int>(nodes.size());
    Choice best;
    best.nodes = nodes;
    if (rest == 0) {
      best.imbalance = Imbalance(left);
      return best;
    }
    Nodes able;
    std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(able),
                 [&](int node) { return left[node] >= group_; });
    for (size_t size = able.size(); size >= 1; --size) {
      Choose(able, size, [&](const Nodes& givers) {
        FreeByNode after = left;
        if (!Give(givers, rest, after)) return true;
        double imbalance = Imbalance(after);
        if (imbalance < best.imbalance) {
          best.imbalance = imbalance;
          best.rest = givers;
        }
        return true;
      });
    }
    return best;
  }

  // In turns, a group each. False: they have not enough.
  bool Give(const Nodes& givers, int rest, FreeByNode& left) const {
    while (rest > 0) {
      int before = rest;
      for (int node : givers) {
        if (rest == 0 || left[node] < group_) continue;
        left[node] -= group_;
        rest -= group_;
      }
      if (rest == before) return false;
    }
    return true;
  }

  std::vector<CpuShare> Shares(const Choice& choice) const {
    std::vector<CpuShare> shares;
    int even = EvenShare(choice.nodes.size());
    for (int node : choice.nodes) {
      if (even > 0) shares.push_back({node, even});
    }
    FreeByNode left = free_;
    for (int node : choice.nodes) left[node] -= even;
    int rest = count_ - even * static_cast<int>(choice.nodes.size());
    while (rest > 0) {
      for (int node : choice.rest) {
        if (rest == 0 || left[node] < group_) continue;
        shares.push_back({node, group_});
        left[node] -= group_;
        rest -= group_;
      }
    }
    return shares;
  }

  const CpuLayout& layout_;
  int count_, group_;
  FreeByNode free_;
  Nodes order_;
};

}  // namespace

std::vector<CpuShare> DistributeCpus(const CpuLayout& layout, const CpuSet& available, int count,
                                     int group) {
  if (count % group != 0) return {};
  return Distribution(layout, available, count, group).Run();
}

}  // namespace kubelet::resource
