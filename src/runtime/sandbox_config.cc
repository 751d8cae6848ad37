#include <algorithm>
#include <set>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"
#include "kubelet/base/status.h"
#include "kubelet/runtime/config.h"
#include "runtime/resources.h"
#include "runtime/security.h"

namespace kubelet::runtime {
namespace {

using api::core::Pod;

bool AnyPrivileged(const Pod& pod) {
  auto privileged = [](const auto& containers) {
    for (const auto& c : containers) {
      if (c.security_context().privileged()) return true;
    }
    return false;
  };
  return privileged(pod.spec().containers()) || privileged(pod.spec().init_containers());
}

Protocol ParseProtocol(const std::string& text) {
  if (text == "UDP") return Protocol::kUdp;
  if (text == "SCTP") return Protocol::kSctp;
  return Protocol::kTcp;
}

// A port given twice in one container, by name or (without one) by everything else, counts once.
void AddPorts(const api::core::Container& container, SandboxConfig& config) {
  std::set<std::string> seen;
  for (const auto& port : container.ports()) {
    std::string name = port.name();
    if (name.empty()) {
      name = port.protocol() + "-" + port.host_ip() + ":" + std::to_string(port.container_port()) + ":" +
             std::to_string(port.host_port());
    }
    if (!seen.insert(name).second) continue;
    config.port_mappings.push_back(
        {ParseProtocol(port.protocol()), port.container_port(), port.host_port(), port.host_ip()});
  }
}

}  // namespace

int64_t MilliCpuToShares(int64_t milli) {
  if (milli == 0) return 2;
  return std::min<int64_t>(std::max<int64_t>(milli * 1024 / 1000, 2), 262'144);
}

int64_t MilliCpuToQuota(int64_t milli, int64_t period_us) {
  if (milli == 0) return 0;
  return std::max<int64_t>(milli * period_us / 1000, 1000);
}

std::string PodLogDirectory(const Pod& pod, const std::string& pod_logs_dir) {
  return pod_logs_dir + "/" + pod.metadata().namespace_() + "_" + pod.metadata().name() + "_" + pod.metadata().uid();
}

std::string LegacyLogLink(const Pod& pod, const std::string& container, const std::string& id) {
  constexpr size_t kMaxFileName = 255;
  std::string suffix = "-" + id + ".log";
  std::string prefix = pod.metadata().name() + "_" + pod.metadata().namespace_() + "_" + container;
  if (prefix.size() + suffix.size() > kMaxFileName) prefix.resize(kMaxFileName - suffix.size());
  return prefix + suffix;
}

absl::StatusOr<SandboxConfig> MakeSandboxConfig(const Pod& pod, uint32_t attempt, const std::string& cgroup_parent,
                                                const NodeContext& node, const VolumePaths& volumes) {
  const auto& meta = pod.metadata();
  const auto& spec = pod.spec();
  SandboxConfig config;
  config.name = meta.name();
  config.namespace_ = meta.namespace_();
  config.uid = meta.uid();
  config.attempt = attempt;
  if (!spec.host_network()) {
    ASSIGN_OR_RETURN(config.hostname, KernelHostName(pod, node));
  }
  config.log_directory = PodLogDirectory(pod, node.pod_logs_dir);
  DnsConfig dns = MakeDnsConfig(pod, node, nullptr);
  config.dns_servers = dns.servers;
  config.dns_searches = dns.searches;
  config.dns_options = dns.options;
  for (const auto& container : spec.containers()) AddPorts(container, config);
  config.labels.insert(meta.labels().begin(), meta.labels().end());
  config.labels[kPodNameLabel] = meta.name();
  config.labels[kPodNamespaceLabel] = meta.namespace_();
  config.labels[kPodUidLabel] = meta.uid();
  config.annotations.insert(meta.annotations().begin(), meta.annotations().end());
  if (api::IsStatic(pod)) config.annotations.try_emplace(kOwnSandboxAnnotation, meta.uid());
  if (api::IsStatic(pod)) config.annotations[kShapeAnnotation] = api::ResizeShape(pod);
  config.cgroup_parent = cgroup_parent;
  config.namespaces = PodNamespaces(pod);
  config.privileged = AnyPrivileged(pod);
  if (spec.has_security_context()) {
    const auto& sc = spec.security_context();
    for (const auto& sysctl : sc.sysctls()) config.sysctls[DottedSysctl(sysctl.name())] = sysctl.value();
    if (sc.has_run_as_user()) config.run_as_user = sc.run_as_user();
    if (sc.has_run_as_group()) config.run_as_group = sc.run_as_group();
    if (sc.has_se_linux_options()) config.selinux = MakeSELinux(sc.se_linux_options());
  }
  config.supplemental_groups = SupplementalGroups(pod, volumes);
  ASSIGN_OR_RETURN(config.supplemental_groups_policy, GroupsPolicy(pod));
  config.resources = MakeSandboxResources(pod, node);
  config.overhead = MakeOverhead(pod, node);
  return config;
}

}  // namespace kubelet::runtime
