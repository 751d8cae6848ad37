// What others see of a FileSet.
#include <algorithm>

#include "kubelet/api/pod.h"
#include "source/file_set.h"

namespace kubelet::source {

std::vector<api::PodPtr> FileSet::Pods() const {
  std::vector<api::PodPtr> pods;
  for (const auto& [path, entry] : entries_) {
    if (entry.served) pods.push_back(entry.served->pod);
  }
  // By name, so that renaming a file is no change.
  std::sort(pods.begin(), pods.end(),
            [](const auto& a, const auto& b) { return api::FullName(*a) < api::FullName(*b); });
  return pods;
}

std::vector<Problem> FileSet::Problems() const {
  std::vector<Problem> out;
  if (directory_problem_) out.push_back(*directory_problem_);
  for (const auto& [path, entry] : entries_)
    out.insert(out.end(), entry.problems.begin(), entry.problems.end());
  return out;
}

std::optional<base::MonoTime> FileSet::NextDeadline() const {
  std::optional<base::MonoTime> next;
  for (const auto& [path, entry] : entries_) {
    if (!entry.missing_since) continue;
    auto end = *entry.missing_since + options_.directory_hold;
    next = next ? std::min(*next, end) : end;
  }
  return next;
}

std::vector<Checkpoint> FileSet::Unsaved() const {
  std::vector<Checkpoint> out;
  for (const auto& [path, entry] : entries_) {
    if (!entry.served || entry.served->saved) continue;
    Checkpoint c;
    c.source = options_.path;
    c.path = path;
    c.identity_path = entry.served->identity_path;
    c.node_name = options_.node_name;
    c.uid = entry.served->pod->metadata().uid();
    c.name = api::PodKey(*entry.served->pod);
    c.seen = api::Annotation(*entry.served->pod, api::kConfigSeen);
    c.directory = entry.served->directory;
    c.text = entry.served->text;
    out.push_back(std::move(c));
  }
  return out;
}

void FileSet::MarkSaved(const Checkpoint& checkpoint) {
  auto it = entries_.find(checkpoint.path);
  if (it == entries_.end() || !it->second.served) return;
  Served& served = *it->second.served;
  served.saved = served.text == checkpoint.text && served.directory == checkpoint.directory &&
                 served.pod->metadata().uid() == checkpoint.uid &&
                 served.identity_path == checkpoint.identity_path;
}

std::set<std::string> FileSet::ServedPaths() const {
  std::set<std::string> out;
  for (const auto& [path, entry] : entries_) {
    if (entry.served) out.insert(path);
  }
  return out;
}

}  // namespace kubelet::source
