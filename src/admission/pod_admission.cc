#include "kubelet/admission/pod_admission.h"

namespace kubelet::admission {

void PodAdmission::Learn(const std::vector<Other>& others, bool pod_level) {
  std::map<std::string, Known> next;
  for (const auto& other : others) {
    const std::string& uid = other.pod->metadata().uid();
    auto node = known_.extract(uid);
    if (node.empty() || node.mapped().pod != other.pod) {
      next[uid] = {other.pod, UseOf(*other.pod, pod_level)};
    } else {
      next.insert(std::move(node));
    }
  }
  known_ = std::move(next);
}

PodAdmission::Result PodAdmission::Judge(const api::core::Pod& pod, const NodeFacts& node,
                                         const std::vector<Other>& others, const Assign& assign) {
  Learn(others, node.pod_level_resources);
  std::vector<const PodUse*> staying, all;
  Result result;
  for (const auto& other : others) {
    const std::string& uid = other.pod->metadata().uid();
    if (uid == pod.metadata().uid()) continue;
    all.push_back(&known_.at(uid).use);
    if (other.leaving) {
      result.after.insert(uid);
    } else {
      staying.push_back(all.back());
    }
  }
  result.decision = admission::Judge(pod, node, staying, assign);
  if (result.after.empty() || result.decision.rejection) {
    result.after.clear();
    return result;
  }
  auto now = admission::Judge(pod, node, all);
  if (!now.rejection && now.preempt.empty()) result.after.clear();
  return result;
}

}  // namespace kubelet::admission
