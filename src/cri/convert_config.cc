#include "cri/convert.h"

namespace kubelet::cri {
namespace {

v1::NamespaceMode ToProto(runtime::NamespaceMode mode) {
  switch (mode) {
    case runtime::NamespaceMode::kPod:
      return v1::POD;
    case runtime::NamespaceMode::kContainer:
      return v1::CONTAINER;
    case runtime::NamespaceMode::kNode:
      return v1::NODE;
    case runtime::NamespaceMode::kTarget:
      return v1::TARGET;
  }
  return v1::POD;
}

v1::Protocol ToProto(runtime::Protocol protocol) {
  switch (protocol) {
    case runtime::Protocol::kTcp:
      return v1::TCP;
    case runtime::Protocol::kUdp:
      return v1::UDP;
    case runtime::Protocol::kSctp:
      return v1::SCTP;
  }
  return v1::TCP;
}

v1::MountPropagation ToProto(runtime::MountPropagation propagation) {
  switch (propagation) {
    case runtime::MountPropagation::kPrivate:
      return v1::PROPAGATION_PRIVATE;
    case runtime::MountPropagation::kHostToContainer:
      return v1::PROPAGATION_HOST_TO_CONTAINER;
    case runtime::MountPropagation::kBidirectional:
      return v1::PROPAGATION_BIDIRECTIONAL;
  }
  return v1::PROPAGATION_PRIVATE;
}

v1::SupplementalGroupsPolicy ToProto(runtime::SupplementalGroupsPolicy policy) {
  return policy == runtime::SupplementalGroupsPolicy::kStrict ? v1::Strict : v1::Merge;
}

void Fill(const runtime::IdMapping& from, v1::IDMapping* to) {
  to->set_host_id(from.host_id);
  to->set_container_id(from.container_id);
  to->set_length(from.length);
}

void Fill(const runtime::Namespaces& from, v1::NamespaceOption* to) {
  to->set_network(ToProto(from.network));
  to->set_pid(ToProto(from.pid));
  to->set_ipc(ToProto(from.ipc));
  to->set_target_id(from.target_id);
  auto* user = to->mutable_userns_options();
  user->set_mode(ToProto(from.user.mode));
  for (const auto& ids : from.user.ids) {
    Fill(ids, user->add_uids());
    Fill(ids, user->add_gids());
  }
}

void Fill(const runtime::SELinux& from, v1::SELinuxOption* to) {
  to->set_user(from.user);
  to->set_role(from.role);
  to->set_type(from.type);
  to->set_level(from.level);
}

void Fill(const runtime::SecurityProfile& from, v1::SecurityProfile* to) {
  switch (from.kind) {
    case runtime::ProfileKind::kRuntimeDefault:
      to->set_profile_type(v1::SecurityProfile::RuntimeDefault);
      break;
    case runtime::ProfileKind::kUnconfined:
      to->set_profile_type(v1::SecurityProfile::Unconfined);
      break;
    case runtime::ProfileKind::kLocalhost:
      to->set_profile_type(v1::SecurityProfile::Localhost);
      // Runtimes refuse a reference beside any other type.
      to->set_localhost_ref(from.localhost_ref);
      break;
  }
}

// Without a wish nothing is sent: that is the runtime's default, also where there is no AppArmor at all.
void FillAppArmor(const std::optional<runtime::SecurityProfile>& from, v1::LinuxContainerSecurityContext* to) {
  if (!from) return;
  Fill(*from, to->mutable_apparmor());
  std::string old = "unconfined";
  if (from->kind == runtime::ProfileKind::kRuntimeDefault) old = "runtime/default";
  if (from->kind == runtime::ProfileKind::kLocalhost) old = "localhost/" + from->localhost_ref;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  to->set_apparmor_profile(old);
#pragma GCC diagnostic pop
}

void Fill(const runtime::Mount& from, v1::Mount* to) {
  to->set_container_path(from.container_path);
  to->set_host_path(from.host_path);
  to->set_readonly(from.read_only);
  to->set_selinux_relabel(from.selinux_relabel);
  to->set_propagation(ToProto(from.propagation));
  to->set_recursive_read_only(from.recursive_read_only);
  if (from.image.empty()) return;
  to->mutable_image()->set_image(from.image);
  to->mutable_image()->set_user_specified_image(from.user_specified_image);
  to->set_image_sub_path(from.image_sub_path);
}

template <typename Range, typename Repeated>
void Copy(const Range& from, Repeated* to) {
  to->Assign(from.begin(), from.end());
}

void Copy(const runtime::StringMap& from, google::protobuf::Map<std::string, std::string>* to) {
  to->insert(from.begin(), from.end());
}

void FillSecurity(const runtime::SandboxConfig& from, v1::LinuxSandboxSecurityContext* to) {
  Fill(from.namespaces, to->mutable_namespace_options());
  if (from.selinux) Fill(*from.selinux, to->mutable_selinux_options());
  if (from.run_as_user) to->mutable_run_as_user()->set_value(*from.run_as_user);
  if (from.run_as_group) to->mutable_run_as_group()->set_value(*from.run_as_group);
  to->set_readonly_rootfs(from.read_only_rootfs);
  Copy(from.supplemental_groups, to->mutable_supplemental_groups());
  to->set_supplemental_groups_policy(ToProto(from.supplemental_groups_policy));
  to->set_privileged(from.privileged);
  Fill(from.seccomp, to->mutable_seccomp());
}

void FillSecurity(const runtime::ContainerConfig& from, v1::LinuxContainerSecurityContext* to) {
  Copy(from.add_capabilities, to->mutable_capabilities()->mutable_add_capabilities());
  Copy(from.drop_capabilities, to->mutable_capabilities()->mutable_drop_capabilities());
  to->set_privileged(from.privileged);
  Fill(from.namespaces, to->mutable_namespace_options());
  if (from.selinux) Fill(*from.selinux, to->mutable_selinux_options());
  if (from.run_as_user) to->mutable_run_as_user()->set_value(*from.run_as_user);
  if (from.run_as_group) to->mutable_run_as_group()->set_value(*from.run_as_group);
  to->set_run_as_username(from.run_as_username);
  to->set_readonly_rootfs(from.read_only_rootfs);
  Copy(from.supplemental_groups, to->mutable_supplemental_groups());
  to->set_supplemental_groups_policy(ToProto(from.supplemental_groups_policy));
  to->set_no_new_privs(from.no_new_privs);
  Copy(from.masked_paths, to->mutable_masked_paths());
  Copy(from.readonly_paths, to->mutable_readonly_paths());
  Fill(from.seccomp, to->mutable_seccomp());
  FillAppArmor(from.apparmor, to);
}

void FillFiles(const runtime::ContainerConfig& from, v1::ContainerConfig* to) {
  for (const auto& mount : from.mounts) {
    auto* m = to->add_mounts();
    Fill(mount, m);
    // Files keep their owners on the host: the kernel shows them by the pod's ids.
    for (const auto& ids : from.namespaces.user.ids) {
      Fill(ids, m->add_uidmappings());
      Fill(ids, m->add_gidmappings());
    }
  }
  for (const auto& device : from.devices) {
    auto* d = to->add_devices();
    d->set_container_path(device.container_path);
    d->set_host_path(device.host_path);
    d->set_permissions(device.permissions);
  }
  for (const auto& name : from.cdi_devices) to->add_cdi_devices()->set_name(name);
}

}  // namespace

v1::PodSandboxConfig ToProto(const runtime::SandboxConfig& config) {
  v1::PodSandboxConfig out;
  auto* metadata = out.mutable_metadata();
  metadata->set_name(config.name);
  metadata->set_uid(config.uid);
  metadata->set_namespace_(config.namespace_);
  metadata->set_attempt(config.attempt);
  out.set_hostname(config.hostname);
  out.set_log_directory(config.log_directory);
  Copy(config.dns_servers, out.mutable_dns_config()->mutable_servers());
  Copy(config.dns_searches, out.mutable_dns_config()->mutable_searches());
  Copy(config.dns_options, out.mutable_dns_config()->mutable_options());
  for (const auto& port : config.port_mappings) {
    auto* p = out.add_port_mappings();
    p->set_protocol(ToProto(port.protocol));
    p->set_container_port(port.container_port);
    p->set_host_port(port.host_port);
    p->set_host_ip(port.host_ip);
  }
  Copy(config.labels, out.mutable_labels());
  Copy(config.annotations, out.mutable_annotations());
  auto* linux_part = out.mutable_linux();
  linux_part->set_cgroup_parent(config.cgroup_parent);
  Copy(config.sysctls, linux_part->mutable_sysctls());
  FillSecurity(config, linux_part->mutable_security_context());
  *linux_part->mutable_resources() = ToProto(config.resources);
  *linux_part->mutable_overhead() = ToProto(config.overhead);
  return out;
}

v1::ContainerConfig ToProto(const runtime::ContainerConfig& config) {
  v1::ContainerConfig out;
  out.mutable_metadata()->set_name(config.name);
  out.mutable_metadata()->set_attempt(config.attempt);
  out.mutable_image()->set_image(config.image);
  Copy(config.image_annotations, out.mutable_image()->mutable_annotations());
  out.mutable_image()->set_user_specified_image(config.user_specified_image);
  Copy(config.command, out.mutable_command());
  Copy(config.args, out.mutable_args());
  out.set_working_dir(config.working_dir);
  for (const auto& [key, value] : config.envs) {
    auto* env = out.add_envs();
    env->set_key(key);
    env->set_value(value);
  }
  FillFiles(config, &out);
  Copy(config.labels, out.mutable_labels());
  Copy(config.annotations, out.mutable_annotations());
  out.set_log_path(config.log_path);
  out.set_stdin(config.stdin_open);
  out.set_stdin_once(config.stdin_once);
  out.set_tty(config.tty);
  out.set_stop_signal(SignalFromName(config.stop_signal));
  *out.mutable_linux()->mutable_resources() = ToProto(config.resources);
  FillSecurity(config, out.mutable_linux()->mutable_security_context());
  return out;
}

v1::LinuxContainerResources ToProto(const runtime::LinuxResources& resources) {
  v1::LinuxContainerResources out;
  out.set_cpu_period(resources.cpu_period);
  out.set_cpu_quota(resources.cpu_quota);
  out.set_cpu_shares(resources.cpu_shares);
  out.set_memory_limit_in_bytes(resources.memory_limit_bytes);
  out.set_memory_swap_limit_in_bytes(resources.memory_swap_limit_bytes);
  out.set_oom_score_adj(resources.oom_score_adj);
  out.set_cpuset_cpus(resources.cpuset_cpus);
  out.set_cpuset_mems(resources.cpuset_mems);
  for (const auto& [page_size, limit] : resources.hugepage_limits) {
    auto* hugepage = out.add_hugepage_limits();
    hugepage->set_page_size(page_size);
    hugepage->set_limit(limit);
  }
  Copy(resources.unified, out.mutable_unified());
  return out;
}

v1::AuthConfig ToProto(const runtime::AuthConfig& auth) {
  v1::AuthConfig out;
  out.set_username(auth.username);
  out.set_password(auth.password);
  out.set_auth(auth.auth);
  out.set_server_address(auth.server_address);
  out.set_identity_token(auth.identity_token);
  out.set_registry_token(auth.registry_token);
  return out;
}

v1::ImageSpec ToProto(const runtime::ImageSpec& image) {
  v1::ImageSpec out;
  out.set_image(image.image);
  Copy(image.annotations, out.mutable_annotations());
  out.set_runtime_handler(image.runtime_handler);
  return out;
}

v1::Signal SignalFromName(const std::string& name) {
  std::string value = name;
  for (const auto& [sign, word] : {std::pair<char, const char*>{'+', "PLUS"}, {'-', "MINUS"}}) {
    if (auto at = value.find(sign); at != std::string::npos) value.replace(at, 1, word);
  }
  v1::Signal signal = v1::SIGNAL_RUNTIME_DEFAULT;
  if (!v1::Signal_Parse("SIGNAL_" + value, &signal)) return v1::SIGNAL_RUNTIME_DEFAULT;
  return signal;
}

std::string SignalName(v1::Signal signal) {
  if (signal == v1::SIGNAL_RUNTIME_DEFAULT || !v1::Signal_IsValid(signal)) return "";
  std::string name = v1::Signal_Name(signal).substr(std::string("SIGNAL_").size());
  for (const auto& [word, sign] :
       {std::pair<std::string, const char*>{"PLUS", "+"}, {"MINUS", "-"}}) {
    if (auto at = name.find(word); at != std::string::npos) name.replace(at, word.size(), sign);
  }
  return name;
}

}  // namespace kubelet::cri
