#include "kubelet/status/writer.h"

#include <set>
#include <utility>

#include "kubelet/api/pod.h"
#include "status/merge.h"
#include "status/writer_entry.h"

namespace kubelet::status {

using api::core::PodStatus;

StatusWriter::StatusWriter(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      queue_({deps_.executor, deps_.clock, deps_.random}, options_.queue,
             [this](std::string key) { return Write(std::move(key)); }) {
  if (deps_.metrics == nullptr) return;
  durations_ =
      &deps_.metrics
           ->AddHistogram("kubelet_pod_status_sync_duration_seconds",
                          "Duration in seconds to sync a pod status update. Measures time from "
                          "detection of a change to pod status until the API is successfully "
                          "updated for that pod, even if multiple intevening changes to pod "
                          "status occur.",
                          {0.010, 0.050, 0.100, 0.500, 1, 5, 10, 20, 30, 45, 60})
           .Only();
}

StatusWriter::~StatusWriter() {
  if (audit_timer_) deps_.clock.Cancel(*audit_timer_);
}

base::Task<void> StatusWriter::Stop() {
  if (audit_timer_) deps_.clock.Cancel(*std::exchange(audit_timer_, std::nullopt));
  co_await queue_.Stop();
}

StatusWriter::Entry& StatusWriter::Make(const std::string& key) {
  auto& entry = entries_[key];
  if (!entry) entry = std::make_unique<Entry>();
  return *entry;
}

void StatusWriter::Set(const std::string& uid, const api::PodPtr& pod, const PodStatus& status,
                       Flags flags) {
  Entry& entry = Make(uid);
  SerializeTo(status, scratch_);
  size_t given = std::hash<std::string>()(scratch_);
  if (entry.wanted && entry.given == given && entry.terminal_allowed == flags.terminal_allowed)
    return;
  entry.given = given;
  const auto& meta = pod->metadata();
  if (entry.server && (entry.name != meta.name() || entry.namespace_ != meta.namespace_())) {
    entry.server.reset();  // somebody's pod that only calls itself our mirror
  }
  entry.name = meta.name();
  entry.namespace_ = meta.namespace_();
  entry.is_static = api::IsStatic(*pod);
  if (entry.is_static) entry.finished = false;  // it runs again under the same uid

  PodStatus next = status;
  Normalize(*pod, next);
  if (entry.wanted || entry.server) {
    PodStatus before = ParseStatus(entry.wanted ? *entry.wanted : entry.server->status);
    Follow(before, next);
    // Also when we do not know whether it has reached the server.
    if (entry.wanted && entry.MayBeTerminal() && !entry.is_static) {
      KeepEnd(before, next);
      flags.terminal_allowed |= IsTerminal(before.phase());
    }
  }
  SerializeTo(next, scratch_);
  if (entry.wanted == scratch_ && entry.terminal_allowed == flags.terminal_allowed) return;
  entry.wanted = scratch_;
  entry.wanted_ready = IsReady(next);
  entry.wanted_terminal = IsTerminal(next.phase());
  entry.terminal_allowed = flags.terminal_allowed;
  if (entry.written == entry.version) entry.changed_at = deps_.clock.Mono();
  ++entry.version;
  Queue(uid, entry);
  if (std::exchange(entry.rejected, false)) queue_.Hurry(uid);
}

void StatusWriter::Finished(const std::string& uid) {
  Entry& entry = Make(uid);
  if (entry.finished) return;
  entry.finished = true;
  if (entry.written == entry.version) entry.changed_at = deps_.clock.Mono();
  ++entry.version;
  Queue(uid, entry);
}

void StatusWriter::Forget(const std::string& uid) {
  auto it = entries_.find(uid);
  if (it == entries_.end()) return;
  queue_.Remove(uid);
  Entry& entry = *it->second;
  entry.wanted.reset();
  entry.finished = entry.terminal_allowed = entry.suspect = entry.rejected = false;
  entry.written = entry.version;
  entry.problem.clear();
  EraseIdle(uid);
}

void StatusWriter::EraseIdle(const std::string& key) {
  auto it = entries_.find(key);
  const Entry& entry = *it->second;
  if (!entry.wanted && !entry.server && !entry.finished) entries_.erase(it);
}

void StatusWriter::Queue(const std::string& key, const Entry& entry) {
  if (!entry.server || entry.deleted || (!entry.wanted && !entry.finished)) return;
  bool urgent = entry.Deletable() || (entry.wanted && entry.wanted_ready != entry.server->ready) ||
                (entry.wanted_terminal && entry.MayBeTerminal() && !entry.server->terminal);
  queue_.Add(key, urgent);
}

void StatusWriter::Observed(const api::PodPtr& pod) { Note(KeyOf(*pod), *pod, News::kEvent); }

void StatusWriter::ObservedAll(const std::vector<api::PodPtr>& pods) {
  std::set<std::string> there;
  for (const auto& pod : pods) there.insert(KeyOf(*pod));
  std::vector<std::string> gone;
  for (const auto& [key, entry] : entries_) {
    if (entry->server && !there.contains(key)) gone.push_back(key);
  }
  for (const auto& key : gone) DropServer(key, 0);
  for (const auto& pod : pods) Note(KeyOf(*pod), *pod, News::kWhole);
}

void StatusWriter::Removed(const api::PodPtr& last) {
  std::string key = KeyOf(*last);
  if (Find(key, last->metadata().uid()) != nullptr) DropServer(key, ViewOf(*last).version);
}

// What the server shows; of an event, unless it is older than what is known.
void StatusWriter::Note(const std::string& key, const api::core::Pod& pod, News news) {
  const auto& meta = pod.metadata();
  Entry& entry = Make(key);
  if (entry.name.empty()) {
    entry.name = meta.name();
    entry.namespace_ = meta.namespace_();
  }
  ServerView view = ViewOf(pod);
  uint64_t known = entry.server ? entry.server->version : entry.gone_version;
  bool stale = news == News::kEvent && view.version != 0 && view.version <= known;
  if (stale || entry.name != meta.name() || entry.namespace_ != meta.namespace_()) return;
  bool fresh = !entry.server || entry.server->uid != view.uid;
  bool same = !fresh && entry.server->status == view.status;
  bool ends = view.deleting && (fresh || !entry.server->deleting);
  entry.server = std::move(view);
  if (fresh) {
    entry.deleted = false;
    if (entry.wanted) {
      PodStatus wanted = ParseStatus(*entry.wanted);
      if (Follow(pod.status(), wanted)) SerializeTo(wanted, *entry.wanted);
    }
  }
  if (fresh || (ends && entry.finished)) {
    Queue(key, entry);
  } else if (!same && !queue_.running(key)) {
    Suspect(entry);
  }
}

void StatusWriter::DropServer(const std::string& key, uint64_t version) {
  Entry& entry = *entries_[key];
  entry.gone_version = std::max(version, entry.server ? entry.server->version : 0);
  entry.server.reset();
  entry.suspect = entry.deleted = false;
  entry.problem.clear();
  queue_.Remove(key);
  EraseIdle(key);
}

void StatusWriter::Suspect(Entry& entry) {
  if (!entry.wanted) return;
  entry.suspect = true;
  if (!audit_timer_) audit_timer_ = deps_.clock.After(options_.audit, [this] { Audit(); });
}

void StatusWriter::Audit() {
  audit_timer_.reset();
  for (auto& [key, entry] : entries_) {
    if (std::exchange(entry->suspect, false)) Queue(key, *entry);
  }
}

std::optional<PodStatus> StatusWriter::Shown(const std::string& uid) const {
  auto it = entries_.find(uid);
  if (it == entries_.end() || !it->second->server) return std::nullopt;
  return ParseStatus(it->second->server->status);
}

std::string StatusWriter::Problem(const std::string& uid) const {
  auto it = entries_.find(uid);
  return it == entries_.end() ? "" : it->second->problem;
}

}  // namespace kubelet::status
