#include "source/file_source.h"

#include <algorithm>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::source {
namespace {

// A share of the blocking pool of its own: a dead filesystem below the manifests holds up nothing
// else.
constexpr char kPoolKind[] = "manifests";
constexpr char kSaveKind[] = "checkpoints";

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

FileSourceOptions Normal(FileSourceOptions options) {
  options.path = WithoutTrailingSlash(std::move(options.path));
  return options;
}

FileSet::Options SetOptions(const FileSourceOptions& o) {
  FileSet::Options out;
  out.path = o.path;
  out.node_name = o.node_name;
  out.directory_hold = o.directory_hold;
  out.remove_when_directory_gone = o.remove_when_directory_gone;
  out.references = o.references;
  out.judge = o.judge;
  return out;
}

}  // namespace

std::unique_ptr<PodSource> MakeFileSource(FileSourceOptions options, SourceDeps deps) {
  return std::make_unique<FileSource>(std::move(options), std::move(deps));
}

FileSource::FileSource(FileSourceOptions options, SourceDeps deps)
    : options_(Normal(std::move(options))),
      deps_(std::move(deps)),
      set_(SetOptions(options_)),
      settler_({options_.quiet, options_.burst_limit, options_.writer_hold}),
      wake_(deps_.executor, deps_.clock),
      save_wake_(deps_.executor, deps_.clock),
      scope_(deps_.executor) {}

void FileSource::Start() {
  auto inotify = os::Inotify::Create(deps_.executor);
  inotify_status_ = inotify.status();
  if (inotify.ok()) {
    inotify_ = *std::move(inotify);
    scope_.Spawn("manifest events", ReadEvents());
  } else {
    LOG_WARNING("Cannot watch for manifests, looking periodically", "path", options_.path, "err",
                inotify_status_);
  }
  scope_.Spawn("manifests", Run());
  if (!options_.state_dir.empty()) scope_.Spawn("manifest checkpoints", SaveLoop());
}

base::Task<void> FileSource::Stop() {
  co_await scope_.Stop();
  // What was accepted a moment ago must survive the restart.
  if (!options_.state_dir.empty()) co_await Save();
}

base::Task<void> FileSource::Run() {
  if (!options_.state_dir.empty()) co_await RestoreAll();
  for (;;) {
    auto now = deps_.clock.Mono();
    bool due = settler_.TakeDue(now);
    if (due || look_now_ || now >= NextLook()) {
      look_now_ = false;
      idle_ = false;
      if (watch_ < 0 && now >= next_watch_) co_await Watch();
      co_await Look();
      continue;
    }
    auto next = NextLook();
    if (auto settled = settler_.Next()) next = std::min(next, *settled);
    idle_ = true;
    co_await wake_.Wait(next);
  }
}

base::MonoTime FileSource::NextLook() const {
  auto next = next_full_;
  if (watch_ < 0 && inotify_) next = std::min(next, next_watch_);
  if (auto deadline = set_.NextDeadline()) next = std::min(next, *deadline);
  return next;
}

base::Task<void> FileSource::ReadEvents() {
  for (;;) {
    auto events = co_await inotify_->Read();
    if (!events.ok()) {
      LOG_ERROR("Cannot read events of the manifest directory, looking periodically", "err",
                events.status());
      co_return;
    }
    HandleEvents(*events);
    wake_.Notify();
  }
}

void FileSource::HandleEvents(const std::vector<os::InotifyEvent>& events) {
  auto now = deps_.clock.Mono();
  for (const auto& event : events) {
    if (event.mask & IN_Q_OVERFLOW) {
      look_now_ = true;
      continue;
    }
    if (watching_) unassigned_.push_back(event);
    if (watching_ || event.watch != watch_) continue;
    if (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
      Unwatched();
      look_now_ = true;
      continue;
    }
    std::string directory = single_ ? os::DirName(options_.path) : options_.path;
    os::InotifyEvent named = event;
    named.name = directory + "/" + event.name;
    bool ours = single_ ? named.name == options_.path : !event.name.empty() && event.name[0] != '.';
    if (ours) settler_.Add(named, set_.Has(named.name), now);
  }
}

void FileSource::Unwatched() {
  if (watch_ >= 0) inotify_->Unwatch(watch_);
  // next_watch_ stays: at once, unless the watch was set within the last rewatch_period.
  watch_ = -1;
}

base::Task<void> FileSource::RestoreAll() {
  std::function<absl::StatusOr<LoadedCheckpoints>()> load = [directory = CheckpointDirectory()] {
    return LoadCheckpoints(directory);
  };
  auto loaded =
      co_await deps_.pool.Run<LoadedCheckpoints>(kSaveKind, options_.io_timeout, std::move(load));
  if (!loaded.ok()) {
    LOG_ERROR("Cannot read the checkpoints of static pods", "dir", CheckpointDirectory(), "err",
              loaded.status());
    co_return;
  }
  for (const auto& bad : loaded->bad)
    LOG_ERROR("Bad checkpoint of a static pod, ignored", "what", bad);
  for (const auto& checkpoint : loaded->good) {
    on_disk_.insert(checkpoint.path);
    if (checkpoint.path == options_.path) single_ = true;
    set_.Restore(checkpoint);
  }
}

base::Task<void> FileSource::Watch() {
  next_watch_ = deps_.clock.Mono() + options_.rewatch_period;
  if (!inotify_) co_return;
  std::function<absl::StatusOr<WatchedPlace>()> work = [watcher = inotify_->watcher(),
                                                        path = options_.path, single = single_] {
    return WatchManifests(watcher, path, single);
  };
  watching_ = true;
  auto watched =
      co_await deps_.pool.Run<WatchedPlace>(kPoolKind, options_.io_timeout, std::move(work));
  watching_ = false;
  auto early = std::exchange(unassigned_, {});
  if (!watched.ok()) {
    if (inotify_status_.code() != watched.status().code()) {
      LOG_WARNING("Cannot watch for manifests, looking periodically", "path", options_.path, "err",
                  watched.status());
    }
    inotify_status_ = watched.status();
    co_return;
  }
  inotify_status_ = absl::OkStatus();
  watch_ = watched->watch;
  watched_ = watched->directory_id;
  HandleEvents(early);
}

base::Task<void> FileSource::Look() {
  next_full_ = deps_.clock.Mono() + options_.check_period;
  Listing listing = co_await TakeListing();
  if (inotify_) {
    auto events = inotify_->Drain();
    HandleEvents(events);
  }
  // Also what closed while we read: its text may be from before. The next look, which is due
  // already, has it.
  listing.held = settler_.Pending();
  listing.deleted = settler_.TakeDeleted(listing.held);
  if (listing.directory.ok() && watch_ >= 0 && listing.directory_id != watched_) Unwatched();
  if (listing.directory.ok() || absl::IsNotFound(listing.directory)) listed_ = true;
  bool changed = set_.Apply(std::move(listing), deps_.clock.Now(), deps_.clock.Mono());
  ++looks_;
  Deliver(changed);
  Remind();
}

// What stays wrong is said again from time to time: a log is read from its end.
void FileSource::Remind() {
  auto now = deps_.clock.Mono();
  if (now < next_reminder_) return;
  next_reminder_ = now + options_.directory_hold;
  for (const auto& problem : problems_) {
    bool old = deps_.clock.Now() - problem.since >= options_.directory_hold;
    if (!old || problem.severity != Problem::Severity::kError) continue;
    LOG_ERROR("Bad manifest, still", "origin", problem.origin, "pod", problem.pod, "what",
              problem.text, "since", base::Rfc3339(problem.since), "lastGoodKept", problem.kept);
  }
}

base::Task<Listing> FileSource::TakeListing() {
  Listing listing;
  std::string path = options_.path;
  if (Hangs(path)) {
    listing.directory = absl::DeadlineExceededError(path + ": the filesystem does not answer");
    co_return listing;
  }
  auto call = std::make_shared<Call>();
  std::weak_ptr<Call> under_way = call;
  std::function<absl::StatusOr<ManifestPlace>()> find =
      [call = std::move(call), path, single = single_] { return FindManifests(path, single); };
  auto place =
      co_await deps_.pool.Run<ManifestPlace>(kPoolKind, options_.io_timeout, std::move(find));
  if (!place.ok()) {
    if (absl::IsDeadlineExceeded(place.status())) hung_[path] = under_way;
    listing.directory = place.status();
    co_return listing;
  }
  hung_.erase(path);
  single_ = place->single;
  listing.directory_id = place->directory_id;
  for (const auto& file : place->paths) {
    auto reading = co_await ReadOne(file);
    if (reading.ok()) listing.files[file] = *std::move(reading);
  }
  std::erase_if(hung_, [](const auto& item) { return item.second.expired(); });
  co_return listing;
}

base::Task<absl::StatusOr<Reading>> FileSource::ReadOne(std::string path) {
  Reading failed;
  failed.status = absl::DeadlineExceededError(path + ": the filesystem does not answer");
  if (Hangs(path)) co_return failed;
  auto call = std::make_shared<Call>();
  std::weak_ptr<Call> under_way = call;
  std::function<absl::StatusOr<Reading>()> read = [call = std::move(call), path] {
    return ReadManifest(path);
  };
  auto reading = co_await deps_.pool.Run<Reading>(kPoolKind, options_.io_timeout, std::move(read));
  if (absl::IsDeadlineExceeded(reading.status())) {
    hung_[path] = under_way;
    co_return failed;
  }
  co_return reading;
}

void FileSource::Deliver(bool changed) {
  UpdateProblems();
  if (changed || !delivered_) {
    // Until the directory was read once, pods of which nothing is known here may be running.
    Snapshot snapshot;
    snapshot.source = name_;
    snapshot.pods = set_.Pods();
    snapshot.complete = listed_;
    delivered_ = listed_;
    // Who looks at what is there only would not see that it was gone.
    if (!set_.removed().empty()) {
      Snapshot without = snapshot;
      std::erase_if(without.pods, [this](const auto& pod) {
        return set_.removed().contains(pod->metadata().uid());
      });
      deps_.on_snapshot(without);
    }
    deps_.on_snapshot(snapshot);
  }
  if (!options_.state_dir.empty()) {
    saved_ = false;
    save_wake_.Notify();
  }
}

void FileSource::UpdateProblems() {
  auto fresh = set_.Problems();
  if (!save_status_.ok()) {
    Problem problem;
    problem.severity = Problem::Severity::kWarning;
    problem.origin = CheckpointDirectory();
    problem.text = "cannot save the last good manifests: " + base::Message(save_status_);
    problem.since = save_failed_since_;
    fresh.push_back(std::move(problem));
  }
  auto in = [](const std::vector<Problem>& list, const Problem& problem) {
    return std::any_of(list.begin(), list.end(), [&](const Problem& p) { return p.Same(problem); });
  };
  for (const auto& problem : fresh) {
    if (in(problems_, problem)) continue;
    if (problem.severity == Problem::Severity::kWarning) {
      LOG_WARNING("Manifest problem", "origin", problem.origin, "pod", problem.pod, "what",
                  problem.text);
    } else {
      LOG_ERROR("Bad manifest", "origin", problem.origin, "pod", problem.pod, "what", problem.text,
                "lastGoodKept", problem.kept);
    }
  }
  for (const auto& problem : problems_) {
    if (!in(fresh, problem))
      LOG_V(1, "Manifest problem gone", "origin", problem.origin, "what", problem.text);
  }
  bool same =
      fresh.size() == problems_.size() &&
      std::all_of(fresh.begin(), fresh.end(), [&](const Problem& p) { return in(problems_, p); });
  problems_ = std::move(fresh);
  if (!same && deps_.on_problem_change) deps_.on_problem_change();
}

base::Task<void> FileSource::SaveLoop() {
  for (;;) {
    co_await save_wake_.Wait();
    co_await Save();
    saved_ = true;
    UpdateProblems();
  }
}

base::Task<void> FileSource::Save() {
  absl::Status result;
  for (const auto& checkpoint : set_.Unsaved()) {
    std::function<absl::Status()> save = [directory = CheckpointDirectory(), checkpoint] {
      return SaveCheckpoint(directory, checkpoint);
    };
    auto status = co_await deps_.pool.RunStatus(kSaveKind, options_.io_timeout, std::move(save));
    if (status.ok()) {
      on_disk_.insert(checkpoint.path);
      set_.MarkSaved(checkpoint);
    } else {
      result = status;
    }
  }
  // Before the first listing nothing is known to be gone.
  std::set<std::string> stale = listed_ ? on_disk_ : std::set<std::string>();
  for (const auto& path : set_.ServedPaths()) stale.erase(path);
  for (const auto& path : stale) {
    std::function<absl::Status()> remove = [directory = CheckpointDirectory(), path] {
      return RemoveCheckpoint(directory, path);
    };
    auto status = co_await deps_.pool.RunStatus(kSaveKind, options_.io_timeout, std::move(remove));
    if (status.ok()) {
      on_disk_.erase(path);
    } else {
      result = status;
    }
  }
  if (!result.ok() && save_status_.ok()) save_failed_since_ = deps_.clock.Now();
  save_status_ = result;
}

}  // namespace kubelet::source
