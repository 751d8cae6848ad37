#include "kubelet/mirror/mirror_pods.h"

#include <charconv>
#include <set>
#include <utility>

#include "kubelet/api/pod.h"

namespace kubelet::mirror {
namespace {

uint64_t Number(const std::string& text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

}  // namespace

MirrorPods::MirrorPods(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      queue_({deps_.executor, deps_.clock, deps_.random}, options_.queue,
             [this](std::string full_name) { return Run(std::move(full_name)); }) {
  if (deps_.metrics == nullptr) return;
  gauge_ = &deps_.metrics
                ->AddGauge("kubelet_mirror_pods",
                           "The number of mirror pods the kubelet will try to create (one per "
                           "admitted static pod)")
                .Only();
}

MirrorPods::~MirrorPods() = default;

base::Task<void> MirrorPods::Stop() { co_await queue_.Stop(); }

MirrorPods::Action MirrorPods::Decide(const std::string& full_name, const Entry& entry) const {
  if (!have_static_ || !have_mirrors_) return Action::kNothing;
  const auto& mirror = entry.mirror;
  if (!entry.wanted) {
    bool keep = !mirror || !complete_ || deps_.ending(full_name);
    return keep ? Action::kNothing : Action::kDelete;
  }
  if (mirror) {
    bool same = mirror->hash == api::Annotation(*entry.wanted, api::kConfigHash);
    bool gone = mirror->deleting || mirror->outlived;
    // It shows what still runs.
    if (!same && !gone && deps_.ending(full_name)) return Action::kNothing;
    if (!same || gone) return Action::kDelete;
    return mirror->doubt ? Action::kLook : Action::kNothing;
  }
  return node_uid_.empty() || node_deleting_ ? Action::kNothing : Action::kCreate;
}

void MirrorPods::SetStatic(const std::vector<api::PodPtr>& pods, bool complete) {
  have_static_ = true;
  complete_ = complete;
  std::map<std::string, api::PodPtr> wanted;
  for (const auto& pod : pods) wanted.emplace(api::FullName(*pod), pod);
  if (gauge_ != nullptr) gauge_->Set(static_cast<double>(wanted.size()));
  for (auto& [full_name, entry] : entries_) {
    if (!wanted.contains(full_name)) entry.wanted = nullptr;
  }
  for (auto& [full_name, pod] : wanted) {
    Entry& entry = Make(full_name, *pod);
    bool edited = entry.wanted && api::Annotation(*entry.wanted, api::kConfigHash) !=
                                      api::Annotation(*pod, api::kConfigHash);
    entry.wanted = pod;
    if (edited) queue_.Hurry(full_name);  // its back-off was for another pod
  }
  LookAll();
}

void MirrorPods::SetMirrors(const std::vector<api::PodPtr>& pods) {
  have_mirrors_ = true;
  std::set<std::string> there;
  for (const auto& pod : pods) {
    if (!api::IsMirror(*pod)) continue;
    std::string full_name = api::FullName(*pod);
    there.insert(full_name);
    Note(Make(full_name, *pod), *pod, From::kList);
  }
  for (auto& [full_name, entry] : entries_) {
    if (there.contains(full_name)) continue;
    entry.dead_uid.clear();
    if (!entry.mirror) continue;
    if (entry.mirror->seen) {
      entry.mirror.reset();
    } else {
      // Made by us a moment ago: the list may be older than that.
      entry.mirror->doubt = true;
    }
  }
  LookAll();
}

void MirrorPods::SetMirror(const api::PodPtr& pod) {
  if (!api::IsMirror(*pod)) return;
  std::string full_name = api::FullName(*pod);
  if (Note(Make(full_name, *pod), *pod, From::kEvent)) Look(full_name);
}

void MirrorPods::RemoveMirror(const api::PodPtr& last) {
  std::string full_name = api::FullName(*last);
  Entry* entry = Find(full_name);
  if (entry == nullptr) return;
  const std::string& uid = last->metadata().uid();
  if (entry->dead_uid == uid) entry->dead_uid.clear();
  if (entry->mirror && entry->mirror->uid == uid) entry->mirror.reset();
  queue_.Hurry(full_name);  // the name is free now
  Look(full_name);
}

void MirrorPods::SetNode(const std::string& uid, bool deleting) {
  if (uid == node_uid_ && deleting == node_deleting_) return;
  node_uid_ = uid;
  node_deleting_ = deleting;
  LookAll();
}

void MirrorPods::Poke(const std::string& full_name) {
  if (Find(full_name) == nullptr) return;
  queue_.Hurry(full_name);
  Look(full_name);
}

void MirrorPods::Recreate(const std::string& mirror_uid) {
  for (auto& [full_name, entry] : entries_) {
    if (!entry.mirror || entry.mirror->uid != mirror_uid) continue;
    entry.mirror->outlived = true;
    Look(full_name);
    return;
  }
}

std::string MirrorPods::MirrorOf(const api::core::Pod& pod) const {
  auto it = entries_.find(api::FullName(pod));
  if (it == entries_.end() || !it->second.mirror) return "";
  const Mirror& mirror = *it->second.mirror;
  bool right = mirror.hash == api::Annotation(pod, api::kConfigHash) && !mirror.deleting;
  return right ? mirror.uid : "";
}

std::string MirrorPods::ShownAs(const api::core::Pod& pod) const {
  std::string right = MirrorOf(pod);
  auto it = entries_.find(api::FullName(pod));
  if (!right.empty() || it == entries_.end() || !it->second.mirror) return right;
  return it->second.mirror->shows == pod.metadata().uid() ? it->second.mirror->uid : "";
}

std::map<std::string, std::string> MirrorPods::Problems() const {
  std::map<std::string, std::string> problems;
  for (const auto& [full_name, entry] : entries_) {
    if (!entry.problem.empty()) problems[full_name] = entry.problem;
  }
  return problems;
}

MirrorPods::Entry& MirrorPods::Make(const std::string& full_name, const api::core::Pod& pod) {
  Entry& entry = entries_[full_name];
  entry.name = pod.metadata().name();
  entry.namespace_ = pod.metadata().namespace_();
  return entry;
}

MirrorPods::Entry* MirrorPods::Find(const std::string& full_name) {
  auto it = entries_.find(full_name);
  return it == entries_.end() ? nullptr : &it->second;
}

// False for news that are older than what is known.
bool MirrorPods::Note(Entry& entry, const api::core::Pod& pod, From from) {
  bool seen = from == From::kEvent || from == From::kList;
  Mirror next;
  next.uid = pod.metadata().uid();
  next.hash = api::Annotation(pod, api::kConfigMirror);
  next.shows = api::StaticUidOf(pod);
  next.version = Number(pod.metadata().resource_version());
  next.deleting = pod.metadata().has_deletion_timestamp();
  next.seen = seen;
  if (seen && next.uid == entry.dead_uid) {
    // An old list, or an etcd in which it was never deleted: then what is known is not there.
    if (from == From::kList && entry.mirror) entry.mirror->doubt = true;
    return false;
  }
  if (entry.mirror) {
    bool older = next.version != 0 && next.version < entry.mirror->version;
    if (older && (from == From::kEvent || from == From::kAnswer)) return false;
    if (entry.mirror->uid == next.uid) {
      next.outlived = entry.mirror->outlived;
      next.seen |= entry.mirror->seen;
    }
  }
  entry.mirror = next;
  return true;
}

void MirrorPods::Look(const std::string& full_name) {
  Entry& entry = entries_[full_name];
  switch (Decide(full_name, entry)) {
    case Action::kNothing:
      entry.problem = entry.wanted && !entry.mirror ? Waiting() : "";
      EraseIdle(full_name);
      break;
    case Action::kLook:
      queue_.AddAfter(full_name, options_.doubt);
      break;
    default:
      queue_.Add(full_name);
  }
}

std::string MirrorPods::Waiting() const {
  if (!have_mirrors_) return "no mirror pod: the API server has not listed this node's pods yet";
  if (node_deleting_) return "no mirror pod: the Node object is being deleted";
  return node_uid_.empty() ? "no mirror pod: the API server has no Node object yet" : "";
}

void MirrorPods::LookAll() {
  std::vector<std::string> names;
  for (const auto& [full_name, entry] : entries_) names.push_back(full_name);
  for (const auto& full_name : names) Look(full_name);
}

void MirrorPods::EraseIdle(const std::string& full_name) {
  const Entry& entry = entries_[full_name];
  if (entry.wanted || entry.mirror || !entry.dead_uid.empty() || queue_.running(full_name)) return;
  queue_.Remove(full_name);
  entries_.erase(full_name);
}

}  // namespace kubelet::mirror
