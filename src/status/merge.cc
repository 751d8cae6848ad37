#include "status/merge.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>

#include "kubelet/api/time.h"

namespace kubelet::status {
namespace {

using api::core::ContainerState;
using api::core::ContainerStatus;
using api::core::Pod;
using api::core::PodCondition;
using api::core::PodStatus;
using Conditions = google::protobuf::RepeatedPtrField<PodCondition>;
using Statuses = google::protobuf::RepeatedPtrField<ContainerStatus>;

// All termination messages of a pod together (pkg/kubelet/container
// MaxPodTerminationMessageLogLength).
constexpr size_t kMessageBytes = 12 * 1024;
constexpr char kShared[] = "DisruptionTarget";

const PodCondition* Find(const Conditions& conditions, const std::string& type) {
  for (const auto& condition : conditions) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

const ContainerStatus* Find(const Statuses& statuses, const std::string& name) {
  for (const auto& status : statuses) {
    if (status.name() == name) return &status;
  }
  return nullptr;
}

// Cut between characters, so that the text stays UTF-8.
void Cut(std::string& text, size_t limit) {
  if (text.size() <= limit) return;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
}

void NormalizeState(ContainerState& state, size_t limit) {
  if (state.has_running() && state.running().has_started_at()) {
    state.mutable_running()->mutable_started_at()->clear_nanos();
  }
  if (!state.has_terminated()) return;
  auto* end = state.mutable_terminated();
  if (end->has_started_at()) end->mutable_started_at()->clear_nanos();
  if (end->has_finished_at()) end->mutable_finished_at()->clear_nanos();
  if (end->message().size() > limit) Cut(*end->mutable_message(), limit);
}

void NormalizeStates(Statuses& statuses, size_t limit) {
  for (auto& status : statuses) {
    if (status.has_state()) NormalizeState(*status.mutable_state(), limit);
    if (status.has_last_state()) NormalizeState(*status.mutable_last_state(), limit);
  }
}

void SortByName(Statuses& statuses) {
  std::stable_sort(statuses.begin(), statuses.end(),
                   [](const auto& a, const auto& b) { return a.name() < b.name(); });
}

void SortBySpec(const Pod& pod, Statuses& statuses) {
  std::map<std::string, int> order;
  for (const auto& spec : pod.spec().init_containers()) {
    order.emplace(spec.name(), static_cast<int>(order.size()));
  }
  auto rank = [&](const ContainerStatus& status) {
    auto it = order.find(status.name());
    return it == order.end() ? static_cast<int>(order.size()) : it->second;
  };
  std::stable_sort(statuses.begin(), statuses.end(),
                   [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

void SetTurned(PodCondition& condition, const Conditions& before, base::WallTime now) {
  const PodCondition* old = Find(before, condition.type());
  if (old != nullptr && old->status() == condition.status()) {
    *condition.mutable_last_transition_time() = old->last_transition_time();
  } else {
    *condition.mutable_last_transition_time() = api::ToTime(now);
  }
}

// In the server's order, so that a mere change of order is no change. DisruptionTarget is ours only
// at the moment the pod ends.
void MergeConditions(const PodStatus& server, PodStatus& wanted, bool ends, base::WallTime now) {
  Conditions ours, merged;
  for (auto& condition : *wanted.mutable_conditions()) {
    bool shared = condition.type() == kShared && ends;
    if (shared) SetTurned(condition, server.conditions(), now);
    if (shared || IsOwnCondition(condition.type())) ours.Add()->Swap(&condition);
  }
  for (const auto& condition : server.conditions()) {
    const PodCondition* next = Find(ours, condition.type());
    if (next != nullptr) {
      *merged.Add() = *next;
    } else if (!IsOwnCondition(condition.type())) {
      *merged.Add() = condition;
    }
  }
  for (auto& condition : ours) {
    if (Find(merged, condition.type()) == nullptr) merged.Add()->Swap(&condition);
  }
  wanted.mutable_conditions()->Swap(&merged);
}

void KeepPhase(const PodStatus& from, PodStatus& to) {
  to.set_phase(from.phase());
  to.set_reason(from.reason());
  to.set_message(from.message());
}

// A pod that has ended is not ready, whatever was last computed (k/k#108594).
void EndReadiness(const PodStatus& server, PodStatus& wanted, base::WallTime now) {
  for (auto& condition : *wanted.mutable_conditions()) {
    if (condition.type() != "Ready" && condition.type() != "ContainersReady") continue;
    if (condition.status() != "True") continue;
    condition.set_status("False");
    condition.set_reason(wanted.phase() == "Succeeded" ? "PodCompleted" : "PodFailed");
    condition.clear_message();
    SetTurned(condition, server.conditions(), now);
  }
}

bool KeepCounts(const Statuses& before, Statuses& statuses) {
  bool changed = false;
  for (auto& status : statuses) {
    const ContainerStatus* old = Find(before, status.name());
    if (old == nullptr || old->restart_count() <= status.restart_count()) continue;
    status.set_restart_count(old->restart_count());
    changed = true;
  }
  return changed;
}

bool KeepCounts(const PodStatus& before, PodStatus& status) {
  bool init =
      KeepCounts(before.init_container_statuses(), *status.mutable_init_container_statuses());
  return KeepCounts(before.container_statuses(), *status.mutable_container_statuses()) || init;
}

void KeepForeignFields(const PodStatus& server, PodStatus& wanted) {
  wanted.clear_nominated_node_name();
  if (!server.nominated_node_name().empty()) {
    wanted.set_nominated_node_name(server.nominated_node_name());
  }
  *wanted.mutable_resource_claim_statuses() = server.resource_claim_statuses();
  *wanted.mutable_node_allocatable_resource_claim_statuses() =
      server.node_allocatable_resource_claim_statuses();
  wanted.clear_extended_resource_claim_status();
  if (server.has_extended_resource_claim_status()) {
    *wanted.mutable_extended_resource_claim_status() = server.extended_resource_claim_status();
  }
}

}  // namespace

bool IsTerminal(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }

bool IsReady(const PodStatus& status) {
  const PodCondition* ready = Find(status.conditions(), "Ready");
  return ready != nullptr && ready->status() == "True";
}

bool IsOwnCondition(const std::string& type) {
  static constexpr std::array kOwn = {"PodScheduled",        "PodReadyToStartContainers",
                                      "Initialized",         "Ready",
                                      "ContainersReady",     "PodResizePending",
                                      "PodResizeInProgress", "AllContainersRestarting"};
  return std::find(kOwn.begin(), kOwn.end(), type) != kOwn.end();
}

void Normalize(const Pod& pod, PodStatus& status) {
  const auto& spec = pod.spec();
  int containers =
      spec.containers_size() + spec.init_containers_size() + spec.ephemeral_containers_size();
  size_t limit = kMessageBytes / static_cast<size_t>(std::max(containers, 1));
  if (status.has_start_time()) status.mutable_start_time()->clear_nanos();
  for (auto& condition : *status.mutable_conditions()) {
    if (condition.has_last_probe_time()) condition.mutable_last_probe_time()->clear_nanos();
    if (condition.has_last_transition_time())
      condition.mutable_last_transition_time()->clear_nanos();
  }
  for (auto* list : {status.mutable_container_statuses(), status.mutable_init_container_statuses(),
                     status.mutable_ephemeral_container_statuses()}) {
    NormalizeStates(*list, limit);
  }
  SortByName(*status.mutable_container_statuses());
  SortBySpec(pod, *status.mutable_init_container_statuses());
  SortByName(*status.mutable_ephemeral_container_statuses());
}

bool Follow(const PodStatus& before, PodStatus& status) {
  bool changed = KeepCounts(before, status);
  auto carry = [&](const api::meta::Time& from, api::meta::Time* to) {
    changed |= from.seconds() != to->seconds();
    *to = from;
    to->clear_nanos();
  };
  for (auto& condition : *status.mutable_conditions()) {
    if (!IsOwnCondition(condition.type()) && condition.type() != kShared) continue;
    const PodCondition* old = Find(before.conditions(), condition.type());
    if (old == nullptr || old->status() != condition.status()) continue;
    if (old->has_last_transition_time()) {
      carry(old->last_transition_time(), condition.mutable_last_transition_time());
    }
  }
  if (before.start_time().seconds() != 0) carry(before.start_time(), status.mutable_start_time());
  return changed;
}

void KeepEnd(const PodStatus& before, PodStatus& status) {
  if (!IsTerminal(before.phase())) return;
  if (status.phase() != before.phase() || status.reason().empty()) KeepPhase(before, status);
}

PodStatus Merge(const PodStatus& server, PodStatus wanted, const MergeRules& rules) {
  bool ends = !IsTerminal(server.phase()) && IsTerminal(wanted.phase()) && rules.terminal_allowed;
  MergeConditions(server, wanted, ends, rules.now);
  KeepForeignFields(server, wanted);
  KeepEnd(server, wanted);
  bool early = IsTerminal(wanted.phase()) && !IsTerminal(server.phase()) && !rules.terminal_allowed;
  if (early) KeepPhase(server, wanted);
  if (IsTerminal(wanted.phase())) EndReadiness(server, wanted, rules.now);
  KeepCounts(server, wanted);
  if (server.observed_generation() > wanted.observed_generation()) {
    wanted.set_observed_generation(server.observed_generation());
  }
  if (server.start_time().seconds() != 0) *wanted.mutable_start_time() = server.start_time();
  return wanted;
}

}  // namespace kubelet::status
