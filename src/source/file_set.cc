#include "source/file_set.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <array>

#include "kubelet/api/pod.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"

namespace kubelet::source {
namespace {

std::string Seen(const api::core::Pod& pod) { return api::Annotation(pod, api::kConfigSeen); }

// The claims of a pod: no two served pods may share one.
std::array<std::string, 2> Claims(const api::core::Pod& pod) {
  return {"pod " + api::PodKey(pod), "uid " + pod.metadata().uid()};
}

bool SameMeaning(const api::core::Pod& served, const api::core::Pod& fresh) {
  auto aligned = WithIdentity(fresh, served.metadata().uid(), Seen(served));
  return google::protobuf::util::MessageDifferencer::Equals(served, *aligned);
}

}  // namespace

bool ClaimsBefore(const std::string& a, const std::string& b) {
  auto manifest = [](const std::string& path) {
    for (const char* extension : {".yaml", ".yml", ".json", ".manifest"}) {
      if (path.ends_with(extension)) return true;
    }
    return false;
  };
  if (manifest(a) != manifest(b)) return manifest(a);
  return a < b;
}

void FileSet::Restore(const Checkpoint& checkpoint) {
  if (checkpoint.source != options_.path) return;
  Origin origin;
  origin.location = checkpoint.identity_path;
  origin.node_name = options_.node_name;
  origin.references = options_.references;
  Judged judged = options_.judge(checkpoint.text, origin);
  if (!judged.pod) return;
  Served served;
  served.identity_path = checkpoint.identity_path;
  served.computed_uid = judged.pod->metadata().uid();
  served.content = base::Fnv1a128Hex(checkpoint.text);
  served.text = checkpoint.text;
  served.directory = checkpoint.directory;
  bool same_node = checkpoint.node_name == options_.node_name;
  served.pod =
      WithIdentity(*judged.pod, same_node ? checkpoint.uid : served.computed_uid, checkpoint.seen);
  served.saved = same_node;
  for (const auto& [path, entry] : entries_) {
    for (const auto& claim : Claims(*entry.served->pod)) {
      for (const auto& own : Claims(*served.pod)) {
        if (claim == own) return;
      }
    }
  }
  entries_[checkpoint.path].served = std::move(served);
}

bool FileSet::Apply(Listing listing, base::WallTime now, base::MonoTime mono) {
  auto before = Pods();
  removed_.clear();
  if (!DirectoryFailed(listing.directory, now, mono)) {
    Uids deleted = Deleted(listing);
    Contents contents;
    for (const auto& [path, reading] : listing.files) {
      if (reading.status.ok() && !listing.held.contains(path))
        contents[path] = base::Fnv1a128Hex(reading.text);
    }
    FollowMoves(listing, contents);
    DropGone(listing, mono);
    JudgeFiles(listing, contents, now);
    while (AcceptCandidates()) {
    }
    Renew(deleted, now);
  }
  UpdateProblems(now);
  return before != Pods();
}

bool FileSet::DirectoryFailed(const absl::Status& status, base::WallTime now, base::MonoTime mono) {
  if (status.ok()) {
    directory_gone_since_.reset();
    directory_problem_.reset();
    return false;
  }
  if (!directory_gone_since_) directory_gone_since_ = mono;
  bool held = mono - *directory_gone_since_ < options_.directory_hold;
  if (!held && options_.remove_when_directory_gone) entries_.clear();
  Problem problem;
  problem.origin = options_.path;
  problem.text = base::Message(status);
  problem.kept = !ServedPaths().empty();
  problem.since = now;
  if (problem.kept) {
    problem.text +=
        held ? "; the pods read from it keep running"
             : "; still after " + base::GoDuration(options_.directory_hold) +
                   ", the pods read from it keep running until the directory is back without them";
  } else if (absl::IsNotFound(status)) {
    problem.severity = Problem::Severity::kWarning;
  }
  if (directory_problem_) problem.since = directory_problem_->since;
  directory_problem_ = std::move(problem);
  return true;
}

// The served text is no longer at its path.
bool FileSet::Lost(const std::string& path, const Entry& entry, const Listing& listing,
                   const Contents& contents) const {
  if (!entry.served || listing.held.contains(path)) return false;
  if (!listing.files.contains(path)) return true;
  auto it = contents.find(path);
  return it != contents.end() && it->second != entry.served->content;
}

std::string FileSet::Destination(const std::string& path, const Served& served,
                                 const Listing& listing, const Contents& contents,
                                 const std::set<std::string>& lost) const {
  auto occupied = [&](const std::string& to) {
    auto it = entries_.find(to);
    return it != entries_.end() && it->second.served && !Lost(to, it->second, listing, contents);
  };
  bool gone = !listing.files.contains(path);
  // Still there with other content: an edit, unless that content is another lost one (files were
  // exchanged). A copy of the old content is then a backup, not the manifest.
  if (!gone && !lost.contains(contents.at(path))) return "";
  std::string best;
  for (const auto& [to, content] : contents) {
    if (to == path || content != served.content || occupied(to)) continue;
    if (best.empty() || ClaimsBefore(to, best)) best = to;
  }
  if (!best.empty() || !gone) return best;
  // Moved and changed, perhaps for the worse: the inode tells, or an editor brought it back under
  // its first name.
  auto vacant = [&](const std::string& to) {
    auto it = entries_.find(to);
    return !listing.held.contains(to) && (it == entries_.end() || !it->second.served);
  };
  for (const auto& [to, reading] : listing.files) {
    if (served.file.Certain() && reading.id == served.file && vacant(to)) return to;
  }
  auto first = listing.files.find(served.identity_path);
  return first != listing.files.end() && !first->second.skipped && vacant(first->first)
             ? first->first
             : "";
}

void FileSet::FollowMoves(const Listing& listing, const Contents& contents) {
  std::set<std::string> lost;
  for (const auto& [path, entry] : entries_) {
    if (Lost(path, entry, listing, contents)) lost.insert(entry.served->content);
  }
  if (lost.empty()) return;
  std::map<std::string, std::string> moves;  // to -> from
  for (const auto& [path, entry] : entries_) {
    if (!Lost(path, entry, listing, contents)) continue;
    std::string to = Destination(path, *entry.served, listing, contents, lost);
    if (!to.empty()) moves.emplace(to, path);
  }
  Entries moved;
  for (const auto& [to, from] : moves) {
    Entry& entry = moved[to];
    entry.served = std::move(entries_.at(from).served);
    entry.served->saved = false;
  }
  for (const auto& [to, from] : moves) entries_.erase(from);
  for (auto& [to, entry] : moved) entries_[to] = std::move(entry);
}

void FileSet::DropGone(const Listing& listing, base::MonoTime mono) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    bool present = listing.files.contains(it->first);
    if (present) entry.missing_since.reset();
    if (present || listing.held.contains(it->first)) {
      ++it;
      continue;
    }
    bool gone = !entry.served || entry.served->directory == listing.directory_id;
    if (!gone) {
      if (!entry.missing_since) entry.missing_since = mono;
      gone = mono - *entry.missing_since >= options_.directory_hold;
    }
    it = gone ? entries_.erase(it) : std::next(it);
  }
}

void FileSet::JudgeFiles(Listing& listing, const Contents& contents, base::WallTime now) {
  for (auto& [path, reading] : listing.files) {
    if (listing.held.contains(path)) continue;
    if (reading.skipped && !entries_.contains(path)) continue;
    Entry& entry = entries_[path];
    if (entry.served && entry.served->directory != listing.directory_id) {
      entry.served->directory = listing.directory_id;
      entry.served->saved = false;
    }
    if (!reading.status.ok()) {
      if (reading.skipped && !entry.served) {
        entries_.erase(path);
        continue;
      }
      entry.latest = Judged();
      entry.latest.errors.push_back(base::Message(reading.status));
      entry.latest_content.clear();
      entry.latest_text.clear();
      continue;
    }
    if (entry.served) entry.served->file = reading.id;
    entry.found = {reading.id, listing.directory_id};
    const std::string& content = contents.at(path);
    if (content == entry.latest_content) continue;
    Origin origin;
    origin.location = entry.served ? entry.served->identity_path : path;
    origin.node_name = options_.node_name;
    origin.seen = now;
    origin.references = options_.references;
    entry.latest = options_.judge(reading.text, origin);
    entry.latest_content = content;
    entry.latest_text.clear();
    if (entry.latest.pod && !(entry.served && entry.served->content == content)) {
      entry.latest_text = std::move(reading.text);
    }
  }
}

// Manifests whose own file was deleted from the directory that is still there. One that is back as
// the same file was only away.
FileSet::Uids FileSet::Deleted(const Listing& listing) const {
  Uids out;
  for (const auto& path : listing.deleted) {
    auto entry = entries_.find(path);
    auto reading = listing.files.find(path);
    if (entry == entries_.end() || !entry->second.served || reading == listing.files.end())
      continue;
    const Served& served = *entry->second.served;
    if (listing.held.contains(path) || served.directory != listing.directory_id) continue;
    if (served.file.Certain() && reading->second.id == served.file) continue;
    out[path] = served.pod->metadata().uid();
  }
  return out;
}

// The pod of a new file is another one, and only looks like the one that was removed.
void FileSet::Renew(const Uids& deleted, base::WallTime now) {
  for (const auto& [path, uid] : deleted) {
    auto it = entries_.find(path);
    if (it == entries_.end() || !it->second.served || !it->second.latest.pod) continue;
    Served& served = *it->second.served;
    bool taken_over = it->second.latest_content == served.content;
    if (!taken_over || served.pod->metadata().uid() != uid) continue;
    served.pod = WithIdentity(*served.pod, uid, base::Rfc3339Nano(now));
    served.saved = false;
    removed_.insert(uid);
  }
}

// Which of the candidates in `accepted` must step back, and for whose sake.
std::map<std::string, std::string> FileSet::Losers(const std::set<std::string>& accepted) const {
  struct Claimant {
    std::string path;
    int rank;  // 0 serves and keeps it, 1 serves it and would with its new content, 2 would newly
               // serve it
  };
  std::map<std::string, std::vector<Claimant>> contests;
  for (const auto& [path, entry] : entries_) {
    bool candidate = accepted.contains(path);
    if (!candidate && !entry.served) continue;
    const auto& pod = candidate ? entry.latest.pod : entry.served->pod;
    for (const auto& claim : Claims(*pod)) {
      int rank = candidate ? 2 : 0;
      if (candidate && entry.served) {
        for (const auto& own : Claims(*entry.served->pod)) {
          if (own == claim) rank = 1;
        }
      }
      contests[claim].push_back({path, rank});
    }
  }
  std::map<std::string, std::string> losers;
  for (const auto& [claim, claimants] : contests) {
    auto winner =
        std::min_element(claimants.begin(), claimants.end(), [](const auto& a, const auto& b) {
          return a.rank != b.rank ? a.rank < b.rank : ClaimsBefore(a.path, b.path);
        });
    for (const auto& claimant : claimants) {
      if (&claimant != &*winner)
        losers.emplace(claimant.path, claim + " is already provided by " + winner->path);
    }
  }
  return losers;
}

// Takes over every candidate that does not take a pod away from another file. True when one was
// taken over: others may now have their turn.
bool FileSet::AcceptCandidates() {
  std::set<std::string> accepted;
  for (auto& [path, entry] : entries_) {
    entry.conflict.clear();
    if (entry.latest.pod && !(entry.served && entry.served->content == entry.latest_content))
      accepted.insert(path);
  }
  if (accepted.empty()) return false;
  // A candidate that steps back keeps what it serves, which may in turn be what another wants.
  for (size_t stepped_back = 1; stepped_back > 0;) {
    stepped_back = 0;
    for (const auto& [path, why] : Losers(accepted)) {
      stepped_back += accepted.erase(path);
      entries_.at(path).conflict = why;
    }
  }
  for (const auto& path : accepted) Accept(path, entries_.at(path));
  return !accepted.empty();
}

void FileSet::Accept(const std::string& path, Entry& entry) {
  Served next;
  next.pod = entry.latest.pod;
  next.computed_uid = next.pod->metadata().uid();
  next.content = entry.latest_content;
  next.text = std::move(entry.latest_text);
  entry.latest_text.clear();
  if (entry.served) {
    const Served& last = *entry.served;
    next.identity_path = last.identity_path;
    if (next.computed_uid == last.computed_uid && SameMeaning(*last.pod, *next.pod)) {
      next.pod = last.pod;
    } else if (next.computed_uid == last.pod->metadata().uid()) {
      next.pod = WithIdentity(*next.pod, next.computed_uid, Seen(*last.pod));
    }
  } else {
    next.identity_path = path;
  }
  next.file = entry.found.file;
  next.directory = entry.found.directory;
  entry.served = std::move(next);
}

void FileSet::UpdateProblems(base::WallTime now) {
  for (auto& each : entries_) {
    const std::string& path = each.first;
    auto& entry = each.second;
    std::vector<Problem> fresh;
    auto add = [&](const std::string& text, bool warning) {
      Problem problem;
      problem.severity = warning ? Problem::Severity::kWarning : Problem::Severity::kError;
      problem.origin = path;
      problem.pod = entry.latest.name;
      if (problem.pod.empty() && entry.served) problem.pod = api::PodKey(*entry.served->pod);
      problem.text = text;
      problem.kept = !warning && entry.served.has_value();
      problem.since = now;
      for (const auto& old : entry.problems) {
        if (old.Same(problem)) problem.since = old.since;
      }
      fresh.push_back(std::move(problem));
    };
    for (const auto& text : entry.latest.errors) add(text, false);
    if (!entry.conflict.empty()) add(entry.conflict, false);
    for (const auto& text : entry.latest.warnings) add(text, true);
    if (entry.missing_since) {
      add("the directory was replaced and lacks this manifest; its pod keeps running for " +
              base::GoDuration(options_.directory_hold),
          false);
    }
    entry.problems = std::move(fresh);
  }
}

}  // namespace kubelet::source
