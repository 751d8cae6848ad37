#include "kubelet/podstore/pod_store.h"

#include <google/protobuf/util/message_differencer.h>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"

namespace kubelet::podstore {
namespace {

using google::protobuf::util::MessageDifferencer;

// Annotations that the kubelet adds (pkg/kubelet/config/config.go localAnnotations).
bool IsLocal(const std::string& key) {
  return key == api::kConfigSource || key == api::kConfigMirror || key == api::kConfigSeen;
}

using Map = google::protobuf::Map<std::string, std::string>;

// Every entry of `a` that is not local is in `b`.
bool Within(const Map& a, const Map& b) {
  for (const auto& [key, value] : a) {
    if (IsLocal(key)) continue;
    auto it = b.find(key);
    if (it == b.end() || it->second != value) return false;
  }
  return true;
}

bool SameMap(const Map& a, const Map& b) { return Within(a, b) && Within(b, a); }

// Spec, labels, annotations and deletion: what upstream calls an update; resourceVersion, managedFields and the like
// come and go with every write of the status.
bool SameWish(const api::core::Pod& a, const api::core::Pod& b) {
  const auto &x = a.metadata(), &y = b.metadata();
  return x.has_deletion_timestamp() == y.has_deletion_timestamp() &&
         x.deletion_timestamp().seconds() == y.deletion_timestamp().seconds() &&
         x.has_deletion_grace_period_seconds() == y.has_deletion_grace_period_seconds() &&
         x.deletion_grace_period_seconds() == y.deletion_grace_period_seconds() && x.generation() == y.generation() &&
         SameMap(x.labels(), y.labels()) && SameMap(x.annotations(), y.annotations()) &&
         MessageDifferencer::Equals(a.spec(), b.spec());
}

}  // namespace

api::PodPtr WithUid(const api::core::Pod& pod, const std::string& uid, bool resized) {
  auto copy = std::make_shared<api::core::Pod>(pod);
  auto& annotations = *copy->mutable_metadata()->mutable_annotations();
  annotations.insert({api::kManifestAnnotation, pod.metadata().uid()});
  annotations[resized ? api::kStaticUid : api::kConfigHash] = uid;
  copy->mutable_metadata()->set_uid(uid);
  return copy;
}

api::PodPtr PodStore::Mapped(const api::PodPtr& pod) const {
  auto it = adopted_.find(pod->metadata().uid());
  return it == adopted_.end() ? pod : WithUid(*pod, it->second.uid, it->second.resized);
}

// A static pod that says the same keeps its object, and so the time it was first seen.
void PodStore::Compare(api::PodPtr& known, const api::PodPtr& pod, Changes& changes) {
  if (!SameWish(*known, *pod)) {
    changes.updated.push_back(pod);
  } else if (api::IsStatic(*pod)) {
    return;
  } else if (!MessageDifferencer::Equals(known->status(), pod->status())) {
    changes.reconciled.push_back(pod);
  }
  known = pod;
}

// A manifest whose CPU or memory was edited hashes to another uid, and yet it is the pod that runs.
void PodStore::KeepResized(const std::string& source, const std::vector<api::PodPtr>& pods) {
  std::set<std::string> there;
  for (const auto& pod : pods) there.insert(Mapped(pod)->metadata().uid());
  for (const auto& pod : pods) {
    const std::string& uid = pod->metadata().uid();
    if (!api::IsStatic(*pod) || adopted_.contains(uid) || pods_.contains(uid)) continue;
    // A uid that the manifest gives is its author's word: another one is another pod.
    if (api::Annotation(*pod, api::kManifestAnnotation).empty()) continue;
    std::string shape;
    for (const auto& [known, wanted] : pods_) {
      if (wanted.source != source || there.contains(known) || api::FullName(*wanted.pod) != api::FullName(*pod)) continue;
      if (MessageDifferencer::Equals(wanted.pod->spec(), pod->spec())) continue;
      if (shape.empty()) shape = api::ResizeShape(*pod);
      if (api::ResizeShape(*wanted.pod) != shape) continue;
      std::erase_if(adopted_, [&known = known](const auto& pair) { return pair.second.uid == known; });
      adopted_[uid] = {known, true};
      break;
    }
  }
}

Changes PodStore::Apply(const std::string& source, const std::vector<api::PodPtr>& pods, bool complete) {
  Changes changes;
  std::set<std::string> names, seen;
  KeepResized(source, pods);
  for (const auto& original : pods) {
    api::PodPtr pod = Mapped(original);
    const std::string& uid = pod->metadata().uid();
    if (!names.insert(api::FullName(*pod)).second) {
      changes.conflicts.push_back("pod " + api::PodKey(*pod) + " of source " + source +
                                  " is refused: another pod of this source has its name");
      continue;
    }
    auto known = pods_.find(uid);
    if (!seen.insert(uid).second || (known != pods_.end() && known->second.source != source)) {
      changes.conflicts.push_back("pod " + api::PodKey(*pod) + " of source " + source +
                                  " is refused: metadata.uid " + uid + " is another pod's");
      continue;
    }
    if (known == pods_.end()) {
      pods_[uid] = {source, pod};
      changes.added.push_back(pod);
    } else if (known->second.pod != pod) {
      Compare(known->second.pod, pod, changes);
    }
  }
  if (!complete) return changes;
  complete_.insert(source);
  for (auto it = pods_.begin(); it != pods_.end();) {
    if (it->second.source == source && !seen.contains(it->first)) {
      changes.removed.push_back(it->second.pod);
      std::erase_if(adopted_, [&](const auto& pair) { return pair.second.uid == it->first; });
      it = pods_.erase(it);
    } else {
      ++it;
    }
  }
  return changes;
}

api::PodPtr PodStore::Adopt(const std::string& manifest_uid, const std::string& running_uid, bool resized) {
  auto it = pods_.find(manifest_uid);
  if (it == pods_.end() || pods_.contains(running_uid)) return nullptr;
  Wanted_ wanted = it->second;
  pods_.erase(it);
  adopted_[manifest_uid] = {running_uid, resized};
  wanted.pod = WithUid(*wanted.pod, running_uid, resized);
  pods_[running_uid] = wanted;
  return wanted.pod;
}

api::PodPtr PodStore::Get(const std::string& uid) const {
  auto it = pods_.find(uid);
  return it == pods_.end() ? nullptr : it->second.pod;
}

std::vector<api::PodPtr> PodStore::All() const {
  std::vector<api::PodPtr> all;
  for (const auto& [uid, wanted] : pods_) all.push_back(wanted.pod);
  return all;
}

bool PodStore::Complete(const std::string& source) const {
  return sources_.contains(source) ? complete_.contains(source) : AllComplete();
}

bool PodStore::AllComplete() const {
  for (const auto& source : sources_) {
    if (!complete_.contains(source)) return false;
  }
  return true;
}

}  // namespace kubelet::podstore
