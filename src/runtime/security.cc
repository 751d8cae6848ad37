#include "runtime/security.h"

#include <algorithm>

#include "kubelet/base/status.h"

namespace kubelet::runtime {
namespace {

using ContainerSpec = api::core::Container;
using api::core::Pod;

// Upstream's defaults of pkg/securitycontext/util.go, 1.36.
const std::vector<std::string> kMaskedPaths = {
    "/proc/asound",     "/proc/acpi",       "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap"};
const std::vector<std::string> kReadonlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                                 "/proc/sysrq-trigger"};

SecurityProfile Seccomp(const api::core::SeccompProfile& profile, const NodeContext& node) {
  if (profile.type() == "RuntimeDefault") return {ProfileKind::kRuntimeDefault, ""};
  if (profile.type() == "Localhost") {
    return {ProfileKind::kLocalhost, node.seccomp_root + "/" + profile.localhost_profile()};
  }
  return {ProfileKind::kUnconfined, ""};
}

SecurityProfile MakeSeccomp(const Pod& pod, const ContainerSpec& container, const NodeContext& node) {
  if (container.security_context().has_seccomp_profile()) {
    return Seccomp(container.security_context().seccomp_profile(), node);
  }
  if (pod.spec().security_context().has_seccomp_profile()) {
    return Seccomp(pod.spec().security_context().seccomp_profile(), node);
  }
  return {node.seccomp_default ? ProfileKind::kRuntimeDefault : ProfileKind::kUnconfined, ""};
}

SecurityProfile AppArmorFromText(const std::string& text) {
  if (text == "unconfined") return {ProfileKind::kUnconfined, ""};
  if (text.rfind("localhost/", 0) == 0) return {ProfileKind::kLocalhost, text.substr(10)};
  return {ProfileKind::kRuntimeDefault, ""};
}

SecurityProfile AppArmor(const api::core::AppArmorProfile& profile) {
  if (profile.type() == "Unconfined") return {ProfileKind::kUnconfined, ""};
  if (profile.type() == "Localhost") return {ProfileKind::kLocalhost, profile.localhost_profile()};
  return {ProfileKind::kRuntimeDefault, ""};
}

// Field over annotation, container over pod.
SecurityProfile MakeAppArmor(const Pod& pod, const ContainerSpec& container) {
  if (container.security_context().has_app_armor_profile()) {
    return AppArmor(container.security_context().app_armor_profile());
  }
  auto it = pod.metadata().annotations().find("container.apparmor.security.beta.kubernetes.io/" + container.name());
  if (it != pod.metadata().annotations().end()) return AppArmorFromText(it->second);
  if (pod.spec().security_context().has_app_armor_profile()) {
    return AppArmor(pod.spec().security_context().app_armor_profile());
  }
  return {ProfileKind::kRuntimeDefault, ""};
}

absl::Status CheckNonRoot(const Pod& pod, const ContainerSpec& container, const ContainerInputs& inputs,
                          const ContainerConfig& config) {
  const auto& sc = container.security_context();
  const auto& pod_sc = pod.spec().security_context();
  bool required = sc.has_run_as_non_root() ? sc.run_as_non_root() : pod_sc.run_as_non_root();
  if (!required) return absl::OkStatus();
  std::string where = "pod " + api::PodKey(pod) + ", container " + container.name() + ": ";
  if (sc.has_run_as_user() || pod_sc.has_run_as_user()) {
    if (*config.run_as_user != 0) return absl::OkStatus();
    return absl::FailedPreconditionError(where + "container's runAsUser breaks non-root policy");
  }
  if (!inputs.image_username.empty()) {
    return absl::FailedPreconditionError(where + "container has runAsNonRoot and image has non-numeric user (" +
                                         inputs.image_username + "), cannot verify user is non-root");
  }
  if (inputs.image_uid.value_or(0) == 0) {
    return absl::FailedPreconditionError(where + "container has runAsNonRoot and image will run as root");
  }
  return absl::OkStatus();
}

void ApplyIdentity(const Pod& pod, const ContainerSpec& container, const ContainerInputs& inputs,
                   ContainerConfig& config) {
  const auto& sc = container.security_context();
  const auto& pod_sc = pod.spec().security_context();
  if (sc.has_run_as_user()) {
    config.run_as_user = sc.run_as_user();
  } else if (pod_sc.has_run_as_user()) {
    config.run_as_user = pod_sc.run_as_user();
  } else if (inputs.image_uid) {
    config.run_as_user = inputs.image_uid;
  } else {
    config.run_as_username = inputs.image_username;
  }
  if (sc.has_run_as_group()) {
    config.run_as_group = sc.run_as_group();
  } else if (pod_sc.has_run_as_group()) {
    config.run_as_group = pod_sc.run_as_group();
  }
  if (sc.has_se_linux_options()) {
    config.selinux = MakeSELinux(sc.se_linux_options());
  } else if (pod_sc.has_se_linux_options()) {
    config.selinux = MakeSELinux(pod_sc.se_linux_options());
  }
}

}  // namespace

Namespaces PodNamespaces(const Pod& pod) {
  Namespaces ns;
  if (pod.spec().host_network()) ns.network = NamespaceMode::kNode;
  if (pod.spec().host_ipc()) ns.ipc = NamespaceMode::kNode;
  if (pod.spec().host_pid()) {
    ns.pid = NamespaceMode::kNode;
  } else if (pod.spec().share_process_namespace()) {
    ns.pid = NamespaceMode::kPod;
  }
  return ns;
}

SELinux MakeSELinux(const api::core::SELinuxOptions& options) {
  return {options.user(), options.role(), options.type(), options.level()};
}

std::vector<int64_t> SupplementalGroups(const Pod& pod) {
  std::vector<int64_t> groups;
  const auto& sc = pod.spec().security_context();
  if (sc.has_fs_group()) groups.push_back(sc.fs_group());
  groups.insert(groups.end(), sc.supplemental_groups().begin(), sc.supplemental_groups().end());
  return groups;
}

SupplementalGroupsPolicy GroupsPolicy(const Pod& pod) {
  return pod.spec().security_context().supplemental_groups_policy() == "Strict" ? SupplementalGroupsPolicy::kStrict
                                                                                : SupplementalGroupsPolicy::kMerge;
}

std::string DottedSysctl(std::string name) {
  // The first separator decides the form; the other character is then part of a name (net/ipv4/conf/eth0.1/x).
  size_t first = name.find_first_of("./");
  if (first == std::string::npos || name[first] == '.') return name;
  for (char& c : name) {
    if (c == '/') {
      c = '.';
    } else if (c == '.') {
      c = '/';
    }
  }
  return name;
}

absl::Status ApplySecurity(const Pod& pod, const ContainerSpec& container, const ContainerInputs& inputs,
                           const NodeContext& node, ContainerConfig& config) {
  const auto& sc = container.security_context();
  ApplyIdentity(pod, container, inputs, config);
  RETURN_IF_ERROR(CheckNonRoot(pod, container, inputs, config));
  config.add_capabilities.assign(sc.capabilities().add().begin(), sc.capabilities().add().end());
  config.drop_capabilities.assign(sc.capabilities().drop().begin(), sc.capabilities().drop().end());
  config.privileged = sc.privileged();
  config.read_only_rootfs = sc.read_only_root_filesystem();
  config.no_new_privs = sc.has_allow_privilege_escalation() && !sc.allow_privilege_escalation();
  config.namespaces = PodNamespaces(pod);
  config.supplemental_groups = SupplementalGroups(pod);
  config.supplemental_groups_policy = GroupsPolicy(pod);
  if (sc.proc_mount() != "Unmasked") {
    config.masked_paths = kMaskedPaths;
    config.readonly_paths = kReadonlyPaths;
  }
  config.seccomp = MakeSeccomp(pod, container, node);
  config.apparmor = MakeAppArmor(pod, container);
  return absl::OkStatus();
}

}  // namespace kubelet::runtime
