#include "kubelet/resource/allocation.h"

#include <algorithm>
#include <utility>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"
#include "kubelet/api/time.h"
#include "kubelet/base/log.h"
#include "resource/allocation_entry.h"

namespace kubelet::resource {

using api::core::Pod;
using api::core::PodCondition;

namespace {

constexpr char kPending[] = "PodResizePending", kInProgress[] = "PodResizeInProgress";
constexpr char kInfeasible[] = "Infeasible", kError[] = "Error";

// The pod with the resources of the allocation.
api::PodPtr With(const Pod& pod, const PodAllocation& allocation, const ResizeRules& rules) {
  auto copy = std::make_shared<Pod>(pod);
  auto& spec = *copy->mutable_spec();
  if (rules.pod_level) {
    if (allocation.pod_level) {
      *spec.mutable_resources() = *allocation.pod_level;
    } else {
      spec.clear_resources();
    }
  }
  for (auto* all : {spec.mutable_containers(), spec.mutable_init_containers()}) {
    for (auto& c : *all) {
      auto it = allocation.containers.find(c.name());
      if (it != allocation.containers.end()) *c.mutable_resources() = it->second;
    }
  }
  return copy;
}

// Containers that only one of them names do not count.
bool Differ(const PodAllocation& a, const PodAllocation& b) {
  static const api::core::ResourceRequirements kNone;
  if (!api::SameResources(a.pod_level ? *a.pod_level : kNone, b.pod_level ? *b.pod_level : kNone))
    return true;
  return std::any_of(b.containers.begin(), b.containers.end(), [&](const auto& c) {
    auto it = a.containers.find(c.first);
    return it != a.containers.end() && !api::SameResources(it->second, c.second);
  });
}

int64_t Seconds(base::WallTime t) { return api::ToTime(t).seconds(); }

PodCondition Condition(const char* type, const std::optional<PodCondition>& old,
                       const std::string& reason, const std::string& message, int64_t generation,
                       base::WallTime now) {
  PodCondition out;
  out.set_type(type);
  out.set_status("True");
  if (!reason.empty()) out.set_reason(reason);
  if (!message.empty()) out.set_message(message);
  if (generation != 0) out.set_observed_generation(generation);
  bool same = old && old->reason() == reason;
  out.mutable_last_probe_time()->set_seconds(Seconds(now));
  out.mutable_last_transition_time()->set_seconds(same ? old->last_transition_time().seconds()
                                                       : Seconds(now));
  if (same && old->message() == message && old->observed_generation() == generation) out = *old;
  return out;
}

// The larger of the two, amount by amount: what a pod that shrinks holds until it has shrunk.
void RaiseRequests(const api::core::ResourceRequirements& actual,
                   api::core::ResourceRequirements& requests) {
  for (const auto& [name, quantity] : actual.requests()) {
    if (name != "cpu" && name != "memory") continue;
    auto value = api::Quantity::From(quantity);
    if (api::QuantityOf(requests.requests(), name) < value)
      (*requests.mutable_requests())[name] = value.ToMessage();
  }
}

}  // namespace

Allocations::Allocations(Deps deps, ResizeRules rules)
    : deps_(std::move(deps)), rules_(std::move(rules)) {
  if (deps_.metrics == nullptr) return;
  auto& m = *deps_.metrics;
  requested_ = &m.AddCounter(
      "kubelet_container_requested_resizes_total",
      "Number of requested resizes, counted at the container level. Different resources on the "
      "same container are counted separately. The 'requirement' label refers to 'memory' or "
      "'limits'; the 'operation' label can be one of 'add', 'remove', 'increase' or 'decrease'.",
      {"resource", "requirement", "operation"});
  pending_count_ =
      &m.AddGauge("kubelet_pod_pending_resizes", "Number of pending resizes for pods.", {"reason"});
  infeasible_ = &m.AddCounter("kubelet_pod_infeasible_resizes_total",
                              "Number of infeasible resizes for pods.", {"reason_detail"});
  in_progress_count_ =
      &m.AddGauge("kubelet_pod_in_progress_resizes", "Number of in-progress resizes for pods.");
  in_progress_count_->Only().Set(0);
  accepted_ = &m.AddCounter("kubelet_pod_deferred_accepted_resizes_total",
                            "Cumulative number of resizes that were accepted after being deferred.",
                            {"retry_trigger"});
}

PodAllocation Allocations::AllocationOf(const Pod& pod) const {
  PodAllocation out;
  if (rules_.pod_level && pod.spec().has_resources()) out.pod_level = pod.spec().resources();
  for (const auto& c : pod.spec().init_containers()) {
    if (api::IsResizable(c, true, rules_.init_containers)) out.containers[c.name()] = c.resources();
  }
  for (const auto& c : pod.spec().containers()) out.containers[c.name()] = c.resources();
  return out;
}

Allocations::~Allocations() {
  *alive_ = false;
  if (timer_) deps_.clock.Cancel(*timer_);
}

Allocations::Entry& Allocations::EntryOf(const api::PodPtr& pod) {
  auto [it, fresh] = entries_.try_emplace(pod->metadata().uid());
  if (!fresh) return it->second;
  it->second.pod = pod;
  // What an earlier kubelet said of resizes goes on from there.
  for (const auto& c : pod->status().conditions()) {
    if (c.type() == kPending) it->second.pending = c;
    if (c.type() == kInProgress) it->second.in_progress = c;
  }
  if (it->second.pending || it->second.in_progress) UpdateGauges();
  return it->second;
}

api::PodPtr Allocations::Allocated(const api::PodPtr& pod) {
  if (!pod) return pod;
  auto it = entries_.find(pod->metadata().uid());
  Entry* entry = it == entries_.end() ? nullptr : &it->second;
  if (entry != nullptr && entry->source == pod) return entry->given;
  const PodAllocation* allocation = deps_.allocated.Get(pod->metadata().uid());
  api::PodPtr given = pod;
  if (allocation != nullptr && Wants(pod)) given = With(*pod, *allocation, rules_);
  if (entry != nullptr) {
    entry->source = pod;
    entry->given = given;
  }
  return given;
}

// Its spec asks for something else than it was given.
bool Allocations::Wants(const api::PodPtr& pod) {
  const PodAllocation* given = deps_.allocated.Get(pod->metadata().uid());
  return given != nullptr && Differ(*given, AllocationOf(*pod));
}

std::vector<api::PodPtr> Allocations::Others(const std::string& uid) {
  std::vector<api::PodPtr> out;
  for (const auto& pod : deps_.active()) {
    if (pod->metadata().uid() == uid) continue;
    api::PodPtr given = Allocated(pod);
    auto it = entries_.find(pod->metadata().uid());
    const PodAllocation* actual = deps_.actuated.Get(pod->metadata().uid());
    if (actual != nullptr && it != entries_.end() && it->second.in_progress) {
      auto copy = std::make_shared<Pod>(*given);
      auto& spec = *copy->mutable_spec();
      for (auto* all : {spec.mutable_containers(), spec.mutable_init_containers()}) {
        for (auto& c : *all) {
          auto has = actual->containers.find(c.name());
          if (has != actual->containers.end()) RaiseRequests(has->second, *c.mutable_resources());
        }
      }
      if (actual->pod_level && spec.has_resources())
        RaiseRequests(*actual->pod_level, *spec.mutable_resources());
      given = copy;
    }
    out.push_back(given);
  }
  return out;
}

void Allocations::Admitted(const api::PodPtr& pod) {
  const std::string& uid = pod->metadata().uid();
  Entry& entry = EntryOf(pod);
  entry.pod = pod;
  entry.over = false;
  PodAllocation next = AllocationOf(*pod);
  const PodAllocation* before = deps_.allocated.Get(uid);
  bool fresh = before == nullptr;
  if (before != nullptr) {
    // What the file does not name is new to the pod.
    for (auto& [name, resources] : next.containers) {
      auto it = before->containers.find(name);
      if (it != before->containers.end()) {
        resources = it->second;
      } else {
        fresh = true;
      }
    }
    next.pod_level = before->pod_level;
  }
  if (fresh) deps_.allocated.Set(uid, std::move(next));
  entry.source.reset();
  if (!Wants(pod)) {
    if (ClearPending(entry)) Tell(uid);
    return;
  }
  Push(uid);
  RetrySoon("pods_added");
}

void Allocations::Updated(const api::PodPtr& pod) {
  const std::string& uid = pod->metadata().uid();
  auto it = entries_.find(uid);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  api::PodPtr before = std::exchange(entry.pod, pod);
  if (entry.over || before == pod) return;
  CountResizes(*before, *pod);
  if (!Wants(pod)) {
    std::erase(pending_, uid);
    if (ClearPending(entry)) Tell(uid);
    return;
  }
  // An infeasible wish is judged again only when it is another one.
  if (!Differ(AllocationOf(*before), AllocationOf(*pod))) return;
  Push(uid);
  RetrySoon("pod_updated");
}

void Allocations::Removed(const std::string& uid) {
  std::erase(pending_, uid);
  auto it = entries_.find(uid);
  if (it != entries_.end()) it->second.over = true;
  if (!pending_.empty()) RetrySoon("pods_removed");
}

void Allocations::Ended(const std::string& uid) {
  auto it = entries_.find(uid);
  if (it == entries_.end() || it->second.over) return;
  it->second.over = true;
  std::erase(pending_, uid);
  bool had = it->second.pending || it->second.in_progress;
  it->second.pending.reset();
  it->second.in_progress.reset();
  if (had) UpdateGauges();
  if (!pending_.empty()) RetrySoon("pod_terminated");
}

void Allocations::Forget(const std::string& uid) {
  deps_.allocated.Remove(uid);
  std::erase(pending_, uid);
  auto it = entries_.find(uid);
  if (it == entries_.end()) return;
  bool had = it->second.pending || it->second.in_progress;
  entries_.erase(it);
  if (had) UpdateGauges();
}

void Allocations::Synced(const Pod& allocated, bool resizing,
                         const std::optional<std::string>& error) {
  auto it = entries_.find(allocated.metadata().uid());
  if (it == entries_.end() || it->second.over) return;
  Entry& entry = it->second;
  const std::string uid = it->first;
  int64_t generation = allocated.metadata().generation();
  if (!resizing && !error) {
    if (!entry.in_progress) return;
    int64_t observed = entry.in_progress->observed_generation();
    entry.in_progress.reset();
    UpdateGauges();
    deps_.on_event(allocated, false, "ResizeCompleted",
                   ResizeMessage(allocated, observed, "", "Pod resize completed"));
    Tell(uid);
    if (!pending_.empty()) RetrySoon("pod_resized");
    return;
  }
  auto before = entry.in_progress;
  // Its generation is the one that was let through; a reason stays until the resize is done or
  // another begins.
  if (before) generation = before->observed_generation();
  std::string reason = before ? before->reason() : "", message = before ? before->message() : "";
  if (error) {
    reason = kError;
    message = *error;
  }
  entry.in_progress =
      Condition(kInProgress, before, reason, message, generation, deps_.clock.Now());
  if (before && before->reason() == reason && before->message() == message) return;
  UpdateGauges();
  if (error) {
    deps_.on_event(allocated, true, "ResizeError",
                   ResizeMessage(allocated, generation, *error, "Pod resize error"));
  }
  Tell(uid);
}

std::vector<PodCondition> Allocations::Conditions(const std::string& uid) const {
  std::vector<PodCondition> out;
  auto it = entries_.find(uid);
  if (it == entries_.end() || it->second.over) return out;
  if (it->second.pending) out.push_back(*it->second.pending);
  if (it->second.in_progress) out.push_back(*it->second.in_progress);
  return out;
}

void Allocations::UpdateGauges() {
  if (pending_count_ == nullptr) return;
  double deferred = 0, infeasible = 0, in_progress = 0;
  for (const auto& [uid, entry] : entries_) {
    if (entry.pending) ++(entry.pending->reason() == kInfeasible ? infeasible : deferred);
    if (entry.in_progress) ++in_progress;
  }
  pending_count_->With({"deferred"}).Set(deferred);
  pending_count_->With({"infeasible"}).Set(infeasible);
  in_progress_count_->Only().Set(in_progress);
}

void Allocations::Begin(Entry& entry, int64_t generation) {
  entry.in_progress = Condition(kInProgress, std::nullopt, "", "", generation, deps_.clock.Now());
}

bool Allocations::ClearPending(Entry& entry) {
  if (!entry.pending) return false;
  entry.pending.reset();
  UpdateGauges();
  return true;
}

void Allocations::SetPending(const api::PodPtr& pod, const std::string& reason,
                             const std::string& message) {
  Entry& entry = EntryOf(pod);
  auto before = entry.pending;
  int64_t generation = pod->metadata().generation();
  entry.pending = Condition(kPending, before, reason, message, generation, deps_.clock.Now());
  bool news = !before || before->reason() != reason || before->observed_generation() != generation;
  if (news) {
    UpdateGauges();
    deps_.on_event(*pod, true, reason == kInfeasible ? "ResizeInfeasible" : "ResizeDeferred",
                   ResizeMessage(*pod, generation, message, "Pod resize " + reason));
  }
  if (news || before->message() != message) Tell(pod->metadata().uid());
}

}  // namespace kubelet::resource
