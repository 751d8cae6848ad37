#include <algorithm>

#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/status.h"
#include "kubelet/runtime/config.h"
#include "runtime/resources.h"
#include "runtime/security.h"

namespace kubelet::runtime {
namespace {

using ContainerSpec = api::core::Container;
using api::core::Pod;

MountPropagation Propagation(const std::string& text) {
  if (text == "HostToContainer") return MountPropagation::kHostToContainer;
  if (text == "Bidirectional") return MountPropagation::kBidirectional;
  return MountPropagation::kPrivate;
}

const api::core::VolumeSource& SourceOf(const Pod& pod, const std::string& name) {
  for (const auto& volume : pod.spec().volumes()) {
    if (volume.name() == name) return volume.volume_source();
  }
  return api::core::VolumeSource::default_instance();
}

// What the API fills is not the container's to change.
bool AlwaysReadOnly(const api::core::VolumeSource& source) {
  return source.has_config_map() || source.has_secret() || source.has_downward_api() || source.has_projected();
}

absl::StatusOr<bool> RecursiveReadOnly(const api::core::VolumeMount& mount, bool supported) {
  const std::string& mode = mount.recursive_read_only();
  if (mode.empty() || mode == "Disabled") return false;
  auto refuse = [&](const std::string& why) {
    return absl::FailedPreconditionError("failed to resolve recursive read-only mode: volume \"" + mount.name() +
                                         "\" requested recursive read-only mode, but it is " + why);
  };
  if (!mount.read_only()) return refuse("not read-only");
  const std::string& propagation = mount.mount_propagation();
  if (!propagation.empty() && propagation != "None") {
    return refuse("not compatible with propagation \"" + propagation + "\"");
  }
  if (mode == "IfPossible") return supported;
  if (mode != "Enabled") {
    return absl::FailedPreconditionError("failed to resolve recursive read-only mode: unknown recursive read-only mode \"" +
                                         mode + "\"");
  }
  if (!supported) return refuse("not supported by the runtime");
  return true;
}

bool HasBackstep(const std::string& path) { return ("/" + path + "/").find("/../") != std::string::npos; }

// The runtime mounts it, always read-only.
absl::StatusOr<Mount> ImageVolumeMount(const api::core::VolumeMount& mount, const ImageMount& image,
                                       const std::map<std::string, std::string>& env) {
  Mount out;
  out.container_path = mount.mount_path();
  if (!out.container_path.empty() && out.container_path[0] != '/') out.container_path = "/" + out.container_path;
  out.image = image.image;
  out.user_specified_image = image.reference;
  out.image_sub_path = mount.sub_path_expr().empty() ? mount.sub_path() : Expand(mount.sub_path_expr(), env);
  if (!out.image_sub_path.empty() && (out.image_sub_path[0] == '/' || HasBackstep(out.image_sub_path))) {
    return absl::FailedPreconditionError("subPath `" + out.image_sub_path +
                                         "` of volume " + mount.name() + " must be relative and without '..'");
  }
  out.read_only = true;
  out.propagation = Propagation(mount.mount_propagation());
  return out;
}

absl::Status MakeMounts(const Pod& pod, const ContainerSpec& container, const ContainerInputs& inputs,
                        const NodeContext& node, ContainerConfig& config) {
  bool has_etc_hosts = false;
  bool recursive = SupportsRecursiveReadOnly(node, inputs.runtime_handler);
  for (int i = 0; i < container.volume_mounts_size(); ++i) {
    const auto& mount = container.volume_mounts(i);
    if (auto image = inputs.image_mounts.find(mount.name()); image != inputs.image_mounts.end()) {
      std::map<std::string, std::string> env(config.envs.begin(), config.envs.end());
      ASSIGN_OR_RETURN(auto out, ImageVolumeMount(mount, image->second, env));
      if (out.container_path == "/etc/hosts") has_etc_hosts = true;
      config.mounts.push_back(std::move(out));
      continue;
    }
    auto it = inputs.volume_paths.find(mount.name());
    if (it == inputs.volume_paths.end()) {
      return absl::FailedPreconditionError("cannot find volume \"" + mount.name() + "\" to mount into container \"" +
                                           container.name() + "\"");
    }
    auto sub_path = inputs.sub_paths.find(i);
    const auto& source = SourceOf(pod, mount.name());
    Mount out;
    out.container_path = mount.mount_path();
    if (!out.container_path.empty() && out.container_path[0] != '/') out.container_path = "/" + out.container_path;
    out.host_path = sub_path == inputs.sub_paths.end() ? it->second.host_path : sub_path->second;
    out.read_only = mount.read_only() || AlwaysReadOnly(source);
    out.selinux_relabel = node.selinux && it->second.selinux_relabel;
    ASSIGN_OR_RETURN(out.recursive_read_only, RecursiveReadOnly(mount, recursive));
    out.propagation = Propagation(mount.mount_propagation());
    if (out.container_path == "/etc/hosts") has_etc_hosts = true;
    config.mounts.push_back(out);
  }
  if (!inputs.etc_hosts_path.empty() && !has_etc_hosts) {
    Mount hosts;
    hosts.container_path = "/etc/hosts";
    hosts.host_path = inputs.etc_hosts_path;
    hosts.selinux_relabel = node.selinux;
    config.mounts.push_back(hosts);
  }
  if (!inputs.termination_log_path.empty() && !container.termination_message_path().empty()) {
    Mount log;
    log.container_path = container.termination_message_path();
    if (log.container_path[0] != '/') log.container_path = "/" + log.container_path;
    log.selinux_relabel = node.selinux;
    log.host_path = inputs.termination_log_path;
    config.mounts.push_back(log);
  }
  return absl::OkStatus();
}

// pkg/kubelet/kubelet_pods.go makeBlockVolumes of 1.36.
absl::Status MakeDevices(const Pod& pod, const ContainerSpec& container,
                         const ContainerInputs& inputs, ContainerConfig& config) {
  for (const auto& device : container.volume_devices()) {
    auto it = inputs.volume_paths.find(device.name());
    if (it == inputs.volume_paths.end())
      return absl::FailedPreconditionError("cannot find volume \"" + device.name() +
                                           "\" to pass into container \"" + container.name() +
                                           "\"");
    if (device.device_path().empty() || device.device_path()[0] != '/')
      return absl::FailedPreconditionError("error DevicePath `" + device.device_path() +
                                           "` must be an absolute path");
    bool read_only = SourceOf(pod, device.name()).persistent_volume_claim().read_only();
    config.devices.push_back(Device{device.device_path(), it->second.host_path, read_only ? "r" : "mrw"});
  }
  return absl::OkStatus();
}

// Of one name the spec's word counts (pkg/kubelet/kubelet_pods.go GenerateRunContainerOptions: the
// runtime takes the last).
void AddGrant(const DeviceGrant& grant, ContainerConfig& config) {
  std::vector<std::pair<std::string, std::string>> envs;
  for (const auto& env : grant.envs) {
    bool named = std::any_of(config.envs.begin(), config.envs.end(),
                             [&](const auto& own) { return own.first == env.first; });
    if (!named) envs.push_back(env);
  }
  config.envs.insert(config.envs.begin(), envs.begin(), envs.end());
  config.mounts = grant.mounts;
  config.devices = grant.devices;
  config.cdi_devices = grant.cdi_devices;
  config.annotations = grant.annotations;
}

void MakeAnnotations(const Pod& pod, const ContainerSpec& container, const ContainerInputs& inputs,
                     ContainerConfig& config) {
  auto& out = config.annotations;
  out[kHashAnnotation] = api::ContainerHash(container.name(), container.image());
  out[kRestartCountAnnotation] = std::to_string(inputs.attempt);
  out[kTerminationPathAnnotation] = container.termination_message_path();
  out[kTerminationPolicyAnnotation] = container.termination_message_policy();
  if (pod.metadata().has_deletion_grace_period_seconds()) {
    out[kPodDeletionGraceAnnotation] = std::to_string(pod.metadata().deletion_grace_period_seconds());
  }
  if (pod.spec().has_termination_grace_period_seconds()) {
    out[kPodTerminationGraceAnnotation] = std::to_string(pod.spec().termination_grace_period_seconds());
  }
  if (container.lifecycle().has_pre_stop()) {
    out[kPreStopAnnotation] = api::EncodeJson(container.lifecycle().pre_stop());
  }
  if (container.ports_size() > 0) {
    std::string list;
    for (const auto& port : container.ports()) list += (list.empty() ? "[" : ",") + api::EncodeJson(port);
    out[kPortsAnnotation] = list + "]";
  }
}

}  // namespace

absl::StatusOr<ContainerConfig> MakeContainerConfig(const Pod& pod, const ContainerSpec& container,
                                                    const ContainerInputs& inputs, const NodeContext& node) {
  ContainerConfig config;
  config.name = container.name();
  config.attempt = inputs.attempt;
  config.image = inputs.image_ref;
  config.user_specified_image = container.image();
  ASSIGN_OR_RETURN(config.envs, MakeEnvironment(pod, container, inputs.env, {node.node_name, node.host_ips, inputs.pod_ips}));
  AddGrant(inputs.devices, config);
  std::map<std::string, std::string> env(config.envs.begin(), config.envs.end());
  for (const auto& word : container.command()) config.command.push_back(Expand(word, env));
  for (const auto& word : container.args()) config.args.push_back(Expand(word, env));
  config.working_dir = container.working_dir();
  RETURN_IF_ERROR(MakeMounts(pod, container, inputs, node, config));
  RETURN_IF_ERROR(MakeDevices(pod, container, inputs, config));
  config.labels = {{kContainerNameLabel, container.name()},
                   {kPodNameLabel, pod.metadata().name()},
                   {kPodNamespaceLabel, pod.metadata().namespace_()},
                   {kPodUidLabel, pod.metadata().uid()}};
  MakeAnnotations(pod, container, inputs, config);
  config.log_path = container.name() + "/" + std::to_string(inputs.attempt) + ".log";
  config.stdin_open = container.stdin();
  config.stdin_once = container.stdin_once();
  config.tty = container.tty();
  config.resources = MakeContainerResources(pod, container, inputs.oom_score_adj, node);
  if (node.container_stop_signals && container.lifecycle().has_stop_signal()) config.stop_signal = container.lifecycle().stop_signal();
  RETURN_IF_ERROR(ApplySecurity(pod, container, inputs, node, config));
  return config;
}

}  // namespace kubelet::runtime
