#include <set>

#include "config/text.h"
#include "config/validation.h"

namespace kubelet::config {
namespace {

bool EndsWith(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

bool IsIn(const std::string& domain, const std::string& parent) {
  return domain == parent || EndsWith(domain, "." + parent);
}

// Labels of Kubernetes' own domains that a kubelet may put on its node.
bool IsAllowedKubernetesLabel(const std::string& key, const std::string& domain) {
  static const std::set<std::string> kAllowed = {
      "beta.kubernetes.io/arch",
      "beta.kubernetes.io/instance-type",
      "beta.kubernetes.io/os",
      "failure-domain.beta.kubernetes.io/region",
      "failure-domain.beta.kubernetes.io/zone",
      "kubernetes.io/arch",
      "kubernetes.io/hostname",
      "kubernetes.io/os",
      "node.kubernetes.io/instance-type",
      "topology.kubernetes.io/region",
      "topology.kubernetes.io/zone",
  };
  return kAllowed.count(key) > 0 || IsIn(domain, "kubelet.kubernetes.io") ||
         IsIn(domain, "node.kubernetes.io");
}

void CheckLabels(const Flags& flags, std::vector<Problem>& problems) {
  for (const auto& [key, value] : flags.node_labels) {
    std::vector<std::string> parts = SplitFirst(key, '/');
    std::string domain = parts.size() == 2 ? parts[0] : "";
    bool kubernetes = IsIn(domain, "kubernetes.io") || IsIn(domain, "k8s.io");
    if (kubernetes && !IsAllowedKubernetesLabel(key, domain)) {
      problems.push_back({"--node-labels",
                          Quote(key) +
                              " is in a domain of Kubernetes: a kubelet may set there only labels "
                              "of kubelet.kubernetes.io and node.kubernetes.io and a few by name"});
    }
    if (std::string problem = QualifiedNameProblem(key); !problem.empty()) {
      problems.push_back({"--node-labels", "key " + Quote(key) + " " + problem});
    }
    if (std::string problem = LabelValueProblem(value); !problem.empty()) {
      problems.push_back(
          {"--node-labels", "value " + Quote(value) + " of " + Quote(key) + " " + problem});
    }
  }
}

void CheckNodeIp(const Flags& flags, std::vector<Problem>& problems) {
  std::vector<std::string> ips;
  for (const std::string& part : Split(flags.node_ip, ',')) {
    if (ParseIp(Trim(part)) != IpFamily::kNone) ips.push_back(Trim(part));
  }
  if (ips.size() < 2) return;
  if (ips.size() > 2 || ParseIp(ips[0]) == ParseIp(ips[1])) {
    problems.push_back(
        {"--node-ip", "is " + Quote(flags.node_ip) + ", must be one IP or an IPv4 and an IPv6"});
  } else if (IsUnspecifiedIp(ips[0]) || IsUnspecifiedIp(ips[1])) {
    problems.push_back({"--node-ip", "a pair must not hold 0.0.0.0 or ::"});
  }
}

}  // namespace

std::vector<Problem> ValidateFlags(const Flags& flags) {
  std::vector<Problem> problems;
  CheckLabels(flags, problems);
  CheckNodeIp(flags, problems);
  if (!flags.cloud_provider.empty() && flags.cloud_provider != "external") {
    problems.push_back(
        {"--cloud-provider", "is " + Quote(flags.cloud_provider) + ", must be empty or external"});
  }
  if (flags.exit_on_lock_contention && flags.lock_file.empty()) {
    problems.push_back({"--exit-on-lock-contention", "needs --lock-file"});
  }
  if (flags.root_dir.empty()) problems.push_back({"--root-dir", "must not be empty"});
  if (!flags.hostname_override.empty() && Trim(flags.hostname_override).empty()) {
    problems.push_back({"--hostname-override", "must not be blank"});
  }
  if (flags.image_credential_provider_config.empty() !=
      flags.image_credential_provider_bin_dir.empty()) {
    problems.push_back({"--image-credential-provider-config",
                        "must be set together with --image-credential-provider-bin-dir"});
  }
  return problems;
}

}  // namespace kubelet::config
