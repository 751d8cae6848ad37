#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/runtime/actions.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using ContainerSpec = api::core::Container;
using api::core::Pod;

constexpr char kRestartAll[] = "RestartAllContainers";

bool Matches(const api::core::ContainerRestartRuleOnExitCodes& codes, int exit_code) {
  bool listed = std::find(codes.values().begin(), codes.values().end(), exit_code) != codes.values().end();
  if (codes.operator_() == "In") return listed;
  return codes.operator_() == "NotIn" && !listed;
}

// The action of the first rule that matches; empty when none does.
std::string ActionFor(const ContainerSpec& container, int exit_code) {
  for (const auto& rule : container.restart_policy_rules()) {
    if (rule.has_exit_codes() && Matches(rule.exit_codes(), exit_code)) return rule.action();
  }
  return "";
}

bool HasRule(const ContainerSpec& container) {
  const auto& rules = container.restart_policy_rules();
  return std::any_of(rules.begin(), rules.end(),
                     [](const auto& rule) { return rule.action() == kRestartAll; });
}

}  // namespace

const std::string& RestartPolicyOf(const Pod& pod, const ContainerSpec& container) {
  return container.has_restart_policy() ? container.restart_policy() : pod.spec().restart_policy();
}

bool ShouldRestart(const Pod& pod, const ContainerSpec& container, int exit_code) {
  if (container.has_restart_policy()) {
    std::string action = ActionFor(container, exit_code);
    if (action == "Restart" || action == kRestartAll) return true;
  }
  const std::string& policy = RestartPolicyOf(pod, container);
  if (policy == "Never") return false;
  if (policy == "OnFailure") return exit_code != 0;
  return true;
}

bool RestartsAll(const ContainerSpec& container, int exit_code) {
  return ActionFor(container, exit_code) == kRestartAll;
}

bool HasRestartAllRule(const Pod& pod) {
  const auto& spec = pod.spec();
  return std::any_of(spec.containers().begin(), spec.containers().end(), HasRule) ||
         std::any_of(spec.init_containers().begin(), spec.init_containers().end(), HasRule);
}

bool RestartAllWanted(const Pod& pod, const ObservedPod& observed, const Knowledge& known) {
  auto asks = [&](const ContainerSpec& spec) {
    const ContainerStatus* status = observed.Newest(spec.name());
    return status != nullptr && status->state == ContainerState::kExited && !known.stopped.contains(status->id) &&
           !DefinitionChanged(spec, *status) && RestartsAll(spec, status->exit_code);
  };
  const auto& spec = pod.spec();
  return std::any_of(spec.containers().begin(), spec.containers().end(), asks) ||
         std::any_of(spec.init_containers().begin(), spec.init_containers().end(), asks);
}

api::PodPtr WithRestartGates(api::PodPtr pod, bool rules, bool restart_all) {
  if (rules && restart_all) return pod;
  auto seen = std::make_shared<Pod>(*pod);
  bool changed = false;
  auto look = [&](ContainerSpec& c, bool init) {
    // Sidecars are older than the gate.
    bool own = c.has_restart_policy() && !(init && api::IsRestartableInit(c));
    if (!rules && (own || c.restart_policy_rules_size() > 0)) {
      if (own) c.clear_restart_policy();
      c.clear_restart_policy_rules();
      changed = true;
    }
    // Such a rule still ends the search for one that matches: the policy decides then.
    for (auto& rule : *c.mutable_restart_policy_rules()) {
      if (restart_all || rule.action() != kRestartAll) continue;
      rule.clear_action();
      changed = true;
    }
  };
  for (auto& c : *seen->mutable_spec()->mutable_containers()) look(c, false);
  for (auto& c : *seen->mutable_spec()->mutable_init_containers()) look(c, true);
  return changed ? api::PodPtr(seen) : pod;
}

bool DefinitionChanged(const ContainerSpec& spec, const ContainerStatus& status) {
  auto it = status.annotations.find(kHashAnnotation);
  return it != status.annotations.end() && it->second != api::ContainerHash(spec.name(), spec.image());
}

uint32_t AttemptsShown(const Pod& pod, const std::string& container) {
  for (const auto* all : {&pod.status().container_statuses(), &pod.status().init_container_statuses(),
                          &pod.status().ephemeral_container_statuses()}) {
    for (const auto& s : *all) {
      if (s.name() != container) continue;
      bool ran = s.state().has_running() || s.state().has_terminated();
      return static_cast<uint32_t>(std::max(s.restart_count(), 0)) + (ran ? 1 : 0);
    }
  }
  return 0;
}

}  // namespace kubelet::runtime
