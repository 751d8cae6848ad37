#include <algorithm>
#include <cctype>
#include <cstdint>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

void CheckId(bool present, int64_t id, const Path& path, Errors& errors) {
  if (present) errors.InRange(path, id, 0, INT32_MAX);
}

// A field with presence whose value is one of a few.
void CheckChoice(bool present, const std::string& value, const std::vector<std::string>& supported,
                 const Path& path, Errors& errors) {
  if (!present || std::find(supported.begin(), supported.end(), value) != supported.end()) return;
  errors.NotSupported(path, value, supported);
}

void CheckSeccomp(const core::SeccompProfile& profile, const Path& path, Errors& errors) {
  const Path at = path.Child("localhostProfile");
  errors.OneOf(path.Child("type"), profile.type(), {"Localhost", "RuntimeDefault", "Unconfined"});
  if (profile.type() != "Localhost") {
    if (profile.has_localhost_profile()) {
      errors.Invalid(at, profile.localhost_profile(),
                     "can only be set when seccomp type is Localhost");
    }
  } else if (!profile.has_localhost_profile()) {
    errors.Required(at, "must be set when seccomp type is Localhost");
  } else {
    CheckDescendingPath(profile.localhost_profile(), at, errors);
  }
}

void CheckLocalAppArmor(const core::AppArmorProfile& profile, const Path& path, Errors& errors) {
  constexpr size_t kMaxName = 4095;
  const std::string& name = profile.localhost_profile();
  auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  if (name.empty()) return errors.Required(path, "must be set when AppArmor type is Localhost");
  if (space(name.front()) || space(name.back())) {
    errors.Invalid(path, name, "must not be padded with whitespace");
  }
  if (name.size() > kMaxName) errors.TooLong(path, kMaxName);
}

void CheckAppArmor(const core::AppArmorProfile& profile, const Path& path, Errors& errors) {
  const Path at = path.Child("localhostProfile");
  errors.OneOf(path.Child("type"), profile.type(), {"Localhost", "RuntimeDefault", "Unconfined"});
  if (profile.type() == "Localhost") return CheckLocalAppArmor(profile, at, errors);
  if (profile.has_localhost_profile()) {
    errors.Invalid(at, profile.localhost_profile(),
                   "can only be set when AppArmor type is Localhost");
  }
}

void CheckEscalation(const core::SecurityContext& context, const Path& path, Errors& errors) {
  if (!context.has_allow_privilege_escalation() || context.allow_privilege_escalation()) return;
  if (context.privileged()) {
    errors.Invalid(path, Shown(context),
                   "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
  }
  for (const std::string& capability : context.capabilities().add()) {
    if (capability != "CAP_SYS_ADMIN") continue;
    errors.Invalid(
        path, Shown(context),
        "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
  }
}

enum class SysctlScope { kUnknown, kNet, kIpc };

SysctlScope ScopeOf(std::string name) {
  // With slashes as separators a dot belongs to a name, such as eth0.1.
  size_t first = name.find_first_of("./");
  if (first != name.npos && name[first] == '/') {
    for (char& c : name) c = c == '/' ? '.' : c == '.' ? '/' : c;
  }
  static const std::set<std::string> kIpc = {
      "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
      "kernel.shm", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.msg"};
  if (kIpc.count(name) > 0 || StartsWith(name, "fs.mqueue.")) return SysctlScope::kIpc;
  return StartsWith(name, "net.") ? SysctlScope::kNet : SysctlScope::kUnknown;
}

void CheckSysctls(PodContext& pod, const Path& path) {
  std::set<std::string> seen;
  const auto& sysctls = pod.spec.security_context().sysctls();
  for (int i = 0; i < sysctls.size(); ++i) {
    const std::string& name = sysctls[i].name();
    const Path at = path.Index(i).Child("name");
    if (name.empty()) {
      pod.errors.Required(at);
    } else if (!IsSysctlName(name)) {
      pod.errors.Invalid(
          at, name,
          "must have at most 253 characters: lower case letters, digits, '-' and '_' "
          "in segments separated by '.' or '/'");
    } else if (!seen.insert(name).second) {
      pod.errors.Duplicate(at, name);
    }
    SysctlScope scope = ScopeOf(name);
    if (pod.spec.host_network() && scope == SysctlScope::kNet) {
      pod.errors.Invalid(at, name, "may not be specified when 'hostNetwork' is true");
    } else if (pod.spec.host_ipc() && scope == SysctlScope::kIpc) {
      pod.errors.Invalid(at, name, "may not be specified when 'hostIPC' is true");
    }
  }
}

void CheckPodChoices(const core::PodSecurityContext& context, const Path& path, Errors& errors) {
  CheckChoice(context.has_fs_group_change_policy(), context.fs_group_change_policy(),
              {"Always", "OnRootMismatch"}, path.Child("fsGroupChangePolicy"), errors);
  CheckChoice(context.has_supplemental_groups_policy(), context.supplemental_groups_policy(),
              {"Merge", "Strict"}, path.Child("supplementalGroupsPolicy"), errors);
  // MountOption waits for a gate that is off by default.
  CheckChoice(context.has_se_linux_change_policy(), context.se_linux_change_policy(), {"Recursive"},
              path.Child("seLinuxChangePolicy"), errors);
}

}  // namespace

void CheckSecurityContext(PodContext& pod, const core::SecurityContext& context, const Path& path) {
  Errors& errors = pod.errors;
  CheckId(context.has_run_as_user(), context.run_as_user(), path.Child("runAsUser"), errors);
  CheckId(context.has_run_as_group(), context.run_as_group(), path.Child("runAsGroup"), errors);
  CheckChoice(context.has_proc_mount(), context.proc_mount(), {"Default", "Unmasked"},
              path.Child("procMount"), errors);
  if (pod.host_users && context.proc_mount() == "Unmasked") {
    errors.Invalid(path.Child("procMount"), context.proc_mount(),
                   "`hostUsers` must be false to use `Unmasked`");
  }
  if (context.has_seccomp_profile()) {
    CheckSeccomp(context.seccomp_profile(), path.Child("seccompProfile"), errors);
  }
  CheckEscalation(context, path, errors);
  if (context.has_windows_options()) {
    CheckWindowsOptions(context.windows_options(), path.Child("windowsOptions"), errors);
  }
  if (context.has_app_armor_profile()) {
    CheckAppArmor(context.app_armor_profile(), path.Child("appArmorProfile"), errors);
  }
}

void CheckPodSecurity(PodContext& pod, const Path& spec_path) {
  const core::PodSecurityContext& context = pod.spec.security_context();
  const Path path = spec_path.Child("securityContext");
  Errors& errors = pod.errors;
  CheckId(context.has_fs_group(), context.fs_group(), path.Child("fsGroup"), errors);
  CheckId(context.has_run_as_user(), context.run_as_user(), path.Child("runAsUser"), errors);
  CheckId(context.has_run_as_group(), context.run_as_group(), path.Child("runAsGroup"), errors);
  for (int i = 0; i < context.supplemental_groups_size(); ++i) {
    CheckId(true, context.supplemental_groups(i), path.Child("supplementalGroups").Index(i),
            errors);
  }
  if (pod.spec.share_process_namespace() && pod.spec.host_pid()) {
    errors.Invalid(spec_path.Child("shareProcessNamespace"), true,
                   "shareProcessNamespace and hostPID cannot both be enabled");
  }
  CheckSysctls(pod, path.Child("sysctls"));
  CheckPodChoices(context, path, errors);
  if (context.has_seccomp_profile()) {
    CheckSeccomp(context.seccomp_profile(), path.Child("seccompProfile"), errors);
  }
  if (context.has_windows_options()) {
    CheckWindowsOptions(context.windows_options(), path.Child("windowsOptions"), errors);
  }
  if (context.has_app_armor_profile()) {
    CheckAppArmor(context.app_armor_profile(), path.Child("appArmorProfile"), errors);
  }
}

void CheckSeccompName(const std::string& name, const Path& path, Errors& errors) {
  static constexpr char kLocalhost[] = "localhost/";
  if (name == "runtime/default" || name == "docker/default" || name == "unconfined") return;
  if (StartsWith(name, kLocalhost)) {
    return CheckDescendingPath(name.substr(sizeof(kLocalhost) - 1), path, errors);
  }
  errors.Invalid(path, name, "must be a valid seccomp profile");
}

}  // namespace kubelet::api
