// The port to a container runtime over CRI v1. Facts about single calls stand at the port
// (runtime/container_runtime.h).
//
// Home thread: the core loop. Every call starts when its task is first awaited and is cancelled
// with it; a call is over only when gRPC says so. Codes are gRPC's, one to one, and messages the
// runtime's own words, except:
//   Internal       the runtime said OK but left out what was asked for (an id, a status)
//                  or said what nobody knows (a cgroup driver)
//   NotFound       RuntimeConfig without a Linux part
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/cri/connection.h"
#include "kubelet/runtime/container_runtime.h"

namespace kubelet::cri {

class GrpcContainerRuntime final : public runtime::ContainerRuntime {
 public:
  // `connection` must outlive the tasks of this object.
  explicit GrpcContainerRuntime(const CriConnection& connection);
  ~GrpcContainerRuntime() override;

  template <typename T>
  using Result = base::Task<absl::StatusOr<T>>;
  using Done = base::Task<absl::Status>;

  Result<runtime::RuntimeVersion> Version() override;
  Result<runtime::RuntimeStatus> Status() override;
  Result<runtime::CgroupDriver> RuntimeConfig() override;
  Done UpdateRuntimeConfig(std::string pod_cidr) override;

  Result<runtime::SandboxId> RunPodSandbox(runtime::SandboxConfig config) override;
  Done StopPodSandbox(runtime::SandboxId id) override;
  Done RemovePodSandbox(runtime::SandboxId id) override;
  Result<runtime::SandboxStatus> PodSandboxStatus(runtime::SandboxId id) override;
  Result<std::vector<runtime::Sandbox>> ListPodSandbox(std::string pod_uid) override;

  Result<runtime::ContainerId> CreateContainer(runtime::SandboxId id,
                                               runtime::ContainerConfig config,
                                               runtime::SandboxConfig sandbox) override;
  Done StartContainer(runtime::ContainerId id) override;
  Done StopContainer(runtime::ContainerId id, std::chrono::seconds grace) override;
  Done RemoveContainer(runtime::ContainerId id) override;
  Result<std::vector<runtime::Container>> ListContainers(std::string pod_uid) override;
  Result<runtime::ContainerStatus> GetContainerStatus(runtime::ContainerId id) override;
  Done UpdateContainerResources(runtime::ContainerId id,
                                runtime::LinuxResources resources) override;
  Done UpdatePodSandboxResources(runtime::SandboxId id, runtime::LinuxResources overhead,
                                 runtime::LinuxResources resources) override;
  Done ReopenContainerLog(runtime::ContainerId id) override;
  // No part of the port: only the server's checkpoint endpoint asks for it. Unimplemented by
  // runtimes without CRIU.
  Done CheckpointContainer(runtime::ContainerId id, std::string path, std::chrono::seconds timeout);
  Result<runtime::ExecResult> ExecSync(runtime::ContainerId id, std::vector<std::string> command,
                                       std::chrono::seconds timeout) override;

  Result<std::string> ExecUrl(runtime::ContainerId id, std::vector<std::string> command,
                              StreamOptions options) override;
  Result<std::string> AttachUrl(runtime::ContainerId id, StreamOptions options) override;
  Result<std::string> PortForwardUrl(runtime::SandboxId id, std::vector<int32_t> ports) override;

  // Events of one pod that have not been delivered yet become one event, its latest: they are
  // hints. At most kMaxPendingPods pods wait; then reading stops and the runtime is held back.
  // containerd sends no initial metadata before its first event, so a stream that lives for
  // kStreamOpenAfter counts as open. Once the task has ended or been cancelled neither function is
  // called again.
  Done StreamEvents(std::function<void()> on_open,
                    std::function<void(const runtime::RuntimeEvent&)> on_event) override;
  static constexpr size_t kMaxPendingPods = 1024;
  static constexpr base::Nanos kStreamOpenAfter = std::chrono::milliseconds(200);

 private:
  std::shared_ptr<CriConnection::Core> core_;
};

}  // namespace kubelet::cri
