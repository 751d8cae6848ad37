#include "kubelet/pleg/pleg.h"

#include <algorithm>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/runtime/config.h"

namespace kubelet::pleg {

using base::MonoTime;
using base::Nanos;
using base::Task;
using runtime::ObservedPod;
using runtime::ObservedPodPtr;

namespace {

double Seconds(Nanos d) { return std::chrono::duration<double>(d).count(); }

std::string UidOf(const runtime::Container& container) {
  auto it = container.labels.find(runtime::kPodUidLabel);
  return it == container.labels.end() ? std::string() : it->second;
}

}  // namespace

Pleg::Pleg(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      turn_(deps_.executor, deps_.clock),
      inspected_(deps_.executor, deps_.clock),
      inspections_(deps_.executor, deps_.clock, options.inspect_parallelism),
      scope_(deps_.executor) {
  if (deps_.metrics == nullptr) return;
  relist_seconds_ = &deps_.metrics->AddHistogram("kubelet_pleg_relist_duration_seconds",
                                                 "Duration in seconds for relisting pods in PLEG.",
                                                 base::DefaultBuckets());
  relist_interval_ = &deps_.metrics->AddHistogram("kubelet_pleg_relist_interval_seconds",
                                                  "Interval in seconds between relisting in PLEG.",
                                                  base::DefaultBuckets());
  last_seen_ = &deps_.metrics->AddGauge("kubelet_pleg_last_seen_seconds",
                                        "Timestamp in seconds when PLEG was last seen active.");
  pod_seconds_ = &deps_.metrics
                      ->AddHistogram("kubelet_pleg_pod_relist_duration_seconds",
                                     "Duration in seconds for relisting a single pod in PLEG.", base::DefaultBuckets())
                      .Only();
  streams_ = &deps_.metrics
                  ->AddCounter("kubelet_evented_pleg_connection_success_count",
                               "The number of times a streaming client was obtained to receive CRI Events.")
                  .Only();
  stream_errors_ = &deps_.metrics
                        ->AddCounter("kubelet_evented_pleg_connection_error_count",
                                     "The number of errors encountered during the establishment of streaming "
                                     "connection with the CRI runtime.")
                        .Only();
}

Pleg::~Pleg() = default;

void Pleg::Start() {
  last_relist_ = deps_.clock.Mono();
  scope_.Spawn("pleg relist", RelistLoop());
  scope_.Spawn("pleg events", EventLoop());
}

Task<void> Pleg::Stop() { co_await scope_.Stop(); }

ObservedPodPtr Pleg::Get(const std::string& uid) const {
  auto it = pods_.find(uid);
  return it == pods_.end() ? nullptr : it->second.pod;
}

std::vector<ObservedPodPtr> Pleg::All() const {
  std::vector<ObservedPodPtr> all;
  for (const auto& [uid, entry] : pods_) {
    if (entry.pod) all.push_back(entry.pod);
  }
  return all;
}

absl::Status Pleg::Health() const {
  Nanos silent = deps_.clock.Mono() - last_relist_;
  std::string text;
  if (!synced_) {
    text = "pleg has yet to be successful";
  } else if (silent >= options_.healthy_for) {
    text = "pleg was last seen active " + base::GoDuration(silent) + " ago; threshold is " +
           base::GoDuration(options_.healthy_for);
  } else {
    return absl::OkStatus();
  }
  // There is none when the runtime just does not answer.
  if (!last_error_.ok()) text += ": " + base::Message(last_error_);
  return absl::UnavailableError(text);
}

std::map<std::string, std::string> Pleg::Problems() const {
  std::map<std::string, std::string> problems;
  for (const auto& [uid, entry] : pods_) {
    Nanos waited = deps_.clock.Mono() - entry.asked;
    if (!entry.error.empty()) {
      problems[uid] = entry.error;
    } else if (entry.inspecting && waited > options_.slow_inspect) {
      problems[uid] = "the runtime has not answered about this pod for " + base::GoDuration(waited);
    }
  }
  return problems;
}

Task<void> Pleg::RelistLoop() {
  Nanos retry = options_.retry_initial;
  for (;;) {
    MonoTime started = deps_.clock.Mono();
    relist_asked_ = false;
    auto status = co_await Relist();
    if (status.ok()) {
      if (relist_seconds_ != nullptr) {
        relist_seconds_->Only().Observe(Seconds(deps_.clock.Mono() - started));
        relist_interval_->Only().Observe(Seconds(started - last_relist_));
        last_seen_->Only().Set(Seconds(deps_.clock.Now().time_since_epoch()));
      }
      if (!last_error_.ok()) LOG_INFO("The container runtime answers again");
      last_relist_ = started;
      last_error_ = absl::OkStatus();
      retry = options_.retry_initial;
      co_await AwaitTurn();
    } else {
      if (last_error_.ok()) LOG_ERROR("Cannot list pods of the container runtime; will retry", "err", status);
      last_error_ = status;
      co_await turn_.Wait(deps_.clock.Mono() + retry);
      retry = std::min(retry * 2, options_.relist_period);
    }
  }
}

Task<void> Pleg::AwaitTurn() {
  while (!relist_asked_ && deps_.clock.Mono() < NextAudit()) co_await turn_.Wait(NextAudit());
}

MonoTime Pleg::NextAudit() const {
  if (!events_flow_) return last_relist_ + options_.relist_period;
  if (pods_.empty()) return last_relist_ + options_.empty_audit_period;
  return std::max(last_relist_, first_pod_) + options_.audit_period;
}

void Pleg::RelistNow() {
  relist_asked_ = true;
  turn_.Notify();
}

// The first pod shortens the period; the time until then does not count, so its start is not joined by a relist.
Pleg::Entry& Pleg::EntryOf(const std::string& uid) {
  if (pods_.empty()) {
    first_pod_ = deps_.clock.Mono();
    turn_.Notify();
  }
  return pods_[uid];
}

Task<absl::Status> Pleg::Relist() {
  MonoTime asked = deps_.clock.Mono();
  auto sandboxes = co_await deps_.runtime.ListPodSandbox();
  if (!sandboxes.ok()) co_return sandboxes.status();
  auto containers = co_await deps_.runtime.ListContainers();
  if (!containers.ok()) co_return containers.status();

  std::map<std::string, Lists> by_pod;
  for (auto& sandbox : *sandboxes) {
    if (!sandbox.uid.empty()) by_pod[sandbox.uid].sandboxes.push_back(std::move(sandbox));
  }
  for (auto& container : *containers) {
    std::string uid = UidOf(container);
    if (!uid.empty()) by_pod[uid].containers.push_back(std::move(container));
  }
  for (const auto& [uid, entry] : pods_) by_pod.try_emplace(uid);

  bool first = !synced_;
  std::vector<std::string> changed;
  for (auto& [uid, lists] : by_pod) {
    auto& entry = pods_[uid];
    if (Matches(entry.pod.get(), lists)) continue;
    changed.push_back(uid);
    // Until it answers for itself: nobody may take the pod for absent, or start another of its name beside it.
    if (!entry.pod) {
      entry.pod = Provisional(uid, lists, asked);
      entry.provisional = true;
    }
  }
  if (!first) {
    for (const auto& uid : changed) MarkDirty(uid);
    co_return absl::OkStatus();
  }
  // The first time the pods are inspected before they are judged. One that does not answer is not waited for:
  // it stays unknown (Known) and its worker asks for itself.
  for (const auto& uid : changed) MarkDirty(uid);
  MonoTime deadline = deps_.clock.Mono() + options_.slow_inspect;
  auto pending = [this] {
    return std::any_of(pods_.begin(), pods_.end(), [](const auto& p) { return p.second.inspecting; });
  };
  while (pending() && deps_.clock.Mono() < deadline) co_await inspected_.Wait(deadline);
  synced_ = true;
  if (deps_.on_synced) deps_.on_synced();
  co_return absl::OkStatus();
}

bool Pleg::Matches(const ObservedPod* known, const Lists& lists) {
  if (known == nullptr) return lists.sandboxes.empty() && lists.containers.empty();
  if (known->sandboxes.size() != lists.sandboxes.size() || known->containers.size() != lists.containers.size()) {
    return false;
  }
  for (const auto& sandbox : lists.sandboxes) {
    bool same = std::any_of(known->sandboxes.begin(), known->sandboxes.end(),
                            [&](const auto& s) { return s.id == sandbox.id && s.state == sandbox.state; });
    if (!same) return false;
  }
  for (const auto& container : lists.containers) {
    bool same = std::any_of(known->containers.begin(), known->containers.end(),
                            [&](const auto& c) { return c.id == container.id && c.state == container.state; });
    if (!same) return false;
  }
  return true;
}

Task<void> Pleg::EventLoop() {
  Nanos retry = options_.retry_initial;
  for (;;) {
    std::function<void()> on_open = [this, &retry] {
      events_flow_ = true;
      retry = options_.retry_initial;
      if (streams_ != nullptr) streams_->Add();
      LOG_V(2, "Runtime events flow; relist is the audit", "period", base::GoDuration(options_.audit_period));
      RelistNow();  // what happened while nobody listened
    };
    std::function<void(const runtime::RuntimeEvent&)> on_event = [this](const runtime::RuntimeEvent& e) { OnEvent(e); };
    auto status = co_await deps_.runtime.StreamEvents(std::move(on_open), std::move(on_event));
    if (events_flow_) RelistNow();
    events_flow_ = false;
    if (!status.ok() && stream_errors_ != nullptr) stream_errors_->Add();
    if (absl::IsUnimplemented(status)) {
      LOG_INFO("The container runtime has no events; relying on relist", "period",
               base::GoDuration(options_.relist_period));
      // It may be replaced by a newer one under us.
      retry = std::chrono::minutes(5);
    } else {
      LOG_V(2, "Runtime event stream ended; will open it again", "err", status);
    }
    co_await base::SleepFor(deps_.clock, retry);
    retry = std::min<Nanos>(retry * 2, std::max<Nanos>(retry, std::chrono::seconds(5)));
  }
}

void Pleg::OnEvent(const runtime::RuntimeEvent& event) {
  if (!event.pod_uid.empty()) {
    MarkDirty(event.pod_uid);
    return;
  }
  for (const auto& [uid, entry] : pods_) {
    if (!entry.pod) continue;
    auto mine = [&](const auto& c) { return c.id.str() == event.container_id; };
    if (std::any_of(entry.pod->containers.begin(), entry.pod->containers.end(), mine)) {
      MarkDirty(uid);
      return;
    }
  }
  RelistNow();
}

void Pleg::MarkDirty(const std::string& uid) {
  auto& entry = EntryOf(uid);
  entry.dirty = true;
  if (entry.held || entry.inspecting) return;
  entry.inspecting = true;
  entry.asked = deps_.clock.Mono();
  scope_.Spawn("inspect " + uid, InspectWhileDirty(uid));
}

void Pleg::Hold(const std::string& uid, bool held) {
  auto& entry = EntryOf(uid);
  entry.held = held;
  if (held) return;
  if (entry.dirty) {
    MarkDirty(uid);
  } else {
    ForgetIfGone(uid);
  }
}

void Pleg::ForgetIfGone(const std::string& uid) {
  auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  const Entry& entry = it->second;
  if (!entry.pod && !entry.held && !entry.dirty && !entry.inspecting) pods_.erase(it);
}

bool Pleg::Known(const std::string& uid) const {
  auto it = pods_.find(uid);
  if (it == pods_.end()) return synced_;
  return synced_ && it->second.error.empty() && !it->second.dirty && !it->second.inspecting;
}

}  // namespace kubelet::pleg
