#include "source/local_object_set.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"

namespace kubelet::source {
namespace {

template <typename T>
void AddAll(const std::vector<std::shared_ptr<const T>>& list, bool secret,
            LocalObjectSet::Objects& out) {
  for (const auto& object : list) {
    const auto& meta = object->metadata();
    out[LocalKey{secret, meta.namespace_(), meta.name()}] = object;
  }
}

Problem MakeProblem(const std::string& origin, const std::string& text, bool kept, bool warning) {
  Problem problem;
  problem.severity = warning ? Problem::Severity::kWarning : Problem::Severity::kError;
  problem.origin = origin;
  problem.text = text;
  problem.kept = kept;
  return problem;
}

// A problem that was there before keeps its time.
void Date(std::vector<Problem>& fresh, const std::vector<Problem>& old, base::WallTime now) {
  for (auto& problem : fresh) {
    auto same = std::find_if(old.begin(), old.end(),
                             [&](const Problem& other) { return problem.Same(other); });
    problem.since = same == old.end() ? now : same->since;
  }
}

}  // namespace

std::vector<LocalKey> LocalObjectSet::Apply(Listing listing, base::WallTime now,
                                            base::MonoTime mono) {
  directory_status_ = listing.directory;
  if (!listing.directory.ok()) {
    read_ = read_ || absl::IsNotFound(listing.directory);
    UpdateProblems(now);
    return {};
  }
  read_ = true;
  DropGone(listing, mono);
  Judge(listing);
  Serve();
  UpdateProblems(now);
  return Collect();
}

void LocalObjectSet::DropGone(const Listing& listing, base::MonoTime mono) {
  auto gone = [&](const std::string& path, File& file) {
    if (listing.files.contains(path) || listing.held.contains(path)) {
      file.missing_since.reset();
      return false;
    }
    // Deleted from the directory it was read from; not so when the directory is another: it may be
    // one that something else is to be mounted on.
    if (file.directory == listing.directory_id) return true;
    if (!file.missing_since) file.missing_since = mono;
    return mono >= *file.missing_since + directory_hold_;
  };
  for (auto it = files_.begin(); it != files_.end();)
    it = gone(it->first, it->second) ? files_.erase(it) : std::next(it);
}

void LocalObjectSet::Judge(const Listing& listing) {
  for (const auto& [path, reading] : listing.files) {
    bool known = files_.contains(path);
    if (listing.held.contains(path) || (reading.skipped && !known)) continue;
    File& file = files_[path];
    if (!reading.status.ok()) {
      file.fits = false;
      file.content.clear();
      file.errors.assign(1, base::Message(reading.status));
      file.warnings.clear();
      continue;
    }
    file.directory = listing.directory_id;
    std::string content = base::Fnv1a128Hex(reading.text);
    if (content == file.content) continue;
    file.content = content;
    JudgedObjects judged = JudgeObjects(reading.text);
    file.fits = judged.errors.empty();
    file.errors = std::move(judged.errors);
    file.warnings = std::move(judged.warnings);
    file.latest.clear();
    if (!file.fits) continue;
    AddAll(judged.config_maps, false, file.latest);
    AddAll(judged.secrets, true, file.latest);
  }
}

// What one file gives up another may take, so it goes on until nothing moves.
void LocalObjectSet::Serve() {
  std::vector<std::string> order;
  for (const auto& [path, file] : files_) order.push_back(path);
  std::sort(order.begin(), order.end(), ClaimsBefore);
  for (bool moved = true; std::exchange(moved, false);) {
    for (const auto& path : order) moved = Take(path, files_[path]) || moved;
  }
}

bool LocalObjectSet::Take(const std::string& path, File& file) {
  if (!file.fits || file.served == file.latest) {
    file.conflict.clear();
    return false;
  }
  for (const auto& [key, object] : file.latest) {
    for (const auto& [other, its] : files_) {
      if (other == path || !its.served.contains(key)) continue;
      file.conflict = key.Text() + ": is already provided by " + other;
      return false;
    }
  }
  file.conflict.clear();
  file.served = file.latest;
  return true;
}

std::vector<LocalKey> LocalObjectSet::Collect() {
  Objects fresh;
  for (const auto& [path, file] : files_)
    for (const auto& [key, object] : file.served) fresh[key] = object;
  std::vector<LocalKey> changed;
  for (auto& [key, object] : fresh) {
    auto before = objects_.find(key);
    bool same = before != objects_.end() &&
                google::protobuf::util::MessageDifferencer::Equals(*before->second, *object);
    if (!same) changed.push_back(key);
  }
  for (const auto& [key, object] : objects_)
    if (!fresh.contains(key)) changed.push_back(key);
  objects_ = std::move(fresh);
  return changed;
}

void LocalObjectSet::UpdateProblems(base::WallTime now) {
  std::vector<Problem> directory;
  if (!directory_status_.ok())
    directory.push_back(MakeProblem(path_, base::Message(directory_status_), !objects_.empty(),
                                    absl::IsNotFound(directory_status_) && objects_.empty()));
  std::vector<Problem> old;
  if (directory_problem_) old.push_back(*directory_problem_);
  Date(directory, old, now);
  directory_problem_.reset();
  if (!directory.empty()) directory_problem_ = directory[0];
  for (auto& [path, file] : files_) {
    std::vector<Problem> fresh;
    bool kept = !file.served.empty();
    for (const auto& text : file.errors) fresh.push_back(MakeProblem(path, text, kept, false));
    if (!file.conflict.empty()) fresh.push_back(MakeProblem(path, file.conflict, kept, false));
    for (const auto& text : file.warnings) fresh.push_back(MakeProblem(path, text, false, true));
    if (file.missing_since)
      fresh.push_back(
          MakeProblem(path, "the directory was replaced and lacks this file", true, true));
    Date(fresh, file.problems, now);
    file.problems = std::move(fresh);
  }
}

std::vector<Problem> LocalObjectSet::Problems() const {
  std::vector<Problem> all;
  if (directory_problem_) all.push_back(*directory_problem_);
  for (const auto& [path, file] : files_)
    all.insert(all.end(), file.problems.begin(), file.problems.end());
  return all;
}

std::optional<base::MonoTime> LocalObjectSet::NextDeadline() const {
  std::optional<base::MonoTime> next;
  for (const auto& [path, file] : files_) {
    if (!file.missing_since) continue;
    auto end = *file.missing_since + directory_hold_;
    if (!next || end < *next) next = end;
  }
  return next;
}

}  // namespace kubelet::source
