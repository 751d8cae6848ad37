#include "kubelet/gc/log_rotator.h"

#include <algorithm>
#include <utility>

#include "gc/log_files.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::gc {

using base::Nanos;
using base::Task;

namespace {

constexpr char kSizesKind[] = "log sizes", kFilesKind[] = "log files";
constexpr Nanos kFileTime = std::chrono::seconds(30);
// Looks that are due within this go together.
constexpr Nanos kTogether = std::chrono::milliseconds(50);
// The first look after a quiet log was written to; then its rate is known.
constexpr Nanos kFirstLook = std::chrono::milliseconds(250);
// Without a write for so long a log is quiet. One that gets a line now and then is better looked at
// than watched.
constexpr Nanos kQuiet = std::chrono::seconds(10);
constexpr Nanos kRetry = std::chrono::seconds(1);
constexpr uint32_t kWritten = IN_MODIFY | IN_ONESHOT;
constexpr Nanos kGrid = std::chrono::milliseconds(250);

// The next point of a grid: looks that are not urgent happen together.
base::MonoTime OnGrid(base::MonoTime now, Nanos period) {
  auto since = now.time_since_epoch();
  return base::MonoTime((since / period + 1) * period);
}
base::MonoTime Soon(base::MonoTime now, Nanos delay) {
  return delay < 2 * kGrid ? now + delay : OnGrid(now + delay - kGrid, kGrid);
}

}  // namespace

LogRotator::LogRotator(Deps deps, LogPolicy policy)
    : deps_(std::move(deps)),
      policy_(policy),
      wake_(deps_.executor, deps_.clock),
      workers_(deps_.executor, deps_.clock, std::max(1, policy.max_workers)),
      scope_(deps_.executor) {
  if (deps_.metrics == nullptr) return;
  rotations_ = &deps_.metrics->AddCounter("kubelet_container_log_rotations_total",
                                          "Rotations of container logs.", {"result"});
}

LogRotator::~LogRotator() = default;

void LogRotator::Start() {
  auto made = os::Inotify::Create(deps_.executor);
  if (made.ok()) {
    inotify_ = *std::move(made);
    scope_.Spawn("log writes", ReadEvents());
  } else {
    LOG_V(1, "Cannot watch container logs; looking at them from time to time", "err",
          made.status());
  }
  scope_.Spawn("log rotation", Run());
}

Task<void> LogRotator::Stop() { co_await scope_.Stop(); }

void LogRotator::SetPolicy(LogPolicy policy) {
  policy.max_workers = policy_.max_workers;
  policy_ = policy;
  for (auto& [id, log] : logs_) {
    log.next = {};
    TidySoon(log);
  }
  wake_.Notify();
}

void LogRotator::PodChanged(const std::string& uid) {
  changed_pods_.insert(uid);
  wake_.Notify();
}

LogRotator::Log* LogRotator::Find(const std::string& id) {
  auto it = logs_.find(id);
  return it == logs_.end() ? nullptr : &it->second;
}

void LogRotator::Adopt(const std::string& uid) {
  auto pod = deps_.observed(uid);
  if (pod && pod->provisional) return;
  std::set<std::string> there, paths;
  std::map<std::string, int> instances;  // by their directory: of one container
  for (const auto& c : pod ? pod->containers : std::vector<runtime::ContainerStatus>()) {
    if (c.log_path.empty()) continue;
    there.insert(c.id.str());
    if (paths.insert(c.log_path).second) ++instances[c.log_path.substr(0, c.log_path.rfind('/'))];
    auto [it, fresh] = logs_.try_emplace(c.id.str());
    Log& log = it->second;
    log.running = c.state == runtime::ContainerState::kRunning;
    if (!fresh) continue;
    log.id = c.id;
    log.pod_uid = uid;
    log.path = c.log_path;
    log.directory = c.log_path.substr(0, c.log_path.rfind('/'));
    log.changed = deps_.clock.Mono();
    TidySoon(log);
  }
  for (auto it = logs_.begin(); it != logs_.end();) {
    if (it->second.pod_uid != uid || there.contains(it->first)) {
      ++it;
      continue;
    }
    // What two newer instances have left behind nobody can ask for. The log before stays, also when
    // its container had to go: it is what `--previous` shows and where the count of restarts goes
    // on. Of a pod that is gone as a whole the directory goes, and not by us.
    bool outlived = instances.contains(it->second.directory) && instances[it->second.directory] > 1;
    if (outlived && !paths.contains(it->second.path))
      scope_.Spawn("remove container log", RemoveLogs(it->second.path));
    it = logs_.erase(it);
  }
}

Task<void> LogRotator::Run() {
  for (;;) {
    auto changed = std::exchange(changed_pods_, {});
    for (const auto& uid : changed) Adopt(uid);
    if (policy_.max_size >= 0) co_await LookAtDue();
    if (!changed_pods_.empty()) continue;
    std::optional<base::MonoTime> until;
    for (const auto& [id, log] : logs_) {
      if (policy_.max_size < 0 || !log.running || log.busy) continue;
      until = until ? std::min(*until, log.next) : log.next;
    }
    co_await wake_.Wait(until);
  }
}

Task<void> LogRotator::LookAtDue() {
  std::vector<std::string> ids, paths;
  auto due = deps_.clock.Mono() + kTogether;
  for (auto& [id, log] : logs_) {
    if (!log.running || log.busy || log.next > due) continue;
    ids.push_back(id);
    paths.push_back(log.path);
  }
  if (ids.empty()) co_return;
  std::function<absl::StatusOr<std::vector<int64_t>>()> work = [paths] { return Sizes(paths); };
  auto sizes =
      co_await deps_.pool.Run<std::vector<int64_t>>(kSizesKind, kFileTime, std::move(work));
  std::vector<std::string> quiet;
  for (size_t i = 0; i < ids.size(); ++i) {
    Log* log = Find(ids[i]);
    if (log == nullptr || log->busy) continue;
    if (!sizes.ok()) {
      log->next = OnGrid(deps_.clock.Mono(), policy_.interval);
    } else if (Judge(*log, (*sizes)[i])) {
      quiet.push_back(ids[i]);
    }
  }
  if (!quiet.empty()) scope_.Spawn("watch logs", Watch(std::move(quiet)));
}

// What one look at a log leads to; sets the time of the next. True: it is to be watched instead.
bool LogRotator::Judge(Log& log, int64_t size) {
  auto now = deps_.clock.Mono();
  auto id = log.id.str();
  log.next = OnGrid(now, policy_.interval);
  if (size == kOther) return false;  // a link, as other runtimes make: who writes it rotates it
  if (size == kAbsent && std::exchange(log.reopened, false)) {
    Failed(id, "the log does not exist, reopen", absl::NotFoundError("it is still not there"));
    return false;
  }
  if (std::exchange(log.reopened, false)) log.failures = 0;
  if (size == kAbsent || size >= policy_.max_size) {
    log.busy = true;
    log.watch = -1;
    scope_.Spawn("rotate log", size == kAbsent ? Repair(id) : Rotate(id));
    return false;
  }
  bool first = log.size < 0, grown = size != log.size;
  auto passed = std::chrono::duration<double>(now - log.looked).count();
  log.rate =
      first || size < log.size || passed <= 0 ? 0 : static_cast<double>(size - log.size) / passed;
  log.size = size;
  log.looked = now;
  if (grown) log.changed = now;
  if (grown && !first) log.written = true;
  if (log.watch >= 0 && !grown) return false;  // the watch tells
  // One that has not been seen growing at all is quiet at once.
  if (!grown && inotify_ && (!log.written || now - log.changed >= kQuiet)) return true;
  log.next = Soon(now, first ? kFirstLook : NextLook(size, log.rate, policy_));
  return false;
}

Task<void> LogRotator::Watch(std::vector<std::string> ids) {
  // Descriptors of the watches, and what was written before they stood.
  using Watched = std::vector<std::pair<int, int64_t>>;
  std::vector<std::pair<std::string, std::string>> places;
  for (const auto& id : ids) {
    const Log* log = Find(id);
    places.emplace_back(log ? log->directory : "", log ? log->path : "");
  }
  std::function<absl::StatusOr<Watched>()> work = [watcher = inotify_->watcher(), places] {
    Watched out;
    for (const auto& [directory, path] : places) {
      auto watch = watcher.WatchDirectory(directory, kWritten);
      out.emplace_back(watch.ok() ? *watch : -1, Sizes({path}).front());
    }
    return absl::StatusOr<Watched>(std::move(out));
  };
  auto made = co_await deps_.pool.Run<Watched>(kSizesKind, kFileTime, std::move(work));
  if (!made.ok()) co_return;
  for (size_t i = 0; i < ids.size(); ++i) {
    Log* log = Find(ids[i]);
    auto [watch, size] = (*made)[i];
    if (watch < 0 || log == nullptr || log->busy) continue;  // the audit goes on
    if (size != log->size) {
      log->next = deps_.clock.Mono();
      wake_.Notify();
      continue;
    }
    log->watch = watch;
    watches_[watch].insert(ids[i]);
  }
}

Task<void> LogRotator::ReadEvents() {
  for (;;) {
    auto events = co_await inotify_->Read();
    if (!events.ok()) co_return;
    for (const auto& event : *events) {
      auto it = watches_.find(event.watch);
      bool overflow = event.watch < 0;
      if (overflow) {
        for (auto& [id, log] : logs_) log.next = {};
        wake_.Notify();
      }
      if (it == watches_.end()) continue;
      for (const auto& id : it->second) {
        Log* log = Find(id);
        if (log == nullptr || log->watch != event.watch) continue;
        log->watch = -1;
        log->looked = deps_.clock.Mono();
        log->next = deps_.clock.Mono() + kFirstLook;
      }
      watches_.erase(it);
      wake_.Notify();
    }
  }
}

void LogRotator::Failed(const std::string& id, const std::string& what, const absl::Status& why) {
  Log* log = Find(id);
  if (log == nullptr) return;
  ++log->failures;
  auto wait = std::min<Nanos>(kRetry * (1 << std::min(log->failures, 6)), policy_.interval);
  log->next = deps_.clock.Mono() + std::max(kRetry, wait);
  // A container that ends meanwhile is no error, and soon no longer asked for.
  if (log->failures == 2)
    LOG_ERROR("Failed to rotate log for container", "podUID", log->pod_uid, "path", log->path,
              "step", what, "err", why);
}

// FILE is not there: its writer was not told of a rotation, or somebody removed it.
Task<void> LogRotator::Repair(std::string id) {
  auto status = co_await deps_.runtime.ReopenContainerLog(runtime::ContainerId(id));
  if (Log* log = Find(id)) {
    log->busy = false;
    log->next = deps_.clock.Mono();
    log->reopened = status.ok();
    if (status.ok()) TidySoon(*log);
  }
  if (!status.ok()) Failed(id, "the log does not exist, reopen", status);
  wake_.Notify();
}

// OK: the writer goes on in a new file.
Task<absl::Status> LogRotator::MoveAside(std::string id, std::string path) {
  std::function<absl::StatusOr<std::string>()> move = [path, now = deps_.clock.Now()] {
    return MoveLog(path, now);
  };
  auto rotated = co_await deps_.pool.Run<std::string>(kFilesKind, kFileTime, std::move(move));
  if (!rotated.ok()) co_return rotated.status();
  auto reopened = co_await deps_.runtime.ReopenContainerLog(runtime::ContainerId(id));
  if (reopened.ok()) co_return reopened;
  std::function<absl::Status()> restore = [from = *rotated, path] {
    return RestoreLog(from, path);
  };
  auto restored = co_await deps_.pool.RunStatus(kFilesKind, kFileTime, std::move(restore));
  // The runtime made the new file nevertheless: then that is where it writes.
  if (absl::IsAlreadyExists(restored)) co_return absl::OkStatus();
  if (!restored.ok())
    LOG_ERROR("Failed to rename rotated log", "rotatedLog", *rotated, "newLog", path, "err",
              restored);
  co_return reopened;
}

Task<void> LogRotator::Rotate(std::string id) {
  Log* log = Find(id);
  if (log == nullptr) co_return;
  std::string path = log->path;
  auto status = co_await MoveAside(id, path);
  if (rotations_ != nullptr) rotations_->With({status.ok() ? "success" : "error"}).Add();
  log = Find(id);
  if (log == nullptr) co_return;
  log->busy = false;
  if (status.ok()) {
    LOG_V(4, "Rotated container log", "podUID", log->pod_uid, "path", path);
    auto now = deps_.clock.Mono();
    log->failures = 0;
    log->size = 0;
    log->looked = log->changed = now;
    log->next = Soon(now, NextLook(0, log->rate, policy_));
    wake_.Notify();
    // One that compresses now comes to the files that are too many only later.
    bool later = log->tidying;
    TidySoon(*log);
    if (later) co_await Trim(id);
  } else {
    Failed(id, "reopen", status);
  }
  wake_.Notify();
}

}  // namespace kubelet::gc
