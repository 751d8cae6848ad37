// What a pod has on the node before its sandbox is made, and the configurations that come of it: a
// part of PodSyncer.
#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/status.h"
#include "runtime/sync_pass.h"

namespace kubelet::runtime {

using base::Message;
using base::Task;

Task<bool> PodSyncer::Prepare(Pass& pass) {
  if (pass.prepared) co_return true;
  const std::string& runtime_class = pass.pod->spec().runtime_class_name();
  if (!runtime_class.empty()) {
    absl::StatusOr<std::string> handler = absl::FailedPreconditionError(
        "spec.runtimeClassName \"" + runtime_class + "\" needs the API server: none is configured");
    if (deps_.env_objects != nullptr)
      handler = co_await deps_.env_objects->RuntimeHandler(runtime_class);
    if (!handler.ok()) {
      Event(*pass.pod, true, "FailedCreatePodSandBox",
            "Failed to create pod sandbox: " + Message(handler.status()));
      Fail(pass, handler.status(), "cannot tell the runtime handler");
      co_return false;
    }
    pass.runtime_handler = *handler;
  }
  Step(*pass.progress, "creating its cgroup");
  auto cgroup = co_await deps_.cgroups.EnsurePod(pass.pod);
  if (!cgroup.ok()) {
    Event(*pass.pod, true, "FailedCreatePodContainer", Message(cgroup.status()));
    Fail(pass, cgroup.status(), "cannot create the pod cgroup");
    co_return false;
  }
  pass.cgroup_parent = *cgroup;
  if (resizer_) resizer_->CgroupMade(*pass.pod);
  Step(*pass.progress, "creating its directories");
  auto paths = co_await deps_.files.PreparePod(pass.pod);
  if (!paths.ok()) {
    Event(*pass.pod, true, "Failed",
          "error making pod data directories: " + Message(paths.status()));
    Fail(pass, paths.status(), "cannot create the pod's directories");
    co_return false;
  }
  pass.next_attempt = paths->next_attempt;
  bool namespaced = co_await PrepareUserNamespace(pass);
  if (!namespaced) co_return false;
  Step(*pass.progress, "preparing its volumes");
  auto volumes = co_await deps_.volumes.Prepare(pass.pod);
  if (!volumes.ok()) {
    Fail(pass, volumes.status(), "cannot prepare volumes");
    if (auto at = deps_.volumes.RetryAt(pass.pod->metadata().uid())) pass.result.retry_at = *at;
    co_return false;
  }
  pass.volume_paths = *std::move(volumes);
  pass.prepared = true;
  co_return !pass.Done();
}

Task<bool> PodSyncer::PrepareUserNamespace(Pass& pass) {
  const auto& spec = pass.pod->spec();
  if (!spec.has_host_users() || spec.host_users()) co_return true;
  absl::Status status = CheckUserNamespaces(deps_.node, pass.runtime_handler);
  if (status.ok() && deps_.user_namespaces == nullptr)
    status = absl::FailedPreconditionError("no user namespaces here");
  if (status.ok()) {
    Step(*pass.progress, "choosing its user ids");
    auto ids = co_await deps_.user_namespaces->Ensure(pass.pod->metadata().uid());
    status = ids.status();
    if (ids.ok()) {
      pass.user_namespace.mode = NamespaceMode::kPod;
      pass.user_namespace.ids.assign(1, *ids);
    }
  }
  if (status.ok()) co_return !pass.Done();
  Event(*pass.pod, true, "FailedCreatePodSandBox",
        "Failed to create pod sandbox: " + Message(status));
  Fail(pass, status, "sandbox");
  co_return false;
}

absl::StatusOr<SandboxConfig> PodSyncer::SandboxFor(const Pass& pass, uint32_t attempt) const {
  auto config = MakeSandboxConfig(*pass.pod, attempt, pass.cgroup_parent, deps_.node,
                                  pass.volume_paths);
  if (!config.ok()) return config;
  config->runtime_handler = pass.runtime_handler;
  config->namespaces.user = pass.user_namespace;
  Pins pins;
  pins.no_cpu_quota =
      deps_.pinning != nullptr && deps_.pinning->NoCpuQuota(pass.pod->metadata().uid());
  Pin(pins, config->resources);
  return config;
}

void PodSyncer::TellDnsTroubles(const api::core::Pod& pod) {
  if (!deps_.on_event) return;
  std::vector<PodEvent> events;
  MakeDnsConfig(pod, deps_.node, &events);
  for (const auto& event : events) deps_.on_event(pod, event);
}

Task<absl::StatusOr<ContainerConfig>> PodSyncer::ConfigFor(Pass& pass,
                                                           const ContainerToStart& start,
                                                           Images::Answer image) {
  const auto& pod = pass.pod;
  const std::string name = start.spec->name();
  ContainerInputs inputs;
  inputs.attempt = start.attempt;
  if (pass.observed->Newest(name) == nullptr) {
    auto logs = pass.next_attempt.find(name);
    if (logs != pass.next_attempt.end()) inputs.attempt = std::max(inputs.attempt, logs->second);
    inputs.attempt = std::max(inputs.attempt, AttemptsShown(*pod, name));
  }
  inputs.image_ref = image.ref;
  inputs.image_uid = image.image->uid;
  inputs.image_username = image.image->username;
  inputs.pod_ips = pass.observed->ips;
  inputs.volume_paths = pass.volume_paths;
  inputs.image_mounts = pass.image_mounts;
  inputs.user_namespace = pass.user_namespace;
  inputs.runtime_handler = pass.runtime_handler;
  inputs.oom_score_adj = deps_.cgroups.OomScoreAdj(*pod, *start.spec);
  auto files = co_await deps_.files.PrepareContainer(pod, name, inputs.pod_ips);
  if (!files.ok()) co_return files.status();
  inputs.etc_hosts_path = files->etc_hosts;
  inputs.termination_log_path = files->termination_log;
  EnvObjects* objects = deps_.env_objects;
  if (deps_.static_objects != nullptr && api::IsStatic(*pod)) objects = deps_.static_objects;
  api::NodeAllocatable allocatable;
  if (deps_.allocatable) allocatable = deps_.allocatable();
  auto env = co_await FetchEnvironment(objects, pod, start.spec, allocatable);
  if (!env.ok()) co_return env.status();
  inputs.env = *std::move(env);
  inputs.env.volume_paths = pass.volume_paths;
  if (deps_.node.env_files) co_await ReadEnvFiles(deps_.volumes, pod, start.spec, &inputs.env);
  for (const auto& text : InvalidEnvironmentNames(*pod, *start.spec, inputs.env))
    Event(*pod, true, "InvalidEnvironmentVariableNames", text, name);
  auto sub_paths = co_await PrepareSubPaths(pod, start.spec, &inputs);
  if (!sub_paths.ok()) co_return sub_paths;
  if (deps_.devices != nullptr) {
    auto grant = co_await deps_.devices->Prepare(pod, name);
    if (!grant.ok()) co_return grant.status();
    inputs.devices = *std::move(grant);
  }
  co_return MakeContainerConfig(*pod, *start.spec, inputs, deps_.node);
}

Task<absl::Status> PodSyncer::PrepareSubPaths(api::PodPtr pod,
                                              const api::core::Container* container,
                                              ContainerInputs* inputs) {
  const auto& mounts = container->volume_mounts();
  bool any = std::any_of(mounts.begin(), mounts.end(), [](const auto& mount) {
    return !mount.sub_path().empty() || !mount.sub_path_expr().empty();
  });
  if (!any) co_return absl::OkStatus();
  const EnvNode node{deps_.node.node_name, deps_.node.host_ips, inputs->pod_ips};
  auto env = MakeEnvironment(*pod, *container, inputs->env, node);
  if (!env.ok()) co_return env.status();
  auto paths = SubPaths(*container, *env);
  if (!paths.ok()) co_return paths.status();
  // Below an image it is the runtime that finds the path.
  std::erase_if(*paths, [&](const auto& path) {
    return inputs->image_mounts.contains(mounts.Get(path.first).name());
  });
  if (paths->empty()) co_return absl::OkStatus();
  auto prepared = co_await deps_.volumes.PrepareSubPaths(pod, container->name(), *std::move(paths));
  if (!prepared.ok()) co_return prepared.status();
  inputs->sub_paths = *std::move(prepared);
  co_return absl::OkStatus();
}

}  // namespace kubelet::runtime
