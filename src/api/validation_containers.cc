#include <algorithm>
#include <cctype>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

constexpr int kMaxRestartRules = 20;
constexpr int kMaxExitCodes = 255;

void CheckPorts(const core::Container& container, const Path& path, Errors& errors) {
  std::set<std::string> names;
  for (int i = 0; i < container.ports_size(); ++i) {
    const core::ContainerPort& port = container.ports(i);
    const Path at = path.Index(i);
    if (!port.name().empty()) {
      Problems problems = PortNameProblems(port.name());
      errors.Invalid(at.Child("name"), port.name(), problems);
      if (problems.empty() && !names.insert(port.name()).second) {
        errors.Duplicate(at.Child("name"), port.name());
      }
    }
    if (port.container_port() == 0) {
      errors.Required(at.Child("containerPort"));
    } else {
      errors.InRange(at.Child("containerPort"), port.container_port(), 1, 65535);
    }
    if (port.host_port() != 0) errors.InRange(at.Child("hostPort"), port.host_port(), 1, 65535);
    errors.OneOf(at.Child("protocol"), port.protocol(), {"SCTP", "TCP", "UDP"});
  }
}

// Two ports of the host at the same address cannot both be bound.
void CheckHostPorts(const core::Container& container, const Path& path,
                    std::set<std::string>& taken, Errors& errors) {
  for (int i = 0; i < container.ports_size(); ++i) {
    const core::ContainerPort& port = container.ports(i);
    if (port.host_port() == 0) continue;
    std::string key =
        port.protocol() + "/" + port.host_ip() + "/" + std::to_string(port.host_port());
    if (!taken.insert(key).second) {
      errors.Duplicate(path.Child("ports").Index(i).Child("hostPort"), key);
    }
  }
}

void CheckExitCodes(const core::ContainerRestartRule& rule, const Path& path, Errors& errors) {
  if (!rule.has_exit_codes()) return errors.Required(path, "must be specified");
  const std::string& op = rule.exit_codes().operator_();
  if (op != "In" && op != "NotIn") errors.NotSupported(path.Child("operator"), op, {"In", "NotIn"});
  if (rule.exit_codes().values_size() > kMaxExitCodes) {
    errors.TooMany(path.Child("values"), rule.exit_codes().values_size(), kMaxExitCodes);
  }
}

void CheckRestart(const core::Container& container, const Path& path, Errors& errors) {
  static const std::vector<std::string> kPolicies = {"Always", "Never", "OnFailure"};
  const Path at = path.Child("restartPolicy");
  int rules = container.restart_policy_rules_size();
  if (!container.has_restart_policy()) {
    if (rules > 0) errors.Required(at, "must specify restartPolicy when restart rules are used");
  } else if (std::find(kPolicies.begin(), kPolicies.end(), container.restart_policy()) ==
             kPolicies.end()) {
    errors.NotSupported(at, container.restart_policy(), kPolicies);
  }
  const Path rules_at = path.Child("restartPolicyRules");
  if (rules > kMaxRestartRules) errors.TooMany(rules_at, rules, kMaxRestartRules);
  for (int i = 0; i < rules; ++i) {
    const core::ContainerRestartRule& rule = container.restart_policy_rules(i);
    if (rule.action() != "Restart" && rule.action() != "RestartAllContainers") {
      errors.NotSupported(rules_at.Index(i).Child("action"), rule.action(),
                          {"Restart", "RestartAllContainers"});
    }
    CheckExitCodes(rule, rules_at.Index(i).Child("exitCodes"), errors);
  }
}

bool IsPadded(const std::string& text) {
  auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  return !text.empty() && (space(text.front()) || space(text.back()));
}

// What all three kinds have in common.
void CheckCommon(PodContext& pod, const core::Container& container, const Path& path) {
  Errors& errors = pod.errors;
  if (container.name().empty()) {
    errors.Required(path.Child("name"));
  } else {
    errors.Invalid(path.Child("name"), container.name(), DnsLabelProblems(container.name()));
  }
  errors.NonEmpty(path.Child("image"), container.image());
  if (IsPadded(container.image())) {
    errors.Invalid(path.Child("image"), container.image(),
                   "must not have leading or trailing whitespace");
  }
  errors.OneOf(path.Child("terminationMessagePolicy"), container.termination_message_policy(),
               {"File", "FallbackToLogsOnError"});
  CheckPorts(container, path.Child("ports"), errors);
  CheckEnv(container, path, errors);
  CheckMounts(pod, container, path);
  errors.OneOf(path.Child("imagePullPolicy"), container.image_pull_policy(),
               {"Always", "IfNotPresent", "Never"});
  CheckContainerResources(pod, container.resources(), path.Child("resources"));
  CheckResizePolicy(pod, container, path.Child("resizePolicy"));
  if (container.has_security_context()) {
    CheckSecurityContext(pod, container.security_context(), path.Child("securityContext"));
  }
}

void CheckName(const core::Container& container, const Path& path, std::set<std::string>& names,
               Errors& errors) {
  if (container.name().empty() || names.insert(container.name()).second) return;
  errors.Duplicate(path.Child("name"), container.name());
}

void CheckRegular(PodContext& pod, const Path& path, std::set<std::string>& names) {
  if (pod.spec.containers().empty()) return pod.errors.Required(path);
  std::set<std::string> host_ports;
  for (int i = 0; i < pod.spec.containers_size(); ++i) {
    const core::Container& container = pod.spec.containers(i);
    const Path at = path.Index(i);
    CheckCommon(pod, container, at);
    CheckName(container, at, names, pod.errors);
    if (container.has_lifecycle())
      CheckLifecycle(pod, container.lifecycle(), at.Child("lifecycle"));
    CheckProbes(pod, container, at);
    CheckRestart(container, at, pod.errors);
    CheckHostPorts(container, at, host_ports, pod.errors);
  }
}

// An init container that ends has no use for hooks and probes.
void CheckPlainInit(PodContext& pod, const core::Container& container, const Path& path) {
  static constexpr char kWhy[] = "may not be set for init containers without restartPolicy=Always";
  if (container.has_lifecycle()) pod.errors.Forbidden(path.Child("lifecycle"), kWhy);
  if (container.has_liveness_probe()) pod.errors.Forbidden(path.Child("livenessProbe"), kWhy);
  if (container.has_readiness_probe()) pod.errors.Forbidden(path.Child("readinessProbe"), kWhy);
  if (container.has_startup_probe()) pod.errors.Forbidden(path.Child("startupProbe"), kWhy);
  for (int i = 0; i < container.resize_policy_size(); ++i) {
    if (container.resize_policy(i).restart_policy() != "RestartContainer") continue;
    pod.errors.Invalid(path.Child("resizePolicy").Index(i).Child("restartPolicy"),
                       "RestartContainer",
                       "must not be 'RestartContainer' for init containers that are no sidecars");
  }
}

void CheckInit(PodContext& pod, const Path& path, std::set<std::string>& names) {
  for (int i = 0; i < pod.spec.init_containers_size(); ++i) {
    const core::Container& container = pod.spec.init_containers(i);
    const Path at = path.Index(i);
    CheckCommon(pod, container, at);
    CheckRestart(container, at, pod.errors);
    CheckName(container, at, names, pod.errors);
    // Init containers run one after the other: only the ports of one can collide.
    std::set<std::string> host_ports;
    CheckHostPorts(container, at, host_ports, pod.errors);
    if (container.restart_policy() == "Always") {
      if (container.has_lifecycle()) {
        CheckLifecycle(pod, container.lifecycle(), at.Child("lifecycle"));
      }
      CheckProbes(pod, container, at);
    } else {
      CheckPlainInit(pod, container, at);
    }
  }
}

void CheckEphemeralFields(const core::Container& container, const Path& path, Errors& errors) {
  static constexpr char kWhy[] = "cannot be set for an Ephemeral Container";
  const core::ResourceRequirements& resources = container.resources();
  const std::pair<const char*, bool> set[] = {
      {"ports", !container.ports().empty()},
      {"resources",
       !resources.limits().empty() || !resources.requests().empty() || !resources.claims().empty()},
      {"resizePolicy", !container.resize_policy().empty()},
      {"restartPolicy", container.has_restart_policy()},
      {"restartPolicyRules", !container.restart_policy_rules().empty()},
      {"livenessProbe", container.has_liveness_probe()},
      {"readinessProbe", container.has_readiness_probe()},
      {"startupProbe", container.has_startup_probe()},
      {"lifecycle", container.has_lifecycle()}};
  for (const auto& [field, present] : set) {
    if (present) errors.Forbidden(path.Child(field), kWhy);
  }
  for (int i = 0; i < container.volume_mounts_size(); ++i) {
    const Path at = path.Child("volumeMounts").Index(i);
    if (!container.volume_mounts(i).sub_path().empty()) errors.Forbidden(at.Child("subPath"), kWhy);
    if (!container.volume_mounts(i).sub_path_expr().empty()) {
      errors.Forbidden(at.Child("subPathExpr"), kWhy);
    }
  }
}

void CheckEphemeral(PodContext& pod, const Path& path, std::set<std::string>& names) {
  const std::set<std::string> targets = names;
  for (int i = 0; i < pod.spec.ephemeral_containers_size(); ++i) {
    const core::Container container = AsContainer(pod.spec.ephemeral_containers(i));
    const Path at = path.Index(i);
    CheckCommon(pod, container, at);
    CheckName(container, at, names, pod.errors);
    const std::string& target = pod.spec.ephemeral_containers(i).target_container_name();
    if (!target.empty() && targets.count(target) == 0) {
      pod.errors.NotFound(at.Child("targetContainerName"), target);
    }
    CheckEphemeralFields(container, at, pod.errors);
  }
}

}  // namespace

PodContext::PodContext(const core::Pod& p, Errors& e) : pod(p), spec(p.spec()), errors(e) {
  for (const core::PodResourceClaim& claim : spec.resource_claims()) {
    if (!claim.name().empty()) claims.insert(claim.name());
  }
  host_users = !spec.has_host_users() || spec.host_users();
  if (spec.has_termination_grace_period_seconds()) {
    grace_seconds = spec.termination_grace_period_seconds();
  }
}

core::Container AsContainer(const core::EphemeralContainer& ephemeral) {
  core::Container container;
  container.ParseFromString(ephemeral.ephemeral_container_common().SerializeAsString());
  return container;
}

void ForEachContainer(const core::PodSpec& spec,
                      const std::function<void(const core::Container&, const Path&)>& visit) {
  const Path init("spec.initContainers"), regular("spec.containers"),
      ephemeral("spec.ephemeralContainers");
  for (int i = 0; i < spec.init_containers_size(); ++i)
    visit(spec.init_containers(i), init.Index(i));
  for (int i = 0; i < spec.containers_size(); ++i) visit(spec.containers(i), regular.Index(i));
  for (int i = 0; i < spec.ephemeral_containers_size(); ++i) {
    visit(AsContainer(spec.ephemeral_containers(i)), ephemeral.Index(i));
  }
}

void CheckContainers(PodContext& pod, const Path& spec_path) {
  std::set<std::string> names;
  CheckRegular(pod, spec_path.Child("containers"), names);
  CheckInit(pod, spec_path.Child("initContainers"), names);
  CheckEphemeral(pod, spec_path.Child("ephemeralContainers"), names);
}

}  // namespace kubelet::api
