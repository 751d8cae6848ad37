#include "kubelet/admission/preemption.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kubelet::admission {
namespace {

using Uses = std::vector<const PodUse*>;

int64_t Request(const PodUse& pod, const std::string& resource) {
  auto it = pod.requests.find(resource);
  return it == pod.requests.end() ? 0 : it->second;
}

// What still has to be freed, in the order in which it was found missing.
class Requirements {
 public:
  explicit Requirements(const std::vector<Insufficient>& missing) {
    for (const auto& lack : missing) left_.push_back({lack.resource, lack.Missing()});
  }
  Requirements Without(const Uses& pods) const {
    Requirements out = *this;
    for (auto& need : out.left_) {
      for (const PodUse* pod : pods) need.amount -= Request(*pod, need.resource);
    }
    std::erase_if(out.left_, [](const auto& need) { return need.amount <= 0; });
    return out;
  }
  bool Met() const { return left_.empty(); }
  // Each requirement weighs the same: the square of the part of it that would be left.
  double Distance(const PodUse& pod) const {
    double distance = 0;
    for (const auto& need : left_) {
      auto left = static_cast<double>(need.amount - Request(pod, need.resource));
      if (left > 0) distance += std::pow(left / static_cast<double>(need.amount), 2);
    }
    return distance;
  }
  std::string ToString() const {
    std::string text = "[";
    for (const auto& need : left_)
      text += "(res: " + need.resource + ", q: " + std::to_string(need.amount) + "), ";
    return text + "]";
  }

 private:
  struct Need {
    std::string resource;
    int64_t amount;
  };
  std::vector<Need> left_;
};

bool IsBetterVictim(const PodUse& a, const PodUse& b) {
  for (const char* resource : {"memory", "cpu"}) {
    int64_t left = Request(a, resource), right = Request(b, resource);
    if (left != right) return left < right;
  }
  if (a.priority.value_or(0) != b.priority.value_or(0))
    return a.priority.value_or(0) < b.priority.value_or(0);
  if (a.created != b.created) return a.created > b.created;
  return a.uid < b.uid;
}

// One pod after the other, each the one that brings the rest closest. The pods are enough together.
Uses ChooseByDistance(Uses pods, Requirements needs) {
  Uses chosen;
  while (!needs.Met() && !pods.empty()) {
    auto best = pods.begin();
    double best_distance = std::numeric_limits<double>::infinity();
    for (auto it = pods.begin(); it != pods.end(); ++it) {
      double distance = needs.Distance(**it);
      bool equal = distance == best_distance;
      if (distance > best_distance || (equal && !IsBetterVictim(**it, **best))) continue;
      best = it;
      best_distance = distance;
    }
    chosen.push_back(*best);
    needs = needs.Without({*best});
    pods.erase(best);
  }
  return chosen;
}

Uses Joined(const Uses& a, const Uses& b) {
  Uses out = a;
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

// Spares whom it can, the most valuable first.
Uses WithoutSuperfluous(Uses victims, const Requirements& needs) {
  std::sort(victims.begin(), victims.end(), [](const PodUse* a, const PodUse* b) {
    if (a->qos != b->qos) return a->qos < b->qos;
    return IsBetterVictim(*b, *a);
  });
  for (size_t i = 0; i < victims.size();) {
    Uses rest = victims;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    if (needs.Without(rest).Met()) {
      victims = std::move(rest);
    } else {
      ++i;
    }
  }
  return victims;
}

}  // namespace

bool MayPreempt(const PodUse& preemptor, const PodUse& victim) {
  if (preemptor.critical && !victim.critical) return true;
  return preemptor.priority && victim.priority && *preemptor.priority > *victim.priority;
}

absl::StatusOr<std::vector<std::string>> ChooseVictims(const PodUse& preemptor, const Uses& others,
                                                       const std::vector<Insufficient>& missing) {
  const Requirements needs(missing);
  Uses guaranteed, burstable, best_effort;
  for (const PodUse* pod : others) {
    if (!MayPreempt(preemptor, *pod)) continue;
    auto& list = pod->qos == api::QosClass::kGuaranteed  ? guaranteed
                 : pod->qos == api::QosClass::kBurstable ? burstable
                                                         : best_effort;
    list.push_back(pod);
  }
  auto unmet = needs.Without(Joined(Joined(best_effort, burstable), guaranteed));
  if (!unmet.Met()) {
    return absl::FailedPreconditionError(
        "preemption: error finding a set of pods to preempt: no set of running pods found to "
        "reclaim resources: " +
        unmet.ToString());
  }
  // Of each class only what those below it cannot give.
  Uses of_guaranteed = ChooseByDistance(guaranteed, needs.Without(Joined(best_effort, burstable)));
  Uses of_burstable =
      ChooseByDistance(burstable, needs.Without(Joined(best_effort, of_guaranteed)));
  Uses of_best_effort =
      ChooseByDistance(best_effort, needs.Without(Joined(of_burstable, of_guaranteed)));
  auto victims =
      WithoutSuperfluous(Joined(Joined(of_best_effort, of_burstable), of_guaranteed), needs);
  std::vector<std::string> uids;
  for (const PodUse* victim : victims) uids.push_back(victim->uid);
  return uids;
}

}  // namespace kubelet::admission
