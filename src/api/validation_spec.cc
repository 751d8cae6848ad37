#include <cstdint>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

constexpr int kMaxNameservers = 3;
constexpr int kMaxSearches = 32;
constexpr size_t kMaxSearchText = 2048;
constexpr size_t kMaxHostname = 64;

void CheckSubdomain(const std::string& name, const Path& path, Errors& errors) {
  if (!name.empty()) errors.Invalid(path, name, DnsSubdomainProblems(name));
}

void CheckLabel(const std::string& name, const Path& path, Errors& errors) {
  if (!name.empty()) errors.Invalid(path, name, DnsLabelProblems(name));
}

// On the host's network the port a container listens on is the host's.
void CheckHostNetworkPorts(PodContext& pod, const Path& path) {
  if (!pod.spec.host_network()) return;
  for (int i = 0; i < pod.spec.containers_size(); ++i) {
    const auto& ports = pod.spec.containers(i).ports();
    for (int j = 0; j < ports.size(); ++j) {
      if (ports[j].host_port() == ports[j].container_port()) continue;
      pod.errors.Invalid(path.Index(i).Child("ports").Index(j).Child("hostPort"),
                         ports[j].host_port(),
                         "must match `containerPort` when `hostNetwork` is true");
    }
  }
}

void CheckSearches(const core::PodDNSConfig& config, const Path& path, Errors& errors) {
  size_t text = 0;
  for (const std::string& search : config.searches()) text += search.size() + 1;
  if (config.searches_size() > kMaxSearches) {
    errors.TooMany(path, config.searches_size(), kMaxSearches);
  }
  if (text > kMaxSearchText + 1) errors.TooLong(path, kMaxSearchText);
  for (int i = 0; i < config.searches_size(); ++i) {
    std::string search = config.searches(i);
    if (search == ".") continue;
    if (!search.empty() && search.back() == '.') search.pop_back();
    errors.Invalid(path.Index(i), search, DnsSearchProblems(search));
  }
}

void CheckDnsConfig(PodContext& pod, const Path& path) {
  const core::PodDNSConfig& config = pod.spec.dns_config();
  const Path servers = path.Child("nameservers");
  if (pod.spec.dns_policy() == "None") {
    if (!pod.spec.has_dns_config()) {
      return pod.errors.Required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
    }
    if (config.nameservers().empty()) {
      return pod.errors.Required(
          servers, "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
  }
  if (config.nameservers_size() > kMaxNameservers) {
    pod.errors.TooMany(servers, config.nameservers_size(), kMaxNameservers);
  }
  for (int i = 0; i < config.nameservers_size(); ++i) {
    pod.errors.Invalid(servers.Index(i), config.nameservers(i), IpProblems(config.nameservers(i)));
  }
  CheckSearches(config, path.Child("searches"), pod.errors);
  for (int i = 0; i < config.options_size(); ++i) {
    if (config.options(i).name().empty()) {
      pod.errors.Required(path.Child("options").Index(i).Child("name"), "must not be empty");
    }
  }
}

void CheckHostAliases(PodContext& pod, const Path& path) {
  for (int i = 0; i < pod.spec.host_aliases_size(); ++i) {
    const core::HostAlias& alias = pod.spec.host_aliases(i);
    pod.errors.Invalid(path.Index(i).Child("ip"), alias.ip(), IpProblems(alias.ip()));
    for (int j = 0; j < alias.hostnames_size(); ++j) {
      pod.errors.Invalid(path.Index(i).Child("hostnames").Index(j), alias.hostnames(j),
                         DnsSubdomainProblems(alias.hostnames(j)));
    }
  }
}

void CheckGates(PodContext& pod, const Path& path) {
  for (int i = 0; i < pod.spec.readiness_gates_size(); ++i) {
    const std::string& type = pod.spec.readiness_gates(i).condition_type();
    pod.errors.Invalid(path.Child("readinessGates").Index(i).Child("conditionType"), type,
                       QualifiedNameProblems(type));
  }
  std::set<std::string> seen;
  for (int i = 0; i < pod.spec.scheduling_gates_size(); ++i) {
    const std::string& name = pod.spec.scheduling_gates(i).name();
    const Path at = path.Child("schedulingGates").Index(i);
    pod.errors.Invalid(at, name, QualifiedNameProblems(name));
    if (!seen.insert(name).second) pod.errors.Duplicate(at, name);
  }
}

// A pod with users of its own cannot share the host's other namespaces.
void CheckHostUsers(PodContext& pod, const Path& path) {
  if (pod.host_users) return;
  static constexpr char kWhy[] = "when `hostUsers` is false";
  if (pod.spec.host_network()) pod.errors.Forbidden(path.Child("hostNetwork"), kWhy);
  if (pod.spec.host_pid()) pod.errors.Forbidden(path.Child("hostPID"), kWhy);
  if (pod.spec.host_ipc()) pod.errors.Forbidden(path.Child("hostIPC"), kWhy);
  ForEachContainer(pod.spec, [&pod](const core::Container& container, const Path& at) {
    if (!container.volume_devices().empty()) {
      pod.errors.Forbidden(at.Child("volumeDevices"), kWhy);
    }
  });
}

void CheckHostname(PodContext& pod, const Path& path) {
  CheckLabel(pod.spec.hostname(), path.Child("hostname"), pod.errors);
  CheckLabel(pod.spec.subdomain(), path.Child("subdomain"), pod.errors);
  if (!pod.spec.has_hostname_override()) return;
  const Path at = path.Child("hostnameOverride");
  const std::string& name = pod.spec.hostname_override();
  if (pod.spec.set_hostname_as_fqdn()) {
    pod.errors.Forbidden(at, "may not be specified when setHostnameAsFQDN is true");
  }
  if (pod.spec.host_network()) {
    pod.errors.Forbidden(at, "may not be specified when hostNetwork is true");
  }
  if (name.size() > kMaxHostname) pod.errors.TooLong(at, kMaxHostname);
  pod.errors.Invalid(at, name, DnsSubdomainProblems(name));
}

void CheckNames(PodContext& pod, const Path& path) {
  const core::PodSpec& spec = pod.spec;
  const std::string& account =
      spec.service_account_name().empty() ? spec.service_account() : spec.service_account_name();
  CheckSubdomain(account, path.Child("serviceAccountName"), pod.errors);
  CheckSubdomain(spec.node_name(), path.Child("nodeName"), pod.errors);
  CheckSubdomain(spec.priority_class_name(), path.Child("priorityClassName"), pod.errors);
  if (spec.has_runtime_class_name()) {
    pod.errors.Invalid(path.Child("runtimeClassName"), spec.runtime_class_name(),
                       DnsSubdomainProblems(spec.runtime_class_name()));
  }
  if (!spec.has_scheduling_group()) return;
  const Path group = path.Child("schedulingGroup").Child("podGroupName");
  if (!spec.scheduling_group().has_pod_group_name()) {
    pod.errors.Invalid(group, "", "must specify one of: `podGroupName`");
  } else {
    pod.errors.Invalid(group, spec.scheduling_group().pod_group_name(),
                       DnsSubdomainProblems(spec.scheduling_group().pod_group_name()));
  }
}

void CheckPolicies(PodContext& pod, const Path& path) {
  const core::PodSpec& spec = pod.spec;
  pod.errors.OneOf(path.Child("restartPolicy"), spec.restart_policy(),
                   {"Always", "OnFailure", "Never"});
  pod.errors.OneOf(path.Child("dnsPolicy"), spec.dns_policy(),
                   {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"});
  if (spec.has_preemption_policy()) {
    pod.errors.OneOf(path.Child("preemptionPolicy"), spec.preemption_policy(),
                     {"PreemptLowerPriority", "Never"});
  }
  if (spec.has_active_deadline_seconds()) {
    pod.errors.InRange(path.Child("activeDeadlineSeconds"), spec.active_deadline_seconds(), 1,
                       INT32_MAX);
  }
}

void CheckOverhead(PodContext& pod, const Path& path) {
  core::ResourceRequirements as_limits;
  *as_limits.mutable_limits() = pod.spec.overhead();
  CheckContainerResources(pod, as_limits, path);
}

// Tokens are for an account, so one must be named; admission does that for pods of the API.
void CheckTokensHaveAccount(PodContext& pod, const Path& path) {
  if (!pod.spec.service_account_name().empty() || !pod.spec.service_account().empty()) return;
  for (int i = 0; i < pod.spec.volumes_size(); ++i) {
    const auto& sources = pod.spec.volumes(i).volume_source().projected().sources();
    for (int j = 0; j < sources.size(); ++j) {
      if (!sources[j].has_service_account_token()) continue;
      pod.errors.Forbidden(
          path.Index(i).Child("projected").Child("sources").Index(j).Child("serviceAccountToken"),
          "must not be specified when serviceAccountName is not set");
    }
  }
}

// Rules that hold for a pod that is created, not for one that is there.
void CheckCreate(PodContext& pod, const Path& path) {
  if (!pod.spec.ephemeral_containers().empty()) {
    pod.errors.Forbidden(path.Child("ephemeralContainers"), "cannot be set on create");
  }
  if (!pod.spec.node_name().empty() && !pod.spec.scheduling_gates().empty()) {
    pod.errors.Forbidden(path.Child("nodeName"),
                         "cannot be set until all schedulingGates have been cleared");
  }
}

}  // namespace

void CheckSpec(PodContext& pod, const Path& path) {
  if (!pod.grace_seconds) pod.errors.Required(path.Child("terminationGracePeriodSeconds"));
  CheckVolumes(pod, path.Child("volumes"));
  CheckResourceClaims(pod, path.Child("resourceClaims"));
  CheckContainers(pod, path);
  CheckPodResources(pod, path);
  CheckHostNetworkPorts(pod, path.Child("containers"));
  CheckPolicies(pod, path);
  CheckLabels(pod.spec.node_selector(), path.Child("nodeSelector"), pod.errors);
  CheckPodSecurity(pod, path);
  CheckAffinity(pod.spec.affinity(), path.Child("affinity"), pod.errors);
  CheckDnsConfig(pod, path.Child("dnsConfig"));
  CheckGates(pod, path);
  CheckSpread(pod.spec, path.Child("topologySpreadConstraints"), pod.errors);
  CheckHostProcess(pod, path);
  CheckHostUsers(pod, path);
  CheckHostname(pod, path);
  CheckNames(pod, path);
  CheckTolerations(pod.spec.tolerations(), path.Child("tolerations"), pod.errors);
  CheckHostAliases(pod, path.Child("hostAliases"));
  CheckOverhead(pod, path.Child("overhead"));
  CheckOs(pod, path);
  CheckFileKeyVolumes(pod);
  CheckTokensHaveAccount(pod, path.Child("volumes"));
}

std::vector<FieldError> ValidatePodCreate(const core::Pod& pod) {
  Errors errors;
  PodContext context(pod, errors);
  const Path spec("spec");
  CheckMetadata(pod.metadata(), Path("metadata"), errors);
  CheckPodAnnotations(context);
  CheckSpec(context, spec);
  CheckCreate(context, spec);
  CheckProfileAnnotationsMatch(context);
  return errors.Take();
}

}  // namespace kubelet::api
