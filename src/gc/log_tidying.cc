// What LogRotator does with logs that were rotated.
#include "gc/log_compressor.h"
#include "gc/log_files.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/gc/log_rotator.h"
#include "kubelet/os/file.h"

namespace kubelet::gc {

using base::Nanos;
using base::Task;

namespace {

constexpr char kFilesKind[] = "log files", kPackKind[] = "log compress";
constexpr Nanos kFileTime = std::chrono::seconds(30), kPackTime = std::chrono::minutes(5);

}  // namespace

void LogRotator::TidySoon(Log& log) {
  if (policy_.max_size < 0) return;
  if (log.tidying) {
    log.tidy_again = true;
    return;
  }
  log.tidying = true;
  scope_.Spawn("tidy logs", Tidy(log.id.str()));
}

Task<void> LogRotator::Tidy(std::string id) {
  for (;;) {
    co_await TidyOnce(id);
    Log* log = Find(id);
    if (log == nullptr) co_return;
    log->tidying = std::exchange(log->tidy_again, false);
    if (!log->tidying) co_return;
  }
}

// Files that are too many go at once; the rest has time.
Task<std::vector<std::string>> LogRotator::Trim(std::string id) {
  const Log* log = Find(id);
  if (log == nullptr) co_return std::vector<std::string>();
  std::function<absl::StatusOr<std::vector<std::string>>()> tidy =
      [path = log->path, files = policy_.max_files, running = log->running || log->busy,
       packing = packing_] { return TidyLog(path, files, running, packing); };
  auto packs =
      co_await deps_.pool.Run<std::vector<std::string>>(kFilesKind, kFileTime, std::move(tidy));
  if (packs.ok()) co_return *std::move(packs);
  LOG_WARNING("Cannot tidy the logs of a container", "containerID", id, "err", packs.status());
  co_return std::vector<std::string>();
}

Task<void> LogRotator::TidyOnce(std::string id) {
  auto packs = co_await Trim(id);
  for (const auto& path : packs) {
    auto permit = co_await workers_.Acquire();
    // Another rotation has made others of them superfluous: look again instead.
    const Log* log = Find(id);
    if (log == nullptr || log->tidy_again) co_return;
    co_await Compress(path);
  }
  if (const Log* log = Find(id)) co_await KeepBudget(log->directory);
  if (policy_.pod_max_size >= 0) co_await KeepPodBudget(id);
}

Task<void> LogRotator::KeepBudget(std::string directory) {
  std::set<std::string> keep;
  for (const auto& [other, l] : logs_)
    if (l.directory == directory) keep.insert(l.path);
  std::function<absl::Status()> budget = [directory, keep,
                                          most = policy_.max_size * policy_.max_files] {
    return TidyDirectory(directory, keep, most);
  };
  auto status = co_await deps_.pool.RunStatus(kFilesKind, kFileTime, std::move(budget));
  if (!status.ok())
    LOG_WARNING("Cannot tidy the logs of a container", "directory", directory, "err", status);
}

Task<void> LogRotator::KeepPodBudget(std::string id) {
  const Log* log = Find(id);
  if (log == nullptr) co_return;
  // Where a runtime puts its logs otherwise, the directory is not the pod's alone.
  std::string pod = os::DirName(log->directory);
  if (!os::BaseName(pod).ends_with("_" + log->pod_uid)) co_return;
  std::function<absl::Status()> budget = [pod, most = policy_.pod_max_size] {
    return TidyPodDirectory(pod, most);
  };
  auto status = co_await deps_.pool.RunStatus(kFilesKind, kFileTime, std::move(budget));
  if (!status.ok()) LOG_WARNING("Cannot tidy the logs of a pod", "directory", pod, "err", status);
}

Task<void> LogRotator::Compress(std::string path) {
  auto compressor = std::make_shared<LogCompressor>(path);
  packing_.insert(path);
  for (;;) {
    std::function<absl::StatusOr<bool>()> step = [compressor] { return compressor->Step(); };
    auto done = co_await deps_.pool.Run<bool>(kPackKind, kPackTime, std::move(step));
    if (done.ok() && !*done) continue;
    packing_.erase(path);
    auto code = done.status().code();
    bool trouble =
        !done.ok() && code != absl::StatusCode::kNotFound && code != absl::StatusCode::kAborted;
    if (trouble) LOG_WARNING("Cannot compress a log", "path", path, "err", done.status());
    co_return;
  }
}

Task<void> LogRotator::RemoveLogs(std::string path) {
  std::function<absl::Status()> work = [path] { return RemoveLog(path); };
  auto status = co_await deps_.pool.RunStatus(kFilesKind, kFileTime, std::move(work));
  if (!status.ok()) LOG_WARNING("Cannot remove a container's log", "path", path, "err", status);
}

}  // namespace kubelet::gc
