#include "kubelet/node/shutdown.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "kubelet/api/pod.h"
#include "kubelet/api/time.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "node/shutdown_state.h"

namespace kubelet::node {

using base::Nanos;
using base::Task;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr char kWhy[] = "Kubelet needs time to handle node shutdown";
constexpr char kKind[] = "node shutdown";  // of work in the pool
constexpr auto kCallLimit = seconds(30);
constexpr Nanos kReconnect = seconds(1), kReconnectMost = minutes(1);
// How often and how soon it is looked whether logind has taken its new configuration.
constexpr int kDelayLooks = 5;
constexpr Nanos kFirstDelayLook = milliseconds(100);
// What is left of the way to the API server for the last statuses.
constexpr Nanos kStatusPatience = seconds(2), kStatusLook = milliseconds(20);

seconds GraceFor(const ShutdownGroup& group, const api::core::Pod& pod) {
  if (!pod.spec().has_termination_grace_period_seconds()) return group.grace;
  return std::min(group.grace, seconds(pod.spec().termination_grace_period_seconds()));
}

Nanos TotalOf(const std::vector<ShutdownGroup>& groups) {
  Nanos sum(0);
  for (const auto& group : groups) sum += group.grace;
  return sum;
}

}  // namespace

Shutdown::Shutdown(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      gone_(deps_.executor, deps_.clock),
      scope_(deps_.executor) {
  if (deps_.metrics == nullptr || options_.state_file.empty()) return;
  started_ = &deps_.metrics
                  ->AddGauge("kubelet_graceful_shutdown_start_time_seconds",
                             "Last graceful shutdown start time since unix epoch in seconds")
                  .Only();
  ended_ = &deps_.metrics
                ->AddGauge("kubelet_graceful_shutdown_end_time_seconds",
                           "Last graceful shutdown end time since unix epoch in seconds")
                .Only();
}

Shutdown::~Shutdown() { Release(); }

void Shutdown::Start() {
  if (options_.groups.empty()) return;
  scope_.Spawn("node shutdown", Run());
}

void Shutdown::PodGone(const std::string& uid) {
  if (leaving_.contains(uid)) gone_.Notify();
}

std::string Shutdown::Explain() const {
  if (shutting_down_) return "it is shutting down; " + step_;
  if (!problem_.ok()) return "a shutdown would not be noticed: " + base::Message(problem_);
  return "";
}

void Shutdown::Release() {
  if (lock_ >= 0) close(lock_);
  lock_ = -1;
}

Task<void> Shutdown::Run() {
  co_await LoadState();
  Nanos pause = kReconnect;
  for (;;) {
    base::MonoTime began = deps_.clock.Mono();
    problem_ = co_await Watch();
    Release();
    if (deps_.clock.Mono() - began > kReconnectMost) pause = kReconnect;
    LOG_WARNING("Cannot watch for a shutdown of the node; will try again", "after",
                base::GoDuration(pause), "err", problem_);
    co_await base::SleepFor(deps_.clock, pause);
    pause = std::min(pause * 2, kReconnectMost);
  }
}

// Until the connection is lost.
Task<absl::Status> Shutdown::Watch() {
  std::function<absl::StatusOr<std::shared_ptr<os::Logind>>()> connect =
      [connect = deps_.connect]() -> absl::StatusOr<std::shared_ptr<os::Logind>> {
    ASSIGN_OR_RETURN(auto logind, connect());
    return std::shared_ptr<os::Logind>(std::move(logind));
  };
  auto connected =
      co_await deps_.pool.Run<std::shared_ptr<os::Logind>>(kKind, kCallLimit, std::move(connect));
  if (!connected.ok()) co_return connected.status();
  auto logind = *std::move(connected);
  auto status = co_await StretchDelay(logind);
  if (!status.ok()) co_return status;
  status = co_await TakeLock(logind);
  if (!status.ok()) co_return status;
  problem_ = absl::OkStatus();
  LOG_INFO("Watching for a shutdown of the node", "period",
           base::GoDuration(TotalOf(options_.groups)));
  for (;;) {
    auto signals = co_await logind->Signals(deps_.executor);
    if (!signals.ok()) co_return signals.status();
    for (bool begins : *signals) {
      SetShuttingDown(begins);
      if (begins) {
        co_await Begin();
      } else {
        status = co_await TakeLock(logind);
        if (!status.ok()) co_return status;
      }
    }
  }
}

// Error: logind does not answer. A delay that cannot be had is told, and that is all.
Task<absl::Status> Shutdown::StretchDelay(std::shared_ptr<os::Logind> logind) {
  Nanos wanted = TotalOf(options_.groups);
  std::function<absl::StatusOr<Nanos>()> ask = [logind] { return logind->InhibitDelay(); };
  std::function<absl::StatusOr<Nanos>()> first = ask;
  auto delay = co_await deps_.pool.Run<Nanos>(kKind, kCallLimit, std::move(first));
  if (!delay.ok()) co_return delay.status();
  if (*delay >= wanted) co_return absl::OkStatus();
  std::function<absl::Status()> stretch = [logind, wanted, dir = options_.logind_config_dir] {
    RETURN_IF_ERROR(os::WriteInhibitDelay(dir, wanted));
    return logind->Reload();
  };
  auto status = co_await deps_.pool.RunStatus(kKind, kCallLimit, std::move(stretch));
  Nanos pause = kFirstDelayLook;
  for (int look = 0; status.ok() && look < kDelayLooks; ++look) {
    co_await base::SleepFor(deps_.clock, pause);
    pause *= 2;
    std::function<absl::StatusOr<Nanos>()> again = ask;
    delay = co_await deps_.pool.Run<Nanos>(kKind, kCallLimit, std::move(again));
    if (!delay.ok()) co_return delay.status();
    if (*delay >= wanted) co_return absl::OkStatus();
  }
  LOG_WARNING("A shutdown of the node will not wait for its whole grace period", "wanted",
              base::GoDuration(wanted), "InhibitDelayMaxSec", base::GoDuration(*delay), "err",
              status);
  co_return absl::OkStatus();
}

Task<absl::Status> Shutdown::TakeLock(std::shared_ptr<os::Logind> logind) {
  std::function<absl::StatusOr<int>()> take = [logind] { return logind->Inhibit(kWhy); };
  auto lock = co_await deps_.pool.Run<int>(kKind, kCallLimit, std::move(take));
  if (!lock.ok()) co_return lock.status();
  Release();
  lock_ = *lock;
  co_return absl::OkStatus();
}

void Shutdown::SetShuttingDown(bool now) {
  LOG_INFO("The node's shutdown", "event", now ? "begins" : "was called off");
  deps_.on_event({false, "Shutdown",
                  now ? "Shutdown manager detected shutdown event"
                      : "Shutdown manager detected shutdown cancellation"});
  shutting_down_ = now;
  step_ = "";
  deps_.on_change();
  auto ended = std::exchange(ended_static_, {});
  for (const auto& uid : ended)
    if (!now && deps_.start_again) deps_.start_again(uid);
}

Task<void> Shutdown::Begin() {
  base::WallTime start = deps_.clock.Now();
  co_await Store(start, std::nullopt);
  co_await EndPods();
  co_await AwaitStatuses();
  co_await Store(start, deps_.clock.Now());
  step_ = "its pods have ended";
  LOG_INFO("Pods have ended; the node goes down shortly");
  Release();
}

Task<void> Shutdown::EndPods() {
  for (const auto& batch : PlanShutdown(options_.groups, deps_.pods())) {
    base::MonoTime until = deps_.clock.Mono() + batch.group.grace;
    step_ = "pods of priority " + std::to_string(batch.group.priority) + " and more are ending";
    for (const auto& pod : batch.pods) {
      leaving_.insert(pod->metadata().uid());
      if (api::IsStatic(*pod)) ended_static_.insert(pod->metadata().uid());
      deps_.end(pod, GraceFor(batch.group, *pod));
    }
    for (;;) {
      std::erase_if(leaving_, [this](const auto& uid) { return deps_.cleaned_up(uid); });
      if (leaving_.empty() || deps_.clock.Mono() >= until) break;
      co_await gone_.Wait(until);
    }
    LOG_INFO("A group of pods is done", "priority", batch.group.priority, "pods", batch.pods.size(),
             "late", leaving_.size());
    leaving_.clear();
  }
}

Task<void> Shutdown::AwaitStatuses() {
  base::MonoTime until = deps_.clock.Mono() + kStatusPatience;
  while (!deps_.statuses_written() && deps_.clock.Mono() < until)
    co_await base::SleepFor(deps_.clock, kStatusLook);
}

Task<void> Shutdown::LoadState() {
  if (options_.state_file.empty()) co_return;
  std::function<absl::StatusOr<ShutdownState>()> load = [path = options_.state_file] {
    return LoadShutdownState(path);
  };
  auto state = co_await deps_.pool.Run<ShutdownState>(kKind, kCallLimit, std::move(load));
  if (!state.ok()) {
    LOG_WARNING("Cannot read when the last shutdown was", "err", state.status());
    co_return;
  }
  if (started_ == nullptr) co_return;
  if (state->start)
    started_->Set(static_cast<double>(base::UnixNanos(*state->start) / 1'000'000'000));
  if (state->end) ended_->Set(static_cast<double>(base::UnixNanos(*state->end) / 1'000'000'000));
}

Task<void> Shutdown::Store(base::WallTime start, std::optional<base::WallTime> end) {
  if (options_.state_file.empty()) co_return;
  auto whole = [](base::WallTime t) {
    return static_cast<double>(base::UnixNanos(t) / 1'000'000'000);
  };
  if (started_ != nullptr) {
    started_->Set(whole(start));
    ended_->Set(end ? whole(*end) : 0);
  }
  ShutdownState state{start, end};
  std::function<absl::Status()> store = [path = options_.state_file, state] {
    return StoreShutdownState(path, state);
  };
  auto status = co_await deps_.pool.RunStatus(kKind, kCallLimit, std::move(store));
  if (!status.ok()) LOG_WARNING("Cannot note when the shutdown was", "err", status);
}

}  // namespace kubelet::node
