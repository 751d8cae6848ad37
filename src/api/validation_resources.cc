#include <algorithm>
#include <cstdint>

#include "api/pod_resources.h"
#include "api/validation_checks.h"
#include "kubelet/api/pod.h"

namespace kubelet::api {
namespace {

using NameCheck = void (*)(const std::string& name, const Path& path, Errors& errors);

bool IsStandardResource(const std::string& name) {
  static const std::set<std::string> kNames = {"cpu",
                                               "memory",
                                               "ephemeral-storage",
                                               "storage",
                                               "pods",
                                               "services",
                                               "resourcequotas",
                                               "replicationcontrollers",
                                               "secrets",
                                               "configmaps",
                                               "persistentvolumeclaims",
                                               "services.nodeports",
                                               "services.loadbalancers",
                                               "requests.cpu",
                                               "requests.memory",
                                               "requests.storage",
                                               "requests.ephemeral-storage",
                                               "limits.cpu",
                                               "limits.memory",
                                               "limits.ephemeral-storage"};
  return kNames.count(name) > 0 || IsHugePages(name) || StartsWith(name, "requests.hugepages-");
}

// Offered by device plugins: a domain that is not Kubernetes' own, and room for the quota prefix.
bool IsExtendedResource(const std::string& name) {
  return !IsNativeResource(name) && !StartsWith(name, "requests.") &&
         QualifiedNameProblems("requests." + name).empty();
}

bool IsCounted(const std::string& name) {
  static const std::set<std::string> kNames = {"pods",
                                               "resourcequotas",
                                               "services",
                                               "replicationcontrollers",
                                               "secrets",
                                               "configmaps",
                                               "persistentvolumeclaims",
                                               "services.nodeports",
                                               "services.loadbalancers"};
  return kNames.count(name) > 0 || IsExtendedResource(name);
}

// False when the name has been found wrong.
bool CheckResourceName(const std::string& name, const Path& path, Errors& errors) {
  Problems problems = QualifiedNameProblems(name);
  errors.Invalid(path, name, problems);
  if (!problems.empty()) return false;
  if (name.find('/') != std::string::npos || IsStandardResource(name)) return true;
  errors.Invalid(path, name, "must be a standard resource type or fully qualified");
  return false;
}

void CheckContainerResourceName(const std::string& name, const Path& path, Errors& errors) {
  CheckResourceName(name, path, errors);
  if (name.find('/') == std::string::npos) {
    bool container = name == "cpu" || name == "memory" || name == "ephemeral-storage";
    if (!container && !IsHugePages(name)) {
      errors.Invalid(path, name, "must be a standard resource for containers");
    }
  } else if (!IsNativeResource(name) && !IsExtendedResource(name)) {
    errors.Invalid(path, name, "is not a proper name of an extended resource");
  }
}

void CheckPodResourceName(const std::string& name, const Path& path, Errors& errors) {
  if (!CheckResourceName(name, path, errors) || IsPodLevelResource(name)) return;
  errors.NotSupported(path, name, {"cpu", "hugepages-", "memory"});
}

// Whole pages only.
void CheckHugePages(const std::string& name, const Quantity& value, const Path& path,
                    Errors& errors) {
  if (!IsHugePages(name)) return;
  absl::StatusOr<Quantity> page = Quantity::Parse(name.substr(sizeof("hugepages-") - 1));
  bool whole_page = page.ok() && page->Sign() > 0 && *page == Quantity::FromInt(page->Value());
  if (whole_page && value.Value() % page->Value() == 0) return;
  errors.Invalid(path, value, value.ToString() + " is not a whole multiple of " + name);
}

void CheckList(const ResourceMap& map, NameCheck check_name, const Path& path, Errors& errors) {
  for (const auto& [name, value] : ToList(map)) {
    Path at = path.Key(name);
    check_name(name, at, errors);
    CheckResourceValue(name, value, at, errors);
    CheckHugePages(name, value, at, errors);
  }
}

void CheckRequestsFitLimits(const core::ResourceRequirements& resources, const Path& path,
                            Errors& errors) {
  ResourceList limits = ToList(resources.limits());
  for (const auto& [name, request] : ToList(resources.requests())) {
    auto limit = limits.find(name);
    bool overcommit = IsOvercommitAllowed(name);
    if (limit == limits.end()) {
      if (!overcommit) {
        errors.Required(path.Child("limits"), "Limit must be set for non overcommitable resources");
      }
    } else if (!overcommit && !(request == limit->second)) {
      errors.Invalid(path.Child("requests"), request,
                     "must be equal to " + name + " limit of " + limit->second.ToString());
    } else if (limit->second < request) {
      errors.Invalid(
          path.Child("requests"), request,
          "must be less than or equal to " + name + " limit of " + limit->second.ToString());
    }
  }
}

bool Names(const core::ResourceRequirements& resources, bool (*is)(const std::string&)) {
  auto named = [is](const auto& entry) { return is(entry.first); };
  return std::any_of(resources.limits().begin(), resources.limits().end(), named) ||
         std::any_of(resources.requests().begin(), resources.requests().end(), named);
}

bool IsCpuOrMemory(const std::string& name) { return name == "cpu" || name == "memory"; }

std::string ClaimsHint(const std::set<std::string>& claims) {
  std::string text = "must be one of the names in pod.spec.resourceClaims";
  if (claims.empty()) return text + " which is empty";
  std::string list;
  for (const std::string& name : claims) list += (list.empty() ? ": " : ", ") + name;
  return text + list;
}

// A claim is taken whole, or request by request, but no part twice.
void CheckClaimNames(PodContext& pod, const core::ResourceRequirements& resources,
                     const Path& path) {
  std::map<std::string, std::set<std::string>> taken;  // claim -> requests, "" for the whole
  for (int i = 0; i < resources.claims_size(); ++i) {
    const core::ResourceClaim& claim = resources.claims(i);
    const Path at = path.Index(i);
    if (claim.name().empty()) {
      pod.errors.Required(at);
      continue;
    }
    std::set<std::string>& requests = taken[claim.name()];
    if (!claim.request().empty()) {
      pod.errors.Invalid(at.Child("request"), claim.request(), DnsLabelProblems(claim.request()));
    }
    bool whole_taken = requests.count("") > 0;
    if (whole_taken || (claim.request().empty() && !requests.empty())) {
      pod.errors.Duplicate(at, claim.name());
    } else if (requests.count(claim.request()) > 0) {
      pod.errors.Duplicate(at, claim.name() + "/" + claim.request());
    }
    requests.insert(claim.request());
    if (pod.claims.count(claim.name()) == 0) {
      pod.errors.NotFound(at, claim.name(), ClaimsHint(pod.claims));
    }
  }
}

void CheckRequirements(PodContext& pod, const core::ResourceRequirements& resources,
                       NameCheck check_name, const Path& path) {
  CheckList(resources.limits(), check_name, path.Child("limits"), pod.errors);
  CheckList(resources.requests(), check_name, path.Child("requests"), pod.errors);
  CheckRequestsFitLimits(resources, path, pod.errors);
  if (Names(resources, IsHugePages) && !Names(resources, IsCpuOrMemory)) {
    pod.errors.Forbidden(path, "HugePages require cpu or memory");
  }
  CheckClaimNames(pod, resources, path.Child("claims"));
}

// The pod's resources hold what its containers ask for.
void CheckPodHoldsContainers(PodContext& pod, const Path& path) {
  ResourceList requests = ToList(pod.spec.resources().requests());
  ResourceList limits = ToList(pod.spec.resources().limits());
  for (const auto& [name, sum] : AggregateContainers(pod.spec, ResourceSide::kRequests)) {
    auto it = requests.find(name);
    if (it == requests.end() || !(it->second < sum)) continue;
    pod.errors.Invalid(
        path.Child("requests").Key(name), it->second,
        "must be greater than or equal to aggregate container requests of " + sum.ToString());
  }
  for (const auto& [name, sum] : AggregateContainers(pod.spec, ResourceSide::kLimits)) {
    auto it = limits.find(name);
    if (!IsHugePages(name) || it == limits.end() || !(it->second < sum)) continue;
    pod.errors.Invalid(
        path.Child("limits").Key(name), it->second,
        "must be greater than or equal to aggregate container limits of " + sum.ToString());
  }
  for (int i = 0; i < pod.spec.containers_size(); ++i) {
    for (const auto& [name, own] : ToList(pod.spec.containers(i).resources().limits())) {
      auto it = limits.find(name);
      if (it == limits.end() || !(it->second < own)) continue;
      pod.errors.Invalid(
          Path("spec.containers").Index(i).Child("resources").Child("limits").Key(name), own,
          "must be less than or equal to pod limits of " + it->second.ToString());
    }
  }
}

}  // namespace

void CheckResourceValue(const std::string& resource, const Quantity& value, const Path& path,
                        Errors& errors) {
  if (value.Sign() < 0) errors.Invalid(path, value, "must be greater than or equal to 0");
  if (IsCounted(resource) && value.MilliValue() % 1000 != 0) {
    errors.Invalid(path, value, "must be an integer");
  }
}

void CheckContainerResources(PodContext& pod, const core::ResourceRequirements& resources,
                             const Path& path) {
  CheckRequirements(pod, resources, CheckContainerResourceName, path);
}

void CheckResizePolicy(PodContext& pod, const core::Container& container, const Path& path) {
  std::set<std::string> seen;
  for (int i = 0; i < container.resize_policy_size(); ++i) {
    const core::ContainerResizePolicy& policy = container.resize_policy(i);
    const Path at = path.Index(i);
    if (!seen.insert(policy.resource_name()).second)
      pod.errors.Duplicate(at, policy.resource_name());
    pod.errors.OneOf(at.Child("resourceName"), policy.resource_name(), {"cpu", "memory"});
    pod.errors.OneOf(at.Child("restartPolicy"), policy.restart_policy(),
                     {"NotRequired", "RestartContainer"});
    if (pod.spec.restart_policy() == "Never" && policy.restart_policy() != "NotRequired") {
      pod.errors.Invalid(at.Child("restartPolicy"), policy.restart_policy(),
                         "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
    }
  }
}

void CheckPodResources(PodContext& pod, const Path& spec_path) {
  if (!pod.spec.has_resources()) return;
  const Path path = spec_path.Child("resources");
  if (pod.spec.os().name() == "windows") {
    return pod.errors.Forbidden(path, "may not be set for a windows pod");
  }
  if (!pod.spec.resources().claims().empty()) {
    pod.errors.Forbidden(path.Child("claims"), "may not be set at pod level");
  }
  CheckRequirements(pod, pod.spec.resources(), CheckPodResourceName, path);
  CheckPodHoldsContainers(pod, path);
}

void CheckResourceClaims(PodContext& pod, const Path& path) {
  if (IsMirror(pod.pod) && !pod.spec.resource_claims().empty()) {
    return pod.errors.Forbidden(path, "static pods do not support resource claims");
  }
  std::set<std::string> seen;
  for (int i = 0; i < pod.spec.resource_claims_size(); ++i) {
    const core::PodResourceClaim& claim = pod.spec.resource_claims(i);
    const Path at = path.Index(i);
    if (claim.name().empty()) {
      pod.errors.Required(at.Child("name"));
    } else if (!seen.insert(claim.name()).second) {
      pod.errors.Duplicate(at.Child("name"), claim.name());
    } else {
      pod.errors.Invalid(at.Child("name"), claim.name(), DnsLabelProblems(claim.name()));
    }
    bool by_name = claim.has_resource_claim_name();
    bool by_template = claim.has_resource_claim_template_name();
    if (by_name == by_template) {
      pod.errors.Invalid(at, Shown(claim),
                         "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
    }
    if (by_name) {
      pod.errors.Invalid(at.Child("resourceClaimName"), claim.resource_claim_name(),
                         DnsSubdomainProblems(claim.resource_claim_name()));
    }
    if (by_template) {
      pod.errors.Invalid(at.Child("resourceClaimTemplateName"),
                         claim.resource_claim_template_name(),
                         DnsSubdomainProblems(claim.resource_claim_template_name()));
    }
  }
}

}  // namespace kubelet::api
