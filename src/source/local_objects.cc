#include "kubelet/source/local_objects.h"

#include <algorithm>
#include <atomic>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/inotify.h"
#include "source/local_object_set.h"
#include "source/manifest_dir.h"
#include "source/settle.h"

namespace kubelet::source {

using base::Task;

namespace {

// A share of the blocking pool of its own: a dead filesystem there holds up nothing else.
constexpr char kPoolKind[] = "local objects";
constexpr base::Nanos kDirectoryHold = std::chrono::minutes(5);

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

Listing ReadLocalObjects(const std::string& path) {
  Listing listing;
  auto info = os::Stat(path);
  if (info.ok() && info->kind != os::FileKind::kDirectory)
    info = absl::FailedPreconditionError(path + ": not a directory");
  listing.directory = info.status();
  if (!info.ok()) return listing;
  auto place = FindManifests(path, false);
  listing.directory = place.status();
  if (!place.ok()) return listing;
  listing.directory_id = place->directory_id;
  for (const auto& file : place->paths) {
    auto reading = ReadManifest(file);
    if (reading.ok()) listing.files[file] = *std::move(reading);
  }
  return listing;
}

int ValidateLocalObjects(const std::string& directory, std::ostream& out) {
  LocalObjectSet set(WithoutTrailingSlash(directory), kDirectoryHold);
  set.Apply(ReadLocalObjects(WithoutTrailingSlash(directory)), {}, {});
  int errors = 0;
  for (const auto& problem : set.Problems()) {
    // A directory that is not there is fine for a kubelet that waits for it, not for who asks.
    bool warning = problem.severity == Problem::Severity::kWarning &&
                   problem.origin != WithoutTrailingSlash(directory);
    errors += !warning;
    out << problem.origin << ": " << (warning ? "warning: " : "error: ") << problem.text << "\n";
  }
  for (const auto& [key, object] : set.objects())
    out << directory << ": ok: " << key.Text() << "\n";
  return errors == 0 ? 0 : 1;
}

struct LocalObjects::State {
  State(LocalObjectsOptions o, Deps d)
      : options(std::move(o)),
        deps(std::move(d)),
        set(options.path, kDirectoryHold),
        settler({options.quiet, options.burst_limit, options.writer_hold}),
        wake(deps.executor, deps.clock),
        scope(deps.executor) {}

  Task<void> Run();
  Task<void> ReadEvents();
  Task<void> Watch();
  Task<void> Look();
  void HandleEvents(const std::vector<os::InotifyEvent>& events);
  void Unwatch();
  void Tell(const std::vector<LocalKey>& changed);
  void UpdateProblems();
  base::MonoTime NextLook() const;
  template <typename T>
  absl::StatusOr<std::shared_ptr<const T>> Find(bool secret, const std::string& ns,
                                                const std::string& name) const {
    if (!set.read())
      return absl::UnavailableError(options.path + " was not read yet (--local-objects-dir)");
    auto it = set.objects().find(LocalKey{secret, ns, name});
    if (it == set.objects().end()) return absl::NotFoundError("no file in " + options.path);
    return std::static_pointer_cast<const T>(it->second);
  }

  LocalObjectsOptions options;
  Deps deps;
  LocalObjectSet set;
  Settler settler;
  std::unique_ptr<os::Inotify> inotify;
  int watch = -1;
  bool watching = false;                     // a watch is being set
  std::vector<os::InotifyEvent> unassigned;  // its events, until it is known
  os::FileId watched;
  bool look_now = true;
  base::MonoTime next_full{}, next_watch{};
  // Of a look that did not come back in time. Its work holds one, and lets it go when it has ended
  // or was dropped before it began.
  struct Call {};
  std::weak_ptr<Call> hung;
  std::vector<Problem> problems;
  uint64_t looks = 0;
  bool idle = false;
  base::WakeEvent wake;
  base::TaskScope scope;
};

LocalObjects::LocalObjects(LocalObjectsOptions options, Deps deps) {
  options.path = WithoutTrailingSlash(std::move(options.path));
  state_ = std::make_unique<State>(std::move(options), std::move(deps));
}
LocalObjects::~LocalObjects() = default;

void LocalObjects::Start() {
  auto inotify = os::Inotify::Create(state_->deps.executor);
  if (inotify.ok()) {
    state_->inotify = *std::move(inotify);
    state_->scope.Spawn("local object events", state_->ReadEvents());
  } else {
    LOG_WARNING("Cannot watch for local objects, looking periodically", "path",
                state_->options.path, "err", inotify.status());
  }
  state_->scope.Spawn("local objects", state_->Run());
}

Task<void> LocalObjects::Stop() { co_await state_->scope.Stop(); }

absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>> LocalObjects::ConfigMap(
    const std::string& ns, const std::string& name) const {
  return state_->Find<api::core::ConfigMap>(false, ns, name);
}

absl::StatusOr<std::shared_ptr<const api::core::Secret>> LocalObjects::Secret(
    const std::string& ns, const std::string& name) const {
  return state_->Find<api::core::Secret>(true, ns, name);
}

std::vector<Problem> LocalObjects::problems() const { return state_->problems; }
uint64_t LocalObjects::looks() const { return state_->looks; }
bool LocalObjects::idle() const { return state_->idle; }

Task<void> LocalObjects::State::Run() {
  for (;;) {
    auto now = deps.clock.Mono();
    bool due = settler.TakeDue(now);
    if (due || look_now || now >= NextLook()) {
      look_now = false;
      idle = false;
      if (watch < 0 && now >= next_watch) co_await Watch();
      co_await Look();
      continue;
    }
    auto next = NextLook();
    if (auto settled = settler.Next()) next = std::min(next, *settled);
    idle = true;
    co_await wake.Wait(next);
  }
}

base::MonoTime LocalObjects::State::NextLook() const {
  auto next = next_full;
  if (watch < 0 && inotify) next = std::min(next, next_watch);
  if (auto deadline = set.NextDeadline()) next = std::min(next, *deadline);
  return next;
}

Task<void> LocalObjects::State::ReadEvents() {
  for (;;) {
    auto events = co_await inotify->Read();
    if (!events.ok()) {
      LOG_ERROR("Cannot read events of the local objects, looking periodically", "err",
                events.status());
      co_return;
    }
    HandleEvents(*events);
    wake.Notify();
  }
}

void LocalObjects::State::HandleEvents(const std::vector<os::InotifyEvent>& events) {
  auto now = deps.clock.Mono();
  for (const auto& event : events) {
    if (event.mask & IN_Q_OVERFLOW) {
      look_now = true;
      continue;
    }
    if (watching) unassigned.push_back(event);
    if (watching || event.watch != watch) continue;
    if (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
      Unwatch();
      look_now = true;
      continue;
    }
    // `..data`: a volume of another kubelet, or what is written like one.
    bool visible = !event.name.empty() && event.name[0] != '.';
    if (!visible && event.name != "..data") continue;
    os::InotifyEvent named = event;
    named.name = options.path + "/" + event.name;
    settler.Add(named, set.Has(named.name), now);
  }
}

void LocalObjects::State::Unwatch() {
  if (watch >= 0) inotify->Unwatch(watch);
  watch = -1;
}

Task<void> LocalObjects::State::Watch() {
  next_watch = deps.clock.Mono() + options.rewatch_period;
  if (!inotify) co_return;
  std::function<absl::StatusOr<WatchedPlace>()> work = [watcher = inotify->watcher(),
                                                        path = options.path] {
    return WatchManifests(watcher, path, false);
  };
  watching = true;
  auto place = co_await deps.pool.Run<WatchedPlace>(kPoolKind, options.io_timeout, std::move(work));
  watching = false;
  auto early = std::exchange(unassigned, {});
  if (!place.ok()) co_return;  // the look that follows says why
  watch = place->watch;
  watched = place->directory_id;
  HandleEvents(early);
}

Task<void> LocalObjects::State::Look() {
  next_full = deps.clock.Mono() + options.check_period;
  Listing listing;
  if (!hung.expired()) {
    listing.directory =
        absl::DeadlineExceededError(options.path + ": the filesystem does not answer");
  } else {
    auto call = std::make_shared<Call>();
    std::weak_ptr<Call> under_way = call;
    std::function<absl::StatusOr<Listing>()> work = [call = std::move(call), path = options.path] {
      return ReadLocalObjects(path);
    };
    auto all = co_await deps.pool.Run<Listing>(kPoolKind, options.io_timeout, std::move(work));
    if (all.ok()) {
      listing = *std::move(all);
    } else {
      if (absl::IsDeadlineExceeded(all.status())) hung = under_way;
      listing.directory = all.status();
    }
  }
  if (inotify) HandleEvents(inotify->Drain());
  listing.held = settler.Pending();
  if (listing.directory.ok() && watch >= 0 && listing.directory_id != watched) Unwatch();
  bool first = !set.read();
  auto changed = set.Apply(std::move(listing), deps.clock.Now(), deps.clock.Mono());
  ++looks;
  UpdateProblems();
  if (first && set.read())
    LOG_INFO("Local objects", "path", options.path, "objects", set.objects().size());
  Tell(changed);
}

void LocalObjects::State::Tell(const std::vector<LocalKey>& changed) {
  for (const auto& key : changed) {
    LOG_V(2, "Local object changed", "object", key.Text());
    deps.on_change(key.ns, key.name);
  }
}

void LocalObjects::State::UpdateProblems() {
  auto fresh = set.Problems();
  auto in = [](const std::vector<Problem>& list, const Problem& problem) {
    return std::any_of(list.begin(), list.end(), [&](const Problem& p) { return p.Same(problem); });
  };
  bool same = fresh.size() == problems.size();
  for (const auto& problem : fresh) {
    if (in(problems, problem)) continue;
    same = false;
    if (problem.severity == Problem::Severity::kWarning) {
      LOG_WARNING("Local object problem", "origin", problem.origin, "what", problem.text);
    } else {
      LOG_ERROR("Bad local object", "origin", problem.origin, "what", problem.text, "lastGoodKept",
                problem.kept);
    }
  }
  problems = std::move(fresh);
  if (!same && deps.on_problem_change) deps.on_problem_change();
}

}  // namespace kubelet::source
