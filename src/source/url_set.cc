#include "source/url_set.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <set>

#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"

namespace kubelet::source {

// The pod as it is to be served: what is served already when it means the same, else with the
// first-seen time of the pod with its uid.
api::PodPtr UrlSet::Settled(const api::PodPtr& fresh) const {
  for (const auto& [name, served] : pods_) {
    if (served->metadata().uid() != fresh->metadata().uid()) continue;
    auto aligned =
        WithIdentity(*fresh, fresh->metadata().uid(), api::Annotation(*served, api::kConfigSeen));
    bool same = google::protobuf::util::MessageDifferencer::Equals(*served, *aligned);
    // What was kept over a restart may differ in empty messages, which mean nothing.
    same = same || api::EncodeJson(*served) == api::EncodeJson(*aligned);
    return same ? served : aligned;
  }
  return fresh;
}

void UrlSet::AddProblem(const std::string& pod, const std::string& text, bool warning,
                        base::WallTime now, std::vector<Problem>& out) const {
  Problem problem;
  problem.severity = warning ? Problem::Severity::kWarning : Problem::Severity::kError;
  problem.origin = shown_url_;
  problem.pod = pod;
  problem.text = text;
  problem.kept = !warning && (pod.empty() ? !pods_.empty() : pods_.contains(pod));
  problem.since = now;
  for (const auto& old : problems_) {
    if (old.Same(problem)) problem.since = old.since;
  }
  out.push_back(std::move(problem));
}

bool UrlSet::Apply(const std::string& body, base::WallTime now) {
  Origin origin;
  origin.kind = Origin::Kind::kHttp;
  origin.location = url_;
  origin.node_name = node_name_;
  origin.seen = now;
  origin.references = references_;
  std::map<std::string, api::PodPtr> next;
  std::set<std::string> uids, bad;
  std::vector<Problem> problems;
  bool unnamed = false, unknown = false;
  for (const Judged& judged : JudgeManifests(body, origin)) {
    for (const auto& text : judged.errors) AddProblem(judged.name, text, false, now, problems);
    for (const auto& text : judged.warnings) AddProblem(judged.name, text, true, now, problems);
    if (!judged.pod) {
      unnamed = unnamed || judged.name.empty();
      unknown = unknown || !pods_.contains(judged.name);
      bad.insert(judged.name);
      continue;
    }
    const std::string& uid = judged.pod->metadata().uid();
    if (next.contains(judged.name) || uids.contains(uid)) {
      AddProblem(judged.name,
                 "another item of the list has the same name or uid: only the first counts", false,
                 now, problems);
      continue;
    }
    uids.insert(uid);
    next[judged.name] = Settled(judged.pod);
  }
  for (const auto& [name, pod] : pods_) {
    bool keep = (unnamed || bad.contains(name)) && !uids.contains(pod->metadata().uid());
    if (keep) next.emplace(name, pod);
  }
  bool changed = next != pods_;
  pods_ = std::move(next);
  problems_ = std::move(problems);
  complete_ = complete_ || !unknown;
  return changed;
}

std::string UrlSet::PodList() const {
  api::core::PodList list;
  for (const auto& [name, pod] : pods_) *list.add_items() = *pod;
  return api::EncodeJson(list);
}

bool UrlSet::Restore(const std::string& pod_list) {
  api::core::PodList list;
  if (!api::DecodeJson(pod_list, list).ok()) return false;
  for (auto& pod : *list.mutable_items()) {
    std::string name = api::PodKey(pod);
    pods_[name] = std::make_shared<api::core::Pod>(std::move(pod));
  }
  complete_ = true;
  return true;
}

std::vector<api::PodPtr> UrlSet::Pods() const {
  std::vector<api::PodPtr> pods;
  for (const auto& [name, pod] : pods_) pods.push_back(pod);
  return pods;
}

}  // namespace kubelet::source
