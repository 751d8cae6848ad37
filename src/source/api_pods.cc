#include "source/api_pods.h"

#include <utility>

#include "kubelet/api/pod.h"

namespace kubelet::source {
namespace {

// How long the pod has to end once it is to end.
int64_t GraceOf(const api::core::Pod& pod) {
  constexpr int64_t kDefault = 30;
  if (pod.metadata().has_deletion_grace_period_seconds())
    return pod.metadata().deletion_grace_period_seconds();
  return pod.spec().has_termination_grace_period_seconds()
             ? pod.spec().termination_grace_period_seconds()
             : kDefault;
}

bool EndsSooner(const api::core::Pod& before, const api::core::Pod& now) {
  return before.metadata().uid() == now.metadata().uid() && !api::IsMirror(now) &&
         now.metadata().has_deletion_timestamp() && GraceOf(now) < GraceOf(before);
}

}  // namespace

api::PodPtr ApiPods::Complete(const MutablePod& pod) const {
  auto& meta = *pod->mutable_metadata();
  // Clear would keep the memory.
  std::remove_reference_t<decltype(*meta.mutable_managed_fields())> none;
  meta.mutable_managed_fields()->Swap(&none);
  auto& annotations = *meta.mutable_annotations();
  annotations[api::kConfigSource] = kApiSource;
  auto known = pods_.find(api::FullName(*pod));
  bool same = known != pods_.end() && known->second->metadata().uid() == meta.uid();
  annotations[api::kConfigSeen] =
      same ? api::Annotation(*known->second, api::kConfigSeen) : base::Rfc3339Nano(clock_.Now());
  return pod;
}

void ApiPods::Changed(const api::core::Pod& pod) {
  (api::IsMirror(pod) ? mirrors_changed_ : pods_changed_) = true;
}

std::vector<api::PodPtr> ApiPods::Replace(const std::vector<MutablePod>& pods) {
  ByName next;
  std::vector<api::PodPtr> all;
  for (const auto& pod : pods) {
    auto name = api::FullName(*pod);
    auto known = pods_.find(name);
    // A list after an outage brings mostly what is known: the object in use stays.
    bool same = known != pods_.end() && known->second->metadata().uid() == pod->metadata().uid() &&
                known->second->metadata().resource_version() == pod->metadata().resource_version();
    api::PodPtr kept = same ? known->second : Complete(pod);
    if (!same) Changed(*kept);
    next[name] = kept;
    all.push_back(std::move(kept));
  }
  for (const auto& [name, pod] : pods_) {
    auto it = next.find(name);
    if (it == next.end() || api::IsMirror(*it->second) != api::IsMirror(*pod)) Changed(*pod);
  }
  pods_ = std::move(next);
  if (!listed_) listed_ = pods_changed_ = mirrors_changed_ = true;
  return all;
}

api::PodPtr ApiPods::Set(const MutablePod& pod) {
  api::PodPtr kept = Complete(pod);
  api::PodPtr& slot = pods_[api::FullName(*kept)];
  if (slot) Changed(*slot);
  sooner_ = sooner_ || (slot && EndsSooner(*slot, *kept));
  Changed(*kept);
  slot = kept;
  return kept;
}

api::PodPtr ApiPods::Remove(const api::core::Pod& pod) {
  auto it = pods_.find(api::FullName(pod));
  if (it == pods_.end() || it->second->metadata().uid() != pod.metadata().uid()) return nullptr;
  api::PodPtr last = it->second;
  pods_.erase(it);
  Changed(*last);
  return last;
}

std::vector<api::PodPtr> ApiPods::Of(bool mirrors) const {
  std::vector<api::PodPtr> pods;
  for (const auto& [name, pod] : pods_) {
    if (api::IsMirror(*pod) == mirrors) pods.push_back(pod);
  }
  return pods;
}

}  // namespace kubelet::source
