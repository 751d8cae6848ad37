// The queue of resizes that wait: the other half of Allocations.
#include <algorithm>
#include <boost/asio/post.hpp>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"
#include "kubelet/base/log.h"
#include "resource/allocation_entry.h"

namespace kubelet::resource {

using api::core::Container;
using api::core::Pod;

namespace {

// pkg/kubelet/allocation/allocation_manager.go
constexpr base::Nanos kSourcesDelay = std::chrono::seconds(30),
                      kRetryDelay = std::chrono::minutes(3);

const char* OperationOf(const api::Quantity& before, const api::Quantity& now) {
  if (now.IsZero() && !before.IsZero()) return "remove";
  if (before.IsZero() && !now.IsZero()) return "add";
  if (now < before) return "decrease";
  return before < now ? "increase" : nullptr;
}

}  // namespace

void Allocations::CountResizes(const Pod& before, const Pod& now) {
  if (requested_ == nullptr) return;
  auto count = [&](const Container& was, const Container& is) {
    for (const char* name : {"memory", "cpu"}) {
      if (const char* op = OperationOf(api::Request(was, name), api::Request(is, name)))
        requested_->With({name, "requests", op}).Add();
      if (const char* op = OperationOf(api::Limit(was, name), api::Limit(is, name)))
        requested_->With({name, "limits", op}).Add();
    }
  };
  auto each = [&](const auto& old_containers, const auto& containers, bool is_init) {
    for (const auto& was : old_containers) {
      for (const auto& is : containers) {
        if (is.name() == was.name() && api::IsResizable(was, is_init, rules_.init_containers))
          count(was, is);
      }
    }
  };
  each(before.spec().containers(), now.spec().containers(), false);
  each(before.spec().init_containers(), now.spec().init_containers(), true);
}

void Allocations::Push(const std::string& uid) {
  if (std::find(pending_.begin(), pending_.end(), uid) == pending_.end()) pending_.push_back(uid);
}

bool Allocations::Increases(const api::PodPtr& pod) {
  auto before = api::ComputePodResources(*Allocated(pod));
  auto now = api::ComputePodResources(*pod);
  return now.memory_request > before.memory_request ||
         now.cpu_request_milli > before.cpu_request_milli;
}

void Allocations::Sort() {
  struct Rank {
    bool increases;
    int64_t priority;
    bool not_guaranteed;
    int64_t since;
    std::string uid;
  };
  std::vector<Rank> ranks;
  for (const auto& uid : pending_) {
    api::PodPtr pod = deps_.find(uid);
    if (!pod) continue;
    Rank rank{Increases(pod), -int64_t{pod->spec().priority()},
              api::ComputeQos(*pod) != api::QosClass::kGuaranteed, INT64_MAX, uid};
    auto it = entries_.find(uid);
    if (it != entries_.end() && it->second.pending)
      rank.since = it->second.pending->last_transition_time().seconds();
    ranks.push_back(std::move(rank));
  }
  std::stable_sort(ranks.begin(), ranks.end(), [](const Rank& a, const Rank& b) {
    return std::tie(a.increases, a.priority, a.not_guaranteed, a.since) <
           std::tie(b.increases, b.priority, b.not_guaranteed, b.since);
  });
  pending_.clear();
  for (auto& rank : ranks) pending_.push_back(std::move(rank.uid));
}

// After everything of this turn of the loop has been told: of many pods that come at once all count
// before one grows.
void Allocations::RetrySoon(const std::string& trigger) {
  if (soon_) return;
  soon_ = trigger;
  boost::asio::post(deps_.executor, [this, alive = alive_] {
    if (!*alive || !soon_) return;
    std::string why = *std::exchange(soon_, std::nullopt);
    untold_.insert(pending_.begin(), pending_.end());
    Retry(why);
    for (const auto& uid : std::exchange(untold_, {})) deps_.on_change(uid);
  });
}

void Allocations::Tell(const std::string& uid) {
  untold_.erase(uid);
  deps_.on_change(uid);
}

bool Allocations::Judging(const std::string& uid) const {
  return soon_ && std::find(pending_.begin(), pending_.end(), uid) != pending_.end();
}

void Allocations::Arm(base::Nanos delay) {
  if (timer_) deps_.clock.Cancel(*timer_);
  timer_ = deps_.clock.After(delay, [this] {
    timer_.reset();
    Retry("periodic_retry");
  });
}

void Allocations::Retry(const std::string& trigger) {
  if (pending_.empty()) return;
  if (!deps_.sources_ready()) {
    Arm(kSourcesDelay);
    return;
  }
  Sort();
  std::vector<std::string> still;
  for (const auto& uid : std::exchange(pending_, {})) {
    api::PodPtr pod = deps_.find(uid);
    auto it = entries_.find(uid);
    if (!pod || it == entries_.end() || it->second.over) continue;
    bool was_deferred = it->second.pending && it->second.pending->reason() == "Deferred";
    if (TryOne(pod)) {
      if (was_deferred && accepted_ != nullptr) accepted_->With({trigger}).Add();
    } else if (Wants(pod) && it->second.pending && it->second.pending->reason() == "Deferred") {
      still.push_back(uid);
    }
  }
  // on_change may have brought new ones.
  for (auto& uid : still) Push(uid);
  if (!pending_.empty()) Arm(kRetryDelay);
}

// True when the resize was let through. The pod's entry stays.
bool Allocations::TryOne(const api::PodPtr& pod) {
  const std::string uid = pod->metadata().uid();
  if (!Wants(pod)) {
    if (ClearPending(EntryOf(pod))) Tell(uid);
    return false;
  }
  if (auto infeasible = CheckResize(*pod, *Allocated(pod), rules_)) {
    if (infeasible_ != nullptr) infeasible_->With({infeasible->detail}).Add();
    SetPending(pod, "Infeasible", infeasible->message);
    return false;
  }
  if (auto refusal = deps_.fits ? deps_.fits(*pod, Others(uid)) : std::nullopt) {
    SetPending(pod, "Deferred", refusal->message);
    return false;
  }
  Let(pod);
  return true;
}

void Allocations::Let(const api::PodPtr& pod) {
  const std::string uid = pod->metadata().uid();
  deps_.allocated.Set(uid, AllocationOf(*pod));
  Entry& entry = EntryOf(pod);
  entry.source.reset();
  entry.given.reset();
  entry.pending.reset();
  entry.in_progress.reset();
  Begin(entry, pod->metadata().generation());
  UpdateGauges();
  deps_.on_event(*pod, false, "ResizeStarted",
                 ResizeMessage(*pod, pod->metadata().generation(), "", "Pod resize started"));
  LOG_INFO("Pod resize is let through", "pod", api::PodKey(*pod), "podUID", uid);
  Tell(uid);
}

}  // namespace kubelet::resource
