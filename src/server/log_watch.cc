#include "server/log_watch.h"

#include "kubelet/base/log.h"

namespace kubelet::server {
namespace {

constexpr uint32_t kChanges = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE;
// A busy log is looked at so often at most.
constexpr base::Nanos kPause = std::chrono::milliseconds(5);

}  // namespace

LogWatch::LogWatch(base::Executor executor, base::Clock& clock, base::BlockingPool& pool)
    : executor_(executor), clock_(clock), pool_(pool), scope_(std::move(executor)) {}
LogWatch::~LogWatch() = default;

base::Task<void> LogWatch::Add(std::shared_ptr<Follower> follower, std::string directory) {
  directories_[follower] = -1;
  if (!inotify_) {
    auto made = os::Inotify::Create(executor_);
    if (made.ok()) {
      inotify_ = *std::move(made);
      scope_.Spawn("log events", ReadEvents());
    }
  }
  absl::StatusOr<int> watch = absl::ResourceExhaustedError("no inotify instance");
  if (inotify_) {
    std::function<absl::StatusOr<int>()> add = [watcher = inotify_->watcher(), directory] {
      return watcher.WatchDirectory(directory, kChanges);
    };
    ++adding_;
    watch = co_await pool_.Run<int>("log watch", std::chrono::seconds(10), std::move(add));
    --adding_;
    if (watch.ok()) unused_.insert(*watch);
  }
  auto it = directories_.find(follower);
  if (it == directories_.end()) {
    DropUnused();
    co_return;
  }
  follower->polling = !watch.ok();
  if (!watch.ok()) {
    LOG_V(2, "Cannot watch a log; looking at it every second", "directory", directory, "err",
          watch.status());
    co_return;
  }
  it->second = *watch;
  watches_[*watch].insert(follower);
  DropUnused();
}

void LogWatch::DropUnused() {
  if (adding_ > 0) return;
  for (int watch : unused_)
    if (!watches_.contains(watch)) inotify_->Unwatch(watch);
  unused_.clear();
}

void LogWatch::Remove(const std::shared_ptr<Follower>& follower) {
  auto it = directories_.find(follower);
  if (it == directories_.end()) return;
  int watch = it->second;
  directories_.erase(it);
  auto others = watches_.find(watch);
  if (others == watches_.end()) return;
  others->second.erase(follower);
  if (!others->second.empty()) return;
  watches_.erase(others);
  unused_.insert(watch);
  DropUnused();
}

void LogWatch::PodChanged(const std::string& uid) {
  for (auto& [follower, watch] : directories_) {
    if (follower->pod_uid != uid) continue;
    follower->look_at_pod = true;
    follower->wake.Notify();
  }
}

void LogWatch::Wake(int watch) {
  auto it = watches_.find(watch);
  if (it == watches_.end()) return;
  for (const auto& follower : it->second) follower->wake.Notify();
}

base::Task<void> LogWatch::ReadEvents() {
  for (;;) {
    auto events = co_await inotify_->Read();
    if (!events.ok()) co_return;
    std::set<int> touched;
    for (const auto& event : *events) touched.insert(event.watch);
    for (int watch : touched) {
      if (watch >= 0) {
        Wake(watch);
      } else {
        for (const auto& [follower, ignored] : directories_) follower->wake.Notify();
      }
    }
    co_await base::SleepFor(clock_, kPause);
  }
}

}  // namespace kubelet::server
