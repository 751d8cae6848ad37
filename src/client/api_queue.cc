#include "kubelet/client/api_queue.h"

#include <algorithm>
#include <utility>

namespace kubelet::client {
namespace {

constexpr size_t kKeysThatMeanAway = 3;

bool Waits(const absl::Status& status) {
  return status.ok() || status.code() == absl::StatusCode::kFailedPrecondition;
}

// Nobody who could tell one request from another has answered.
bool MeansAway(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kUnauthenticated) return true;
  return status.code() == absl::StatusCode::kUnavailable && !ErrorOf(status);
}

base::Nanos Scaled(base::Nanos from, base::Nanos to, double share) {
  return from + base::Nanos(static_cast<int64_t>(static_cast<double>((to - from).count()) * share));
}

}  // namespace

ApiQueue::ApiQueue(Deps deps, Options options, Work work)
    : deps_(std::move(deps)), options_(options), work_(std::move(work)), scope_(deps_.executor) {}

ApiQueue::~ApiQueue() {
  for (auto& [key, item] : items_) Disarm(item);
  if (probe_timer_) deps_.clock.Cancel(*probe_timer_);
}

void ApiQueue::Add(const std::string& key, bool urgent) {
  Item& item = items_[key];
  item.removed = false;
  if (item.running) {
    item.again = true;
    item.again_urgent |= urgent;
    return;
  }
  if (item.timer && item.held) {
    item.again_urgent |= urgent;
    return;
  }
  Disarm(item);
  Push(key, item, urgent);
  Pump();
}

void ApiQueue::AddAfter(const std::string& key, base::Nanos delay) {
  Item& item = items_[key];
  item.removed = false;
  if (item.running || item.timer || item.place != Place::kNone) return;
  Arm(key, item, delay, false);
}

void ApiQueue::Hurry(const std::string& key) {
  auto it = items_.find(key);
  if (it == items_.end()) return;
  it->second.failures = 0;
  if (it->second.timer) Release(key);
}

void ApiQueue::Remove(const std::string& key) {
  auto it = items_.find(key);
  if (it == items_.end()) return;
  Item& item = it->second;
  item.removed = true;
  item.again = item.again_urgent = false;
  item.place = Place::kNone;  // what lies in the deques is passed over
  Disarm(item);
  EraseIdle(key);
}

void ApiQueue::Wake() {
  away_ = false;
  in_error_.clear();
  if (probe_timer_) deps_.clock.Cancel(*std::exchange(probe_timer_, std::nullopt));
  for (auto& [key, item] : items_) {
    item.failures = 0;
    if (!item.timer) continue;
    Disarm(item);
    Push(key, item, item.again_urgent);
  }
  Pump();
}

bool ApiQueue::running(const std::string& key) const {
  auto it = items_.find(key);
  return it != items_.end() && it->second.running;
}

base::Task<void> ApiQueue::Stop() {
  for (auto& [key, item] : items_) Disarm(item);
  if (probe_timer_) deps_.clock.Cancel(*std::exchange(probe_timer_, std::nullopt));
  co_await scope_.Stop();
}

void ApiQueue::Push(const std::string& key, Item& item, bool urgent) {
  item.again_urgent = false;
  if (item.place == Place::kUrgent || (item.place == Place::kNormal && !urgent)) return;
  item.place = urgent ? Place::kUrgent : Place::kNormal;
  (urgent ? urgent_ : normal_).push_back(key);
}

void ApiQueue::Arm(const std::string& key, Item& item, base::Nanos delay, bool held) {
  item.held = held;
  item.timer = deps_.clock.After(delay, [this, key] { Release(key); });
}

void ApiQueue::Disarm(Item& item) {
  if (item.timer) deps_.clock.Cancel(*std::exchange(item.timer, std::nullopt));
}

void ApiQueue::Release(const std::string& key) {
  auto it = items_.find(key);
  if (it == items_.end()) return;
  Disarm(it->second);
  Push(key, it->second, it->second.again_urgent);
  Pump();
}

std::optional<std::string> ApiQueue::Pop() {
  for (Place place : {Place::kUrgent, Place::kNormal}) {
    auto& queue = place == Place::kUrgent ? urgent_ : normal_;
    while (!queue.empty()) {
      std::string key = std::move(queue.front());
      queue.pop_front();
      auto it = items_.find(key);
      if (it != items_.end() && it->second.place == place) return key;
    }
  }
  return std::nullopt;
}

bool ApiQueue::ProbeWaits() {
  if (!away_ || deps_.clock.Mono() >= next_probe_) return false;
  if (!probe_timer_ && !(urgent_.empty() && normal_.empty())) {
    probe_timer_ = deps_.clock.Schedule(next_probe_, [this] {
      probe_timer_.reset();
      Pump();
    });
  }
  return true;
}

void ApiQueue::Pump() {
  while (running_ < (away_ ? 1 : options_.parallel) && !ProbeWaits()) {
    auto key = Pop();
    if (!key) return;
    Item& item = items_[*key];
    item.place = Place::kNone;
    item.running = true;
    ++running_;
    scope_.Spawn("api " + *key, Run(*key));
  }
}

base::Task<void> ApiQueue::Run(std::string key) {
  base::Task<Result> work = work_(key);
  Result result = co_await std::move(work);
  Finish(key, result);
}

void ApiQueue::Finish(const std::string& key, const Result& result) {
  --running_;
  Judge(key, result);
  Item& item = items_[key];
  item.running = false;
  if (item.removed) {
    EraseIdle(key);
  } else if (Waits(result.status)) {
    item.failures = 0;
    if (std::exchange(item.again, false)) {
      Push(key, item, item.again_urgent);
    } else {
      EraseIdle(key);
    }
  } else {
    item.again = false;
    Retry(key, item, result.status);
  }
  Pump();
}

// What one run tells about the server as a whole. One key whose requests it cannot digest tells
// nothing.
void ApiQueue::Judge(const std::string& key, const Result& result) {
  bool error = result.status.code() == absl::StatusCode::kUnavailable;
  if (error) in_error_.insert(key);
  if (MeansAway(result.status) || (error && in_error_.size() >= kKeysThatMeanAway)) {
    away_ = true;
    next_probe_ =
        deps_.clock.Mono() + Scaled(options_.probe_min, options_.probe_max, deps_.random());
  } else if (result.asked && !error && !absl::IsDeadlineExceeded(result.status)) {
    in_error_.clear();
    away_ = false;
  }
}

void ApiQueue::Retry(const std::string& key, Item& item, const absl::Status& status) {
  bool urgent = item.again_urgent;
  if (away_ && status.code() != absl::StatusCode::kDeadlineExceeded) {
    Push(key, item, urgent);
    return;
  }
  base::Nanos delay;
  if (status.code() == absl::StatusCode::kUnavailable) {
    delay = Scaled(options_.probe_min, options_.probe_max, deps_.random());
  } else {
    delay = options_.retry_initial * (int64_t{1} << std::min(item.failures++, 20));
    delay = std::min(delay, options_.retry_max);
    delay = Scaled(delay, delay * 3 / 2, deps_.random());
  }
  if (auto error = ErrorOf(status); error && error->retry_after) {
    delay = std::max(delay, *error->retry_after);
  }
  Arm(key, item, delay, true);
}

void ApiQueue::EraseIdle(const std::string& key) {
  auto it = items_.find(key);
  if (it == items_.end()) return;
  const Item& item = it->second;
  if (!item.running && !item.timer && item.place == Place::kNone) items_.erase(it);
}

Call PodCall(Call::Verb verb, const std::string& namespace_, const std::string& name,
             base::Nanos timeout) {
  Call call;
  call.verb = verb;
  call.path.namespace_ = namespace_;
  call.path.name = name;
  call.timeout = timeout;
  call.retry = false;
  return call;
}

}  // namespace kubelet::client
