// Taints, shutdown, user namespaces, paths, sysctls, and what works but hardly as meant.
#include <algorithm>
#include <array>

#include "config/text.h"
#include "config/validation.h"
#include "kubelet/base/time.h"

namespace kubelet::config {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

void CheckTaints(const RuleContext& rules) {
  for (int i = 0; i < rules.config.register_with_taints_size(); ++i) {
    const auto& taint = rules.config.register_with_taints(i);
    std::string path = "registerWithTaints[" + std::to_string(i) + "]";
    if (std::string problem = QualifiedNameProblem(taint.key()); !problem.empty()) {
      rules.Add(path + ".key", Quote(taint.key()) + " " + problem);
    }
    if (std::string problem = LabelValueProblem(taint.value()); !problem.empty()) {
      rules.Add(path + ".value", Quote(taint.value()) + " " + problem);
    }
    const std::string& effect = taint.effect();
    if (effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute") {
      rules.Add(path + ".effect",
                "is " + Quote(effect) + ", must be NoSchedule, PreferNoSchedule or NoExecute");
    }
    if (taint.has_time_added()) rules.Add(path + ".timeAdded", "must not be set");
  }
}

void CheckGrace(const RuleContext& rules, const char* path, int64_t period) {
  if (period == 0 || period >= kSecond) return;
  rules.Add(path, "is " + base::GoDuration(base::Nanos(period)) + ", must be 0 or at least 1s");
}

void CheckShutdown(const RuleContext& rules) {
  const auto& config = rules.config;
  int64_t all = config.shutdown_grace_period().duration();
  int64_t critical = config.shutdown_grace_period_critical_pods().duration();
  if (rules.gates.Enabled("GracefulNodeShutdown")) {
    if (critical > all) {
      rules.Add("shutdownGracePeriodCriticalPods", "is " + base::GoDuration(base::Nanos(critical)) +
                                                       ", must be at most shutdownGracePeriod " +
                                                       base::GoDuration(base::Nanos(all)));
    }
    CheckGrace(rules, "shutdownGracePeriod", all);
    CheckGrace(rules, "shutdownGracePeriodCriticalPods", critical);
  }
  bool by_priority = config.shutdown_grace_period_by_pod_priority_size() > 0;
  if (by_priority && (all > 0 || critical > 0) &&
      rules.gates.Enabled("GracefulNodeShutdownBasedOnPodPriority")) {
    rules.Add(
        "shutdownGracePeriodByPodPriority",
        "must not be set together with shutdownGracePeriod or shutdownGracePeriodCriticalPods");
  }
}

void CheckUserNamespaces(const RuleContext& rules) {
  constexpr int64_t kUnit = 65536;
  constexpr int64_t kMost = 4294967295;
  if (!rules.config.user_namespaces().has_ids_per_pod()) return;
  int64_t ids = rules.config.user_namespaces().ids_per_pod();
  if (ids >= kUnit && ids % kUnit == 0 && ids <= kMost) return;
  rules.Add("userNamespaces.idsPerPod",
            "is " + std::to_string(ids) +
                ", must be a multiple of 65536, at least that and at most 4294967295");
}

void CheckPodLogsDir(const RuleContext& rules) {
  const std::string& dir = rules.config.pod_logs_dir();
  if (!IsAbsolute(dir)) rules.Add("podLogsDir", "is " + Quote(dir) + ", must be an absolute path");
  if (IsAbsolute(dir) && CleanPath(dir) != dir) {
    rules.Add("podLogsDir", "is " + Quote(dir) + ", must be written " + Quote(CleanPath(dir)));
  }
  bool ascii = std::all_of(dir.begin(), dir.end(),
                           [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!ascii) rules.Add("podLogsDir", "is " + Quote(dir) + ", must be ASCII");
}

// A sysctl name, or one that ends in *; with dots or slashes.
bool IsSysctlPattern(const std::string& text) {
  if (text.empty() || text.size() > 253) return false;
  std::string name = text.back() == '*' ? text.substr(0, text.size() - 1) : text;
  if (text.back() != '*' && (name.back() == '.' || name.back() == '/')) return false;
  bool start = true;
  for (char c : name) {
    bool separator = c == '.' || c == '/';
    bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!separator && !word && (start || (c != '-' && c != '_'))) return false;
    if (separator && start) return false;
    start = separator;
  }
  return true;
}

// Sysctls that the kernel keeps per namespace.
bool IsNamespacedSysctl(std::string pattern) {
  std::replace(pattern.begin(), pattern.end(), '/', '.');
  for (const char* prefix : {"kernel.shm", "kernel.msg", "fs.mqueue.", "net."}) {
    if (pattern.rfind(prefix, 0) == 0) return true;
  }
  return pattern == "kernel.sem";
}

void CheckSysctls(const RuleContext& rules) {
  for (const std::string& sysctl : rules.config.allowed_unsafe_sysctls()) {
    if (!IsSysctlPattern(sysctl)) {
      rules.Add("allowedUnsafeSysctls",
                Quote(sysctl) + " is neither a sysctl nor a prefix that ends in *");
    } else if (!IsNamespacedSysctl(sysctl)) {
      rules.Add("allowedUnsafeSysctls",
                Quote(sysctl) + " is not known to be kept per namespace by the kernel");
    }
  }
}

}  // namespace

void CheckNode(const RuleContext& rules) {
  const auto& config = rules.config;
  if (config.run_once()) rules.Add("runOnce", "must be false: the mode was removed");
  if (config.container_runtime_endpoint().empty())
    rules.Add("containerRuntimeEndpoint", "must not be empty");
  CheckTaints(rules);
  CheckShutdown(rules);
  CheckUserNamespaces(rules);
  CheckPodLogsDir(rules);
  CheckSysctls(rules);
}

std::vector<std::string> ConfigurationWarnings(const v1beta1::KubeletConfiguration& config,
                                               const Flags& flags, const FeatureGates& gates) {
  std::vector<std::string> warnings;
  for (const std::string& server : config.cluster_dns()) {
    if (ParseIp(server) == IpFamily::kNone) {
      warnings.push_back("clusterDNS: " + Quote(server) + " is no IP address and is ignored");
    }
  }
  const std::string& reserved = config.kube_reserved_cgroup();
  if (!config.kubelet_cgroups().empty() && !reserved.empty() &&
      config.kubelet_cgroups().rfind(reserved, 0) != 0) {
    warnings.push_back("kubeletCgroups: " + Quote(config.kubelet_cgroups()) +
                       " is not below kubeReservedCgroup " + Quote(reserved));
  }
  if (config.tls_min_version() == "VersionTLS13" && config.tls_cipher_suites_size() > 0) {
    warnings.push_back("tlsCipherSuites: has no effect with tlsMinVersion VersionTLS13");
  }
  if (!config.qos_reserved().empty() && !gates.Enabled("QOSReserved")) {
    warnings.push_back("qosReserved: has no effect without the feature gate QOSReserved");
  }
  for (const std::string& ip : Split(flags.node_ip, ',')) {
    if (!Trim(ip).empty() && ParseIp(Trim(ip)) == IpFamily::kNone) {
      warnings.push_back("--node-ip: " + Quote(Trim(ip)) + " is no IP address and is ignored");
    }
  }
  return warnings;
}

}  // namespace kubelet::config
