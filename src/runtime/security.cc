#include "runtime/security.h"

#include <algorithm>
#include <set>

#include "kubelet/base/status.h"
#include "runtime/pod_text.h"

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

absl::StatusOr<SecurityProfile> Seccomp(const api::core::SeccompProfile& profile, const NodeContext& node) {
  SecurityProfile out;
  if (profile.type() == "RuntimeDefault") out.kind = ProfileKind::kRuntimeDefault;
  if (profile.type() != "Localhost") return out;
  if (profile.localhost_profile().empty()) {
    return absl::FailedPreconditionError("localhostProfile must be set if seccompProfile type is Localhost.");
  }
  out.kind = ProfileKind::kLocalhost;
  out.localhost_ref = node.seccomp_root + "/" + profile.localhost_profile();
  return out;
}

absl::StatusOr<SecurityProfile> MakeSeccomp(const Pod& pod, const ContainerSpec& container, const NodeContext& node) {
  if (container.security_context().has_seccomp_profile()) {
    return Seccomp(container.security_context().seccomp_profile(), node);
  }
  if (pod.spec().security_context().has_seccomp_profile()) {
    return Seccomp(pod.spec().security_context().seccomp_profile(), node);
  }
  return SecurityProfile{node.seccomp_default ? ProfileKind::kRuntimeDefault : ProfileKind::kUnconfined, ""};
}

absl::StatusOr<std::optional<SecurityProfile>> AppArmor(const api::core::AppArmorProfile& profile) {
  if (profile.type() == "RuntimeDefault") return SecurityProfile{ProfileKind::kRuntimeDefault, ""};
  if (profile.type() == "Unconfined") return SecurityProfile{ProfileKind::kUnconfined, ""};
  if (profile.type() != "Localhost") {
    return absl::FailedPreconditionError("unknown apparmor profile type: \"" + profile.type() + "\"");
  }
  if (!profile.has_localhost_profile()) return absl::FailedPreconditionError("missing localhost apparmor profile name");
  return SecurityProfile{ProfileKind::kLocalhost, profile.localhost_profile()};
}

std::optional<SecurityProfile> AppArmorFromText(const std::string& text) {
  if (text == "runtime/default") return SecurityProfile{ProfileKind::kRuntimeDefault, ""};
  if (text == "unconfined") return SecurityProfile{ProfileKind::kUnconfined, ""};
  if (text.rfind("localhost/", 0) == 0) return SecurityProfile{ProfileKind::kLocalhost, text.substr(10)};
  return std::nullopt;
}

// Field over annotation, container over pod.
absl::StatusOr<std::optional<SecurityProfile>> MakeAppArmor(const Pod& pod, const ContainerSpec& container) {
  if (container.security_context().has_app_armor_profile()) {
    return AppArmor(container.security_context().app_armor_profile());
  }
  auto it = pod.metadata().annotations().find("container.apparmor.security.beta.kubernetes.io/" + container.name());
  if (it != pod.metadata().annotations().end()) {
    if (auto profile = AppArmorFromText(it->second)) return profile;
  }
  if (pod.spec().security_context().has_app_armor_profile()) {
    return AppArmor(pod.spec().security_context().app_armor_profile());
  }
  return std::optional<SecurityProfile>();
}

// Words of pkg/kubelet/kuberuntime/security_context_others.go.
absl::Status CheckNonRoot(const Pod& pod, const ContainerSpec& container, const ContainerInputs& inputs) {
  constexpr int64_t kMaxUser = 2'147'483'647;
  const auto& sc = container.security_context();
  const auto& pod_sc = pod.spec().security_context();
  bool required = sc.has_run_as_non_root() ? sc.run_as_non_root() : pod_sc.run_as_non_root();
  if (!required) return absl::OkStatus();
  auto refuse = [&](const std::string& why) {
    return absl::FailedPreconditionError(why + " (pod: \"" + PodText(pod) + "\", container: " + container.name() + ")");
  };
  if (sc.has_run_as_user() || pod_sc.has_run_as_user()) {
    bool root = (sc.has_run_as_user() ? sc.run_as_user() : pod_sc.run_as_user()) == 0;
    return root ? refuse("container's runAsUser breaks non-root policy") : absl::OkStatus();
  }
  if (!inputs.image_uid && !inputs.image_username.empty()) {
    return refuse("container has runAsNonRoot and image has non-numeric user (" + inputs.image_username +
                  "), cannot verify user is non-root");
  }
  int64_t user = inputs.image_uid.value_or(0);
  if (user == 0) return refuse("container has runAsNonRoot and image will run as root");
  if (user > 0 && user <= kMaxUser) return absl::OkStatus();
  return refuse("container has runAsNonRoot and image has an invalid user id (" + std::to_string(user) +
                "). (Must be 1-(2147483647)): must be between 0 and 2147483647, inclusive");
}

void ApplyIdentity(const Pod& pod, const ContainerSpec& container, const ContainerInputs& inputs,
                   ContainerConfig& config) {
  const auto& sc = container.security_context();
  const auto& pod_sc = pod.spec().security_context();
  if (sc.has_run_as_user()) {
    config.run_as_user = sc.run_as_user();
  } else if (pod_sc.has_run_as_user()) {
    config.run_as_user = pod_sc.run_as_user();
  } else if (inputs.image_uid || inputs.image_username.empty()) {
    config.run_as_user = inputs.image_uid.value_or(0);
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

std::vector<int64_t> SupplementalGroups(const Pod& pod, const VolumePaths& volumes) {
  std::vector<int64_t> groups;
  const auto& sc = pod.spec().security_context();
  if (sc.has_fs_group()) groups.push_back(sc.fs_group());
  const auto& named = sc.supplemental_groups();
  groups.insert(groups.end(), named.begin(), named.end());
  std::set<int64_t> more;
  for (const auto& [name, volume] : volumes)
    if (volume.group && std::find(named.begin(), named.end(), *volume.group) == named.end())
      more.insert(*volume.group);
  groups.insert(groups.end(), more.begin(), more.end());
  return groups;
}

absl::StatusOr<SupplementalGroupsPolicy> GroupsPolicy(const Pod& pod) {
  const std::string& policy = pod.spec().security_context().supplemental_groups_policy();
  if (policy == "Strict") return SupplementalGroupsPolicy::kStrict;
  if (policy.empty() || policy == "Merge") return SupplementalGroupsPolicy::kMerge;
  return absl::FailedPreconditionError("unsupported supplementalGroupsPolicy: " + policy);
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

absl::Status CheckUserNamespaces(const NodeContext& node, const std::string& handler) {
  std::string refused = "can't set `spec.hostUsers: false`, runtime does not support user namespaces";
  if (!handler.empty()) {
    refused = "can't set `spec.hostUsers: false`, RuntimeClass handler \"" + handler +
              "\" does not support user namespaces";
  }
  if (node.handlers.empty()) return absl::FailedPreconditionError(refused);
  for (const auto& known : node.handlers) {
    if (known.name != handler) continue;
    return known.user_namespaces ? absl::OkStatus() : absl::FailedPreconditionError(refused);
  }
  return absl::FailedPreconditionError(refused + ": the handler \"" + handler + "\" is not known");
}

bool SupportsRecursiveReadOnly(const NodeContext& node, const std::string& handler) {
  return std::any_of(node.handlers.begin(), node.handlers.end(), [&](const RuntimeHandler& known) {
    return known.name == handler && known.recursive_read_only_mounts;
  });
}

absl::Status ApplySecurity(const Pod& pod, const ContainerSpec& container, const ContainerInputs& inputs,
                           const NodeContext& node, ContainerConfig& config) {
  const auto& sc = container.security_context();
  RETURN_IF_ERROR(CheckNonRoot(pod, container, inputs));
  ApplyIdentity(pod, container, inputs, config);
  config.add_capabilities.assign(sc.capabilities().add().begin(), sc.capabilities().add().end());
  config.drop_capabilities.assign(sc.capabilities().drop().begin(), sc.capabilities().drop().end());
  config.privileged = sc.privileged();
  config.read_only_rootfs = sc.read_only_root_filesystem();
  config.no_new_privs = sc.has_allow_privilege_escalation() && !sc.allow_privilege_escalation();
  config.namespaces = PodNamespaces(pod);
  config.namespaces.user = inputs.user_namespace;
  config.supplemental_groups = SupplementalGroups(pod, inputs.volume_paths);
  ASSIGN_OR_RETURN(config.supplemental_groups_policy, GroupsPolicy(pod));
  if (sc.proc_mount() != "Unmasked") {
    config.masked_paths = kMaskedPaths;
    config.masked_paths.insert(config.masked_paths.end(), node.masked_paths.begin(), node.masked_paths.end());
    config.readonly_paths = kReadonlyPaths;
  }
  ASSIGN_OR_RETURN(config.seccomp, MakeSeccomp(pod, container, node));
  ASSIGN_OR_RETURN(config.apparmor, MakeAppArmor(pod, container));
  return absl::OkStatus();
}

}  // namespace kubelet::runtime
