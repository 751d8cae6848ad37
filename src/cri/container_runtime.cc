#include "kubelet/cri/container_runtime.h"

#include "cri/call.h"
#include "cri/convert.h"
#include "cri/event_stream.h"
#include "cri/list.h"
#include "kubelet/runtime/config.h"

namespace kubelet::cri {
namespace {

using Stub = v1::RuntimeService::Stub;

template <typename Map>
void SelectPod(const std::string& pod_uid, Map* selector) {
  if (!pod_uid.empty()) (*selector)[runtime::kPodUidLabel] = pod_uid;
}

}  // namespace

GrpcContainerRuntime::GrpcContainerRuntime(const CriConnection& connection)
    : core_(connection.core()) {}
GrpcContainerRuntime::~GrpcContainerRuntime() = default;

base::Task<absl::StatusOr<runtime::RuntimeVersion>> GrpcContainerRuntime::Version() {
  auto call = NewCall<v1::VersionRequest, v1::VersionResponse>();
  call->request.set_version("0.1.0");
  absl::Status status =
      co_await Invoke(core_, "version", core_->runtime.get(), &Stub::PrepareAsyncVersion, call,
                      core_->options.request_timeout);
  if (!status.ok()) co_return status;
  const auto& answer = call->response;
  runtime::RuntimeVersion version;
  version.runtime_name = answer.runtime_name();
  version.runtime_version = answer.runtime_version();
  version.api_version = answer.runtime_api_version();
  co_return version;
}

base::Task<absl::StatusOr<runtime::RuntimeStatus>> GrpcContainerRuntime::Status() {
  auto call = NewCall<v1::StatusRequest, v1::StatusResponse>();
  absl::Status status =
      co_await Invoke(core_, "status", core_->runtime.get(), &Stub::PrepareAsyncStatus, call,
                      core_->options.request_timeout);
  if (!status.ok()) co_return status;
  co_return FromProto(call->response);
}

base::Task<absl::StatusOr<runtime::CgroupDriver>> GrpcContainerRuntime::RuntimeConfig() {
  auto call = NewCall<v1::RuntimeConfigRequest, v1::RuntimeConfigResponse>();
  absl::Status status =
      co_await Invoke(core_, "runtime_config", core_->runtime.get(),
                      &Stub::PrepareAsyncRuntimeConfig, call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (!call->response.has_linux()) co_return absl::NotFoundError("RuntimeConfig: no Linux part");
  const auto driver = call->response.linux().cgroup_driver();
  if (driver == v1::SYSTEMD) co_return runtime::CgroupDriver::kSystemd;
  if (driver == v1::CGROUPFS) co_return runtime::CgroupDriver::kCgroupfs;
  co_return absl::InternalError("RuntimeConfig: unknown cgroup driver " +
                                std::to_string(static_cast<int>(driver)));
}

base::Task<absl::Status> GrpcContainerRuntime::UpdateRuntimeConfig(std::string pod_cidr) {
  auto call = NewCall<v1::UpdateRuntimeConfigRequest, v1::UpdateRuntimeConfigResponse>();
  call->request.mutable_runtime_config()->mutable_network_config()->set_pod_cidr(pod_cidr);
  return Invoke(core_, "update_runtime_config", core_->runtime.get(),
                &Stub::PrepareAsyncUpdateRuntimeConfig, call, core_->options.request_timeout);
}

base::Task<absl::StatusOr<runtime::SandboxId>> GrpcContainerRuntime::RunPodSandbox(
    runtime::SandboxConfig config) {
  auto call = NewCall<v1::RunPodSandboxRequest, v1::RunPodSandboxResponse>();
  *call->request.mutable_config() = ToProto(config);
  call->request.set_runtime_handler(config.runtime_handler);
  absl::Status status =
      co_await Invoke(core_, "run_podsandbox", core_->runtime.get(),
                      &Stub::PrepareAsyncRunPodSandbox, call, 2 * core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (call->response.pod_sandbox_id().empty()) co_return Incomplete("RunPodSandbox", "sandbox id");
  co_return runtime::SandboxId(call->response.pod_sandbox_id());
}

base::Task<absl::Status> GrpcContainerRuntime::StopPodSandbox(runtime::SandboxId id) {
  auto call = NewCall<v1::StopPodSandboxRequest, v1::StopPodSandboxResponse>();
  call->request.set_pod_sandbox_id(id.str());
  return Invoke(core_, "stop_podsandbox", core_->runtime.get(), &Stub::PrepareAsyncStopPodSandbox,
                call, core_->options.request_timeout);
}

base::Task<absl::Status> GrpcContainerRuntime::RemovePodSandbox(runtime::SandboxId id) {
  auto call = NewCall<v1::RemovePodSandboxRequest, v1::RemovePodSandboxResponse>();
  call->request.set_pod_sandbox_id(id.str());
  return Invoke(core_, "remove_podsandbox", core_->runtime.get(),
                &Stub::PrepareAsyncRemovePodSandbox, call, core_->options.request_timeout);
}

base::Task<absl::StatusOr<runtime::SandboxStatus>> GrpcContainerRuntime::PodSandboxStatus(
    runtime::SandboxId id) {
  auto call = NewCall<v1::PodSandboxStatusRequest, v1::PodSandboxStatusResponse>();
  call->request.set_pod_sandbox_id(id.str());
  absl::Status status =
      co_await Invoke(core_, "podsandbox_status", core_->runtime.get(),
                      &Stub::PrepareAsyncPodSandboxStatus, call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (!call->response.has_status()) co_return Incomplete("PodSandboxStatus", "status");
  co_return FromProto(call->response.status());
}

base::Task<absl::StatusOr<std::vector<runtime::Sandbox>>> GrpcContainerRuntime::ListPodSandbox(
    std::string pod_uid) {
  v1::ListPodSandboxRequest request;
  SelectPod(pod_uid, request.mutable_filter()->mutable_label_selector());
  return ListAll<SandboxList>(core_, std::move(request));
}

base::Task<absl::StatusOr<runtime::ContainerId>> GrpcContainerRuntime::CreateContainer(
    runtime::SandboxId id, runtime::ContainerConfig config, runtime::SandboxConfig sandbox) {
  auto call = NewCall<v1::CreateContainerRequest, v1::CreateContainerResponse>();
  call->request.set_pod_sandbox_id(id.str());
  *call->request.mutable_config() = ToProto(config);
  *call->request.mutable_sandbox_config() = ToProto(sandbox);
  absl::Status status =
      co_await Invoke(core_, "create_container", core_->runtime.get(),
                      &Stub::PrepareAsyncCreateContainer, call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (call->response.container_id().empty())
    co_return Incomplete("CreateContainer", "container id");
  co_return runtime::ContainerId(call->response.container_id());
}

base::Task<absl::Status> GrpcContainerRuntime::StartContainer(runtime::ContainerId id) {
  auto call = NewCall<v1::StartContainerRequest, v1::StartContainerResponse>();
  call->request.set_container_id(id.str());
  return Invoke(core_, "start_container", core_->runtime.get(), &Stub::PrepareAsyncStartContainer,
                call, core_->options.request_timeout);
}

base::Task<absl::Status> GrpcContainerRuntime::StopContainer(runtime::ContainerId id,
                                                             std::chrono::seconds grace) {
  auto call = NewCall<v1::StopContainerRequest, v1::StopContainerResponse>();
  call->request.set_container_id(id.str());
  call->request.set_timeout(grace.count());
  return Invoke(core_, "stop_container", core_->runtime.get(), &Stub::PrepareAsyncStopContainer,
                call, core_->options.request_timeout + grace);
}

base::Task<absl::Status> GrpcContainerRuntime::RemoveContainer(runtime::ContainerId id) {
  auto call = NewCall<v1::RemoveContainerRequest, v1::RemoveContainerResponse>();
  call->request.set_container_id(id.str());
  return Invoke(core_, "remove_container", core_->runtime.get(), &Stub::PrepareAsyncRemoveContainer,
                call, core_->options.request_timeout);
}

base::Task<absl::StatusOr<std::vector<runtime::Container>>> GrpcContainerRuntime::ListContainers(
    std::string pod_uid) {
  v1::ListContainersRequest request;
  SelectPod(pod_uid, request.mutable_filter()->mutable_label_selector());
  return ListAll<ContainerList>(core_, std::move(request));
}

base::Task<absl::StatusOr<runtime::ContainerStatus>> GrpcContainerRuntime::GetContainerStatus(
    runtime::ContainerId id) {
  auto call = NewCall<v1::ContainerStatusRequest, v1::ContainerStatusResponse>();
  call->request.set_container_id(id.str());
  absl::Status status =
      co_await Invoke(core_, "container_status", core_->runtime.get(),
                      &Stub::PrepareAsyncContainerStatus, call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (!call->response.has_status()) co_return Incomplete("ContainerStatus", "status");
  co_return FromProto(call->response.status());
}

base::Task<absl::Status> GrpcContainerRuntime::UpdateContainerResources(
    runtime::ContainerId id, runtime::LinuxResources resources) {
  auto call = NewCall<v1::UpdateContainerResourcesRequest, v1::UpdateContainerResourcesResponse>();
  call->request.set_container_id(id.str());
  *call->request.mutable_linux() = ToProto(resources);
  return Invoke(core_, "update_container", core_->runtime.get(),
                &Stub::PrepareAsyncUpdateContainerResources, call, core_->options.request_timeout);
}

base::Task<absl::Status> GrpcContainerRuntime::UpdatePodSandboxResources(
    runtime::SandboxId id, runtime::LinuxResources overhead, runtime::LinuxResources resources) {
  auto call =
      NewCall<v1::UpdatePodSandboxResourcesRequest, v1::UpdatePodSandboxResourcesResponse>();
  call->request.set_pod_sandbox_id(id.str());
  *call->request.mutable_overhead() = ToProto(overhead);
  *call->request.mutable_resources() = ToProto(resources);
  return Invoke(core_, "update_podsandbox_resources", core_->runtime.get(),
                &Stub::PrepareAsyncUpdatePodSandboxResources, call, core_->options.request_timeout);
}

base::Task<absl::Status> GrpcContainerRuntime::ReopenContainerLog(runtime::ContainerId id) {
  auto call = NewCall<v1::ReopenContainerLogRequest, v1::ReopenContainerLogResponse>();
  call->request.set_container_id(id.str());
  return Invoke(core_, "reopen_container_log", core_->runtime.get(),
                &Stub::PrepareAsyncReopenContainerLog, call, core_->options.request_timeout);
}

base::Task<absl::Status> GrpcContainerRuntime::CheckpointContainer(runtime::ContainerId id,
                                                                   std::string path,
                                                                   std::chrono::seconds timeout) {
  auto call = NewCall<v1::CheckpointContainerRequest, v1::CheckpointContainerResponse>();
  call->request.set_container_id(id.str());
  call->request.set_location(path);
  call->request.set_timeout(timeout.count());
  base::Nanos limit = core_->options.request_timeout + timeout;  // the runtime gives up first
  return Invoke(core_, "checkpoint_container", core_->runtime.get(),
                &Stub::PrepareAsyncCheckpointContainer, call, limit);
}

}  // namespace kubelet::cri
