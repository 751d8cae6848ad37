#include "kubelet/admission/admission.h"

#include <algorithm>

#include "admission/apparmor.h"
#include "kubelet/admission/preemption.h"

namespace kubelet::admission {
namespace {

using api::core::Pod;
using Others = std::vector<const PodUse*>;

constexpr char kOs[] = "linux";
constexpr char kOsLabel[] = "kubernetes.io/os";
constexpr char kUserNamespacesHostNetwork[] = "UserNamespacesHostNetworkSupport";
constexpr char kRestartAllContainers[] = "RestartAllContainersOnContainerExits";

// pkg/kubelet/eviction Admit
std::optional<Rejection> JudgePressure(const Pod& pod, const NodeFacts& node) {
  std::string conditions;
  auto list = [&](bool set, const char* name) {
    if (set) conditions += (conditions.empty() ? "" : " ") + std::string(name);
  };
  list(node.memory_pressure, "MemoryPressure");
  list(node.disk_pressure, "DiskPressure");
  list(node.pid_pressure, "PIDPressure");
  if (conditions.empty() || api::IsCritical(pod)) return std::nullopt;
  if (!node.disk_pressure && !node.pid_pressure) {
    api::core::Taint taint;
    taint.set_key("node.kubernetes.io/memory-pressure");
    taint.set_effect("NoSchedule");
    bool best_effort = api::ComputeQos(pod) == api::QosClass::kBestEffort;
    if (!best_effort || Tolerates(pod.spec(), taint, node.numeric_tolerations)) return std::nullopt;
  }
  return Rejection{"Evicted", "The node had condition: [" + conditions + "]. "};
}

std::optional<Rejection> JudgeSysctls(const Pod& pod, const NodeFacts& node) {
  for (const auto& sysctl : pod.spec().security_context().sysctls()) {
    auto why =
        node.sysctls.Forbids(sysctl.name(), pod.spec().host_network(), pod.spec().host_ipc());
    if (why) return Rejection{"SysctlForbidden", "forbidden sysctl: " + *why};
  }
  return std::nullopt;
}

// What preemption does not help with, and upstream looks at before.
std::optional<Rejection> JudgePlatform(const Pod& pod, const NodeFacts& node) {
  const auto& labels = pod.metadata().labels();
  if (auto it = labels.find(kOsLabel); it != labels.end() && it->second != kOs) {
    return Rejection{
        "PodOSSelectorNodeLabelDoesNotMatch",
        "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"};
  }
  if (pod.spec().has_os() && pod.spec().os().name() != kOs) {
    return Rejection{"PodOSNotSupported",
                     "Failed to admit pod as the OS field doesn't match node OS"};
  }
  bool strict = pod.spec().security_context().supplemental_groups_policy() == "Strict";
  if (strict && !node.supplemental_groups_policy) {
    return Rejection{"SupplementalGroupsPolicyNotSupported",
                     "SupplementalGroupsPolicy=Strict is not supported in this node"};
  }
  return std::nullopt;
}

bool Conflict(const HostPort& a, const HostPort& b) {
  constexpr char kAny[] = "0.0.0.0";
  bool same_ip = a.ip == b.ip || a.ip == kAny || b.ip == kAny;
  return a.port == b.port && a.protocol == b.protocol && same_ip;
}

bool PortsAreFree(const PodUse& use, const Others& others) {
  return std::none_of(others.begin(), others.end(), [&](const PodUse* other) {
    return std::any_of(use.ports.begin(), use.ports.end(), [&](const HostPort& wanted) {
      return std::any_of(other->ports.begin(), other->ports.end(),
                         [&](const HostPort& taken) { return Conflict(wanted, taken); });
    });
  });
}

Rejection Predicate(const std::string& name, const std::string& why) {
  return {name, "Predicate " + name + " failed: " + why};
}

std::optional<Rejection> JudgePlace(const Pod& pod, const NodeFacts& node, const PodUse& use,
                                    const Others& others) {
  bool blind = api::IsStatic(pod) && !node.labels_known;
  if (!blind && !MatchesNode(pod, node))
    return Predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
  if (!pod.spec().node_name().empty() && pod.spec().node_name() != node.name)
    return Predicate("NodeName", "node(s) didn't match the requested node name");
  if (!PortsAreFree(use, others))
    return Predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports");
  if (api::IsStatic(pod)) return std::nullopt;
  bool bears = std::all_of(node.taints.begin(), node.taints.end(), [&](const auto& taint) {
    return taint.effect() != "NoExecute" || Tolerates(pod.spec(), taint, node.numeric_tolerations);
  });
  if (bears) return std::nullopt;
  return Predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate");
}

// Extended resources that the node does not know belong to the cluster or to DRA.
void DropUnknown(const Pod& pod, const Amounts& allocatable, Amounts& requests) {
  for (auto it = requests.begin(); it != requests.end();) {
    const auto& claims = pod.status().extended_resource_claim_status().request_mappings();
    bool claimed = std::any_of(claims.begin(), claims.end(), [&](const auto& mapping) {
      return mapping.resource_name() == it->first;
    });
    bool drop = IsExtendedResource(it->first) && (claimed || allocatable.count(it->first) == 0);
    it = drop ? requests.erase(it) : std::next(it);
  }
}

Decision Rejected(Rejection rejection) {
  Decision decision;
  decision.rejection = std::move(rejection);
  return decision;
}

// The order of upstream: what lacks is found first, but a critical pod is rejected for the rest
// only.
Decision JudgeFit(const Pod& pod, const NodeFacts& node, const Amounts& allocatable,
                  const Others& others) {
  PodUse use = UseOf(pod, node.pod_level_resources);
  Amounts used;
  for (const PodUse* other : others) Add(other->requests, used);
  Amounts requests = use.requests;
  DropUnknown(pod, allocatable, requests);
  auto missing = FindInsufficient(requests, used, allocatable);
  auto place = JudgePlace(pod, node, use, others);
  if (missing.empty()) return place ? Rejected(*place) : Decision();
  if (!use.critical) return Rejected({ReasonOf(missing.front()), MessageOf(missing.front())});
  if (place) return Rejected(*place);
  auto victims = ChooseVictims(use, others, missing);
  if (!victims.ok()) {
    return Rejected({"UnexpectedAdmissionError",
                     "Unexpected error while attempting to recover from admission failure: " +
                         std::string(victims.status().message())});
  }
  Decision decision;
  decision.preempt = *std::move(victims);
  decision.preempt_for = missing.front().resource;
  return decision;
}

bool NamesPodLevelResources(const Pod& pod) {
  auto any = [](const auto& map) {
    return std::any_of(map.begin(), map.end(), [](const auto& entry) {
      const std::string& name = entry.first;
      return name == "cpu" || name == "memory" || name.rfind("hugepages-", 0) == 0;
    });
  };
  return any(pod.spec().resources().requests()) || any(pod.spec().resources().limits());
}

std::optional<Rejection> JudgeFeatures(const Pod& pod, const NodeFacts& node) {
  // A pod that has run before is not asked again.
  bool pending = pod.status().phase().empty() || pod.status().phase() == "Pending";
  if (auto why = pending ? AppArmorProblem(pod, node.apparmor) : std::nullopt)
    return Rejection{"AppArmor", "Cannot enforce AppArmor: " + *why};
  if (!node.pod_level_resources && NamesPodLevelResources(pod)) {
    return Rejection{"PodLevelResourcesNotSupported", "PodLevelResources feature gate is disabled"};
  }
  std::string lacking;
  if (node.declared_features) {
    for (const auto& feature : RequiredFeatures(pod)) {
      if (node.declared_features->count(feature) == 0)
        lacking += (lacking.empty() ? "" : ", ") + feature;
    }
  }
  if (!lacking.empty()) {
    return Rejection{"PodFeatureUnsupported",
                     "Pod requires node features that are not available: " + lacking};
  }
  if (node.shutting_down)
    return Rejection{"NodeShutdown", "Pod was rejected as the node is shutting down."};
  return std::nullopt;
}

void AddPorts(const api::core::Container& container, std::vector<HostPort>& out) {
  for (const auto& port : container.ports()) {
    if (port.host_port() <= 0) continue;
    out.push_back({port.host_ip().empty() ? "0.0.0.0" : port.host_ip(),
                   port.protocol().empty() ? "TCP" : port.protocol(), port.host_port()});
  }
}

}  // namespace

PodUse UseOf(const Pod& pod, bool pod_level_resources) {
  PodUse use;
  use.uid = pod.metadata().uid();
  use.requests = RequestsOf(pod, pod_level_resources);
  for (const auto& container : pod.spec().init_containers()) {
    if (api::IsRestartableInit(container)) AddPorts(container, use.ports);
  }
  for (const auto& container : pod.spec().containers()) AddPorts(container, use.ports);
  use.qos = api::ComputeQos(pod);
  use.critical = api::IsCritical(pod);
  if (pod.spec().has_priority()) use.priority = pod.spec().priority();
  use.created = pod.metadata().creation_timestamp().seconds();
  return use;
}

std::vector<std::string> RequiredFeatures(const Pod& pod) {
  auto restarts_all = [](const auto& containers) {
    return std::any_of(containers.begin(), containers.end(), [](const auto& container) {
      const auto& rules = container.restart_policy_rules();
      return std::any_of(rules.begin(), rules.end(),
                         [](const auto& rule) { return rule.action() == "RestartAllContainers"; });
    });
  };
  const auto& spec = pod.spec();
  std::vector<std::string> out;
  if (restarts_all(spec.containers()) || restarts_all(spec.init_containers()))
    out.push_back(kRestartAllContainers);
  if (spec.host_network() && spec.has_host_users() && !spec.host_users())
    out.push_back(kUserNamespacesHostNetwork);
  return out;
}

Decision Judge(const Pod& pod, const NodeFacts& node, const Others& others, const Assign& assign) {
  for (auto handler : {JudgePressure, JudgeSysctls}) {
    if (auto rejection = handler(pod, node)) return Rejected(*rejection);
  }
  if (auto rejection = assign ? assign(pod) : std::nullopt) return Rejected(*rejection);
  Amounts allocatable = node.allocatable;
  if (node.devices) {
    if (auto rejection = node.devices(pod, allocatable)) return Rejected(*rejection);
  }
  if (auto rejection = JudgePlatform(pod, node)) return Rejected(*rejection);
  Decision decision = JudgeFit(pod, node, allocatable, others);
  if (decision.rejection) return decision;
  // Nobody is preempted for a pod that a later handler refuses; upstream has killed them by then.
  if (auto rejection = JudgeFeatures(pod, node)) return Rejected(*rejection);
  return decision;
}

std::string MetricReason(const std::string& reason) {
  static const std::set<std::string> kKnown = {"AppArmor",
                                               "PodOSSelectorNodeLabelDoesNotMatch",
                                               "PodOSNotSupported",
                                               "InvalidNodeInfo",
                                               "InitContainerRestartPolicyForbidden",
                                               "SupplementalGroupsPolicyNotSupported",
                                               "UnexpectedAdmissionError",
                                               "UnknownReason",
                                               "UnexpectedPredicateFailureType",
                                               "OutOfcpu",
                                               "OutOfmemory",
                                               "OutOfephemeral-storage",
                                               "OutOfpods",
                                               "PodLevelResourcesNotSupported",
                                               "PodFeatureUnsupported",
                                               "Evicted",
                                               "SysctlForbidden",
                                               "TopologyAffinityError",
                                               "NodeShutdown",
                                               "VolumeAttachmentLimitExceeded"};
  if (kKnown.count(reason) > 0) return reason;
  return reason.rfind("OutOf", 0) == 0 ? "OutOfExtendedResources" : "Other";
}

}  // namespace kubelet::admission
