#include "cri/convert.h"

namespace kubelet::cri {
namespace {

runtime::StringMap ToMap(const google::protobuf::Map<std::string, std::string>& from) {
  return runtime::StringMap(from.begin(), from.end());
}

template <typename T, typename Repeated>
std::vector<T> ToVector(const Repeated& from) {
  return std::vector<T>(from.begin(), from.end());
}

runtime::NamespaceMode FromProto(v1::NamespaceMode mode) {
  switch (mode) {
    case v1::CONTAINER:
      return runtime::NamespaceMode::kContainer;
    case v1::NODE:
      return runtime::NamespaceMode::kNode;
    case v1::TARGET:
      return runtime::NamespaceMode::kTarget;
    default:
      return runtime::NamespaceMode::kPod;
  }
}

runtime::SandboxState FromProto(v1::PodSandboxState state) {
  return state == v1::SANDBOX_READY ? runtime::SandboxState::kReady
                                    : runtime::SandboxState::kNotReady;
}

runtime::ContainerState FromProto(v1::ContainerState state) {
  switch (state) {
    case v1::CONTAINER_CREATED:
      return runtime::ContainerState::kCreated;
    case v1::CONTAINER_RUNNING:
      return runtime::ContainerState::kRunning;
    case v1::CONTAINER_EXITED:
      return runtime::ContainerState::kExited;
    default:
      return runtime::ContainerState::kUnknown;
  }
}

runtime::RuntimeEventKind FromProto(v1::ContainerEventType type) {
  switch (type) {
    case v1::CONTAINER_STARTED_EVENT:
      return runtime::RuntimeEventKind::kStarted;
    case v1::CONTAINER_STOPPED_EVENT:
      return runtime::RuntimeEventKind::kStopped;
    case v1::CONTAINER_DELETED_EVENT:
      return runtime::RuntimeEventKind::kDeleted;
    default:
      return runtime::RuntimeEventKind::kCreated;
  }
}

// PodSandbox and PodSandboxStatus share these fields.
template <typename Message>
runtime::Sandbox MakeSandbox(const Message& from) {
  runtime::Sandbox out;
  out.id = runtime::SandboxId(from.id());
  out.name = from.metadata().name();
  out.namespace_ = from.metadata().namespace_();
  out.uid = from.metadata().uid();
  out.attempt = from.metadata().attempt();
  out.state = FromProto(from.state());
  out.created_at = base::WallFromUnixNanos(from.created_at());
  out.labels = ToMap(from.labels());
  out.annotations = ToMap(from.annotations());
  return out;
}

void FillDetails(const v1::ContainerStatus& from, runtime::ContainerStatus& out) {
  for (const auto& mount : from.mounts()) {
    out.mounts.push_back({mount.container_path(), mount.host_path(), mount.readonly(),
                          mount.recursive_read_only(), mount.image().image()});
  }
  if (from.has_resources() && from.resources().has_linux())
    out.resources = cri::FromProto(from.resources().linux());
  if (from.has_user() && from.user().has_linux()) {
    const auto& user = from.user().linux();
    out.user.emplace();
    out.user->uid = user.uid();
    out.user->gid = user.gid();
    out.user->supplemental_groups = ToVector<int64_t>(user.supplemental_groups());
  }
  out.stop_signal = SignalName(from.stop_signal());
}

}  // namespace

runtime::LinuxResources FromProto(const v1::LinuxContainerResources& resources) {
  runtime::LinuxResources out;
  out.cpu_period = resources.cpu_period();
  out.cpu_quota = resources.cpu_quota();
  out.cpu_shares = resources.cpu_shares();
  out.memory_limit_bytes = resources.memory_limit_in_bytes();
  out.memory_swap_limit_bytes = resources.memory_swap_limit_in_bytes();
  out.oom_score_adj = resources.oom_score_adj();
  out.cpuset_cpus = resources.cpuset_cpus();
  out.cpuset_mems = resources.cpuset_mems();
  for (const auto& hugepage : resources.hugepage_limits()) {
    out.hugepage_limits.emplace_back(hugepage.page_size(), hugepage.limit());
  }
  out.unified = ToMap(resources.unified());
  return out;
}

runtime::Sandbox FromProto(const v1::PodSandbox& sandbox) { return MakeSandbox(sandbox); }

runtime::SandboxStatus FromProto(const v1::PodSandboxStatus& status) {
  runtime::SandboxStatus out;
  out.sandbox = MakeSandbox(status);
  out.ip = status.network().ip();
  for (const auto& ip : status.network().additional_ips()) out.additional_ips.push_back(ip.ip());
  out.network = FromProto(status.linux().namespaces().options().network());
  return out;
}

runtime::Container FromProto(const v1::Container& container) {
  runtime::Container out;
  out.id = runtime::ContainerId(container.id());
  out.sandbox_id = runtime::SandboxId(container.pod_sandbox_id());
  out.name = container.metadata().name();
  out.attempt = container.metadata().attempt();
  out.image = container.image().image();
  out.image_ref = container.image_ref();
  out.state = FromProto(container.state());
  out.created_at = base::WallFromUnixNanos(container.created_at());
  out.labels = ToMap(container.labels());
  out.annotations = ToMap(container.annotations());
  return out;
}

runtime::ContainerStatus FromProto(const v1::ContainerStatus& status) {
  runtime::ContainerStatus out;
  out.id = runtime::ContainerId(status.id());
  out.name = status.metadata().name();
  out.attempt = status.metadata().attempt();
  out.state = FromProto(status.state());
  out.created_at = base::WallFromUnixNanos(status.created_at());
  out.started_at = base::WallFromUnixNanos(status.started_at());
  out.finished_at = base::WallFromUnixNanos(status.finished_at());
  out.exit_code = status.exit_code();
  out.image = status.image().image();
  out.image_ref = status.image_ref();
  out.image_id = status.image_id();
  out.reason = status.reason();
  out.message = status.message();
  out.labels = ToMap(status.labels());
  out.annotations = ToMap(status.annotations());
  out.log_path = status.log_path();
  FillDetails(status, out);
  return out;
}

runtime::RuntimeStatus FromProto(const v1::StatusResponse& status) {
  runtime::RuntimeStatus out;
  for (const auto& condition : status.status().conditions()) {
    out.conditions.push_back(
        {condition.type(), condition.status(), condition.reason(), condition.message()});
  }
  for (const auto& handler : status.runtime_handlers()) {
    out.handlers.push_back({handler.name(), handler.features().recursive_read_only_mounts(),
                            handler.features().user_namespaces()});
  }
  out.supplemental_groups_policy = status.features().supplemental_groups_policy();
  return out;
}

runtime::Image FromProto(const v1::Image& image) {
  runtime::Image out;
  out.id = image.id();
  out.repo_tags = ToVector<std::string>(image.repo_tags());
  out.repo_digests = ToVector<std::string>(image.repo_digests());
  out.size_bytes = image.size();
  if (image.has_uid()) out.uid = image.uid().value();
  out.username = image.username();
  out.pinned = image.pinned();
  return out;
}

runtime::FilesystemUsage FromProto(const v1::FilesystemUsage& usage) {
  runtime::FilesystemUsage out;
  out.timestamp = base::WallFromUnixNanos(usage.timestamp());
  out.mountpoint = usage.fs_id().mountpoint();
  out.used_bytes = usage.used_bytes().value();
  out.inodes_used = usage.inodes_used().value();
  return out;
}

runtime::RuntimeEvent FromProto(const v1::ContainerEventResponse& event) {
  runtime::RuntimeEvent out;
  out.kind = FromProto(event.container_event_type());
  out.container_id = event.container_id();
  const auto& pod = event.pod_sandbox_status().metadata();
  out.pod_uid = pod.uid();
  out.pod_name = pod.name();
  out.pod_namespace = pod.namespace_();
  return out;
}

}  // namespace kubelet::cri
