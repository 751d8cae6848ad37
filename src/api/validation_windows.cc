#include <algorithm>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

constexpr size_t kMaxCredentialSpec = 64 << 10;
constexpr size_t kMaxDomain = 255;
constexpr size_t kMaxUser = 104;
constexpr char kNotForWindows[] = "cannot be set for a windows pod";

bool IsControl(char c) {
  auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

bool IsNetBiosDomain(const std::string& domain) {
  return !domain.empty() && domain.size() <= 15 && domain.front() != '.' &&
         domain.find_first_of("\\/:*?\"<>|") == domain.npos;
}

bool IsDnsDomain(const std::string& domain) {
  for (const std::string& label : Split(domain, '.')) {
    if (!DnsLabelProblems(Lower(label)).empty()) return false;
  }
  return true;
}

Problems UserProblems(const std::string& user) {
  Problems problems;
  if (user.empty()) problems.push_back("user cannot be empty");
  if (user.size() > kMaxUser) {
    problems.push_back("user must not be longer than " + std::to_string(kMaxUser) + " characters");
  }
  if (!user.empty() && user.find_first_not_of(". ") == user.npos) {
    problems.push_back("user cannot contain only periods or spaces");
  }
  if (user.find_first_of("\"/\\:;|=,+*?<>@[]") != user.npos) {
    problems.push_back("user cannot contain any of \"/\\:;|=,+*?<>@[]");
  }
  return problems;
}

// [domain\]user
Problems RunAsProblems(const std::string& name) {
  if (name.empty()) return {"cannot be an empty string"};
  if (std::any_of(name.begin(), name.end(), IsControl))
    return {"cannot contain control characters"};
  std::vector<std::string> parts = Split(name, '\\');
  if (parts.size() > 2) return {"cannot contain more than one backslash"};
  Problems problems = UserProblems(parts.back());
  if (parts.size() == 1) return problems;
  if (parts[0].size() > kMaxDomain) problems.push_back("domain must be under 256 characters");
  if (!IsNetBiosDomain(parts[0]) && !IsDnsDomain(parts[0])) {
    problems.push_back("domain is neither a NetBIOS nor a DNS name");
  }
  return problems;
}

void ForbidWindowsPod(PodContext& pod, const Path& spec_path) {
  const core::PodSpec& spec = pod.spec;
  const core::PodSecurityContext& context = spec.security_context();
  const Path path = spec_path.Child("securityContext");
  const std::pair<Path, bool> set[] = {
      {path.Child("appArmorProfile"), context.has_app_armor_profile()},
      {path.Child("seLinuxOptions"), context.has_se_linux_options()},
      {spec_path.Child("hostUsers"), spec.has_host_users()},
      {spec_path.Child("hostPID"), spec.host_pid()},
      {spec_path.Child("hostIPC"), spec.host_ipc()},
      {path.Child("seccompProfile"), context.has_seccomp_profile()},
      {path.Child("fsGroup"), context.has_fs_group()},
      {path.Child("fsGroupChangePolicy"), context.has_fs_group_change_policy()},
      {path.Child("sysctls"), !context.sysctls().empty()},
      {spec_path.Child("shareProcessNamespace"), spec.has_share_process_namespace()},
      {path.Child("runAsUser"), context.has_run_as_user()},
      {path.Child("runAsGroup"), context.has_run_as_group()},
      {path.Child("supplementalGroups"), !context.supplemental_groups().empty()},
      {path.Child("supplementalGroupsPolicy"), context.has_supplemental_groups_policy()},
      {path.Child("seLinuxChangePolicy"), context.has_se_linux_change_policy()}};
  for (const auto& [at, present] : set) {
    if (present) pod.errors.Forbidden(at, kNotForWindows);
  }
}

void ForbidWindowsContainer(const core::SecurityContext& context, const Path& path,
                            Errors& errors) {
  const std::pair<const char*, bool> set[] = {
      {"appArmorProfile", context.has_app_armor_profile()},
      {"seLinuxOptions", context.has_se_linux_options()},
      {"seccompProfile", context.has_seccomp_profile()},
      {"capabilities", context.has_capabilities()},
      {"readOnlyRootFilesystem", context.has_read_only_root_filesystem()},
      {"privileged", context.has_privileged()},
      {"allowPrivilegeEscalation", context.has_allow_privilege_escalation()},
      {"procMount", context.has_proc_mount()},
      {"runAsUser", context.has_run_as_user()},
      {"runAsGroup", context.has_run_as_group()}};
  for (const auto& [child, present] : set) {
    if (present) errors.Forbidden(path.Child(child), kNotForWindows);
  }
}

void CheckLinux(PodContext& pod, const Path& spec_path) {
  static constexpr char kWhy[] = "cannot be set for a linux pod";
  if (pod.spec.security_context().has_windows_options()) {
    pod.errors.Forbidden(spec_path.Child("securityContext").Child("windowsOptions"), kWhy);
  }
  ForEachContainer(pod.spec, [&pod](const core::Container& container, const Path& path) {
    if (!container.security_context().has_windows_options()) return;
    pod.errors.Forbidden(path.Child("securityContext").Child("windowsOptions"), kWhy);
  });
}

}  // namespace

void CheckWindowsOptions(const core::WindowsSecurityContextOptions& options, const Path& path,
                         Errors& errors) {
  if (options.has_gmsa_credential_spec_name()) {
    errors.Invalid(path.Child("gmsaCredentialSpecName"), options.gmsa_credential_spec_name(),
                   DnsSubdomainProblems(options.gmsa_credential_spec_name()));
  }
  if (options.has_gmsa_credential_spec()) {
    const Path at = path.Child("gmsaCredentialSpec");
    size_t size = options.gmsa_credential_spec().size();
    if (size == 0) errors.Invalid(at, "", "cannot be an empty string");
    if (size > kMaxCredentialSpec) errors.TooLong(at, kMaxCredentialSpec);
  }
  if (options.has_run_as_user_name()) {
    errors.Invalid(path.Child("runAsUserName"), options.run_as_user_name(),
                   RunAsProblems(options.run_as_user_name()));
  }
}

void CheckHostProcess(PodContext& pod, const Path& spec_path) {
  const auto& shared = pod.spec.security_context().windows_options();
  int containers = 0, host_processes = 0;
  ForEachContainer(pod.spec, [&](const core::Container& container, const Path& path) {
    const auto& own = container.security_context().windows_options();
    ++containers;
    if (shared.has_host_process() && own.has_host_process() &&
        shared.host_process() != own.host_process()) {
      pod.errors.Invalid(path.Child("securityContext").Child("windowsOptions").Child("hostProcess"),
                         own.host_process(), "must be the same as the pod's");
    }
    host_processes += own.has_host_process() ? own.host_process() : shared.host_process();
  });
  if (host_processes == 0) return;
  if (host_processes != containers) {
    pod.errors.Invalid(spec_path, "", "all containers must be HostProcess containers, or none");
  }
  if (!pod.spec.host_network()) {
    pod.errors.Invalid(spec_path.Child("hostNetwork"), false,
                       "must be true if the pod has HostProcess containers");
  }
}

void CheckOs(PodContext& pod, const Path& spec_path) {
  if (!pod.spec.has_os()) return;
  const std::string& name = pod.spec.os().name();
  pod.errors.OneOf(spec_path.Child("os").Child("name"), name, {"linux", "windows"});
  if (name == "linux") return CheckLinux(pod, spec_path);
  if (name != "windows") return;
  ForbidWindowsPod(pod, spec_path);
  ForEachContainer(pod.spec, [&pod](const core::Container& container, const Path& path) {
    ForbidWindowsContainer(container.security_context(), path.Child("securityContext"), pod.errors);
  });
}

}  // namespace kubelet::api
