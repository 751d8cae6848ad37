// The ports to a container runtime: pods and containers, and images. `cri` implements them over gRPC.
//
// Core-loop objects. Every call takes its own deadline (see Timeouts in the implementation) and completes exactly
// once. Codes: NotFound the object is gone (success for a stop or remove), DeadlineExceeded no answer in time,
// Unavailable no connection (retry later), Unimplemented the runtime lacks the call, else what the runtime said.
// A cancelled task cancels its call and still waits for its end.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/runtime/model.h"

namespace kubelet::runtime {

using base::Nanos;
using base::Task;

class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;

  virtual Task<absl::StatusOr<RuntimeVersion>> Version() = 0;
  virtual Task<absl::StatusOr<RuntimeStatus>> Status() = 0;
  // Unimplemented (before containerd 2.0), NotFound (nothing of Linux): the configured one; else ask again.
  virtual Task<absl::StatusOr<CgroupDriver>> RuntimeConfig() = 0;
  virtual Task<absl::Status> UpdateRuntimeConfig(std::string pod_cidr) = 0;

  virtual Task<absl::StatusOr<SandboxId>> RunPodSandbox(SandboxConfig config) = 0;
  virtual Task<absl::Status> StopPodSandbox(SandboxId id) = 0;
  virtual Task<absl::Status> RemovePodSandbox(SandboxId id) = 0;
  virtual Task<absl::StatusOr<SandboxStatus>> PodSandboxStatus(SandboxId id) = 0;
  // All sandboxes of all states, or those of one pod.
  virtual Task<absl::StatusOr<std::vector<Sandbox>>> ListPodSandbox(std::string pod_uid = "") = 0;

  // `sandbox` is what the sandbox was made from: CRI wants it again.
  virtual Task<absl::StatusOr<ContainerId>> CreateContainer(SandboxId id, ContainerConfig config,
                                                            SandboxConfig sandbox) = 0;
  virtual Task<absl::Status> StartContainer(ContainerId id) = 0;
  // `grace` is what the runtime waits between the stop signal and SIGKILL; whole seconds count.
  virtual Task<absl::Status> StopContainer(ContainerId id, std::chrono::seconds grace) = 0;
  virtual Task<absl::Status> RemoveContainer(ContainerId id) = 0;
  virtual Task<absl::StatusOr<std::vector<Container>>> ListContainers(std::string pod_uid = "") = 0;
  virtual Task<absl::StatusOr<ContainerStatus>> GetContainerStatus(ContainerId id) = 0;
  virtual Task<absl::Status> UpdateContainerResources(ContainerId id, LinuxResources resources) = 0;
  // Best effort, for the runtime's information: many lack it.
  virtual Task<absl::Status> UpdatePodSandboxResources(SandboxId id, LinuxResources overhead,
                                                       LinuxResources resources) = 0;
  virtual Task<absl::Status> ReopenContainerLog(ContainerId id) = 0;
  // Zero timeout: none. DeadlineExceeded when the command ran out of its time.
  virtual Task<absl::StatusOr<ExecResult>> ExecSync(ContainerId id, std::vector<std::string> command,
                                                    std::chrono::seconds timeout) = 0;

  // Streaming URLs that the server proxies to.
  struct StreamOptions {
    bool stdin_open = false, stdout_open = true, stderr_open = true, tty = false;
  };
  virtual Task<absl::StatusOr<std::string>> ExecUrl(ContainerId id, std::vector<std::string> command,
                                                    StreamOptions options) = 0;
  virtual Task<absl::StatusOr<std::string>> AttachUrl(ContainerId id, StreamOptions options) = 0;
  virtual Task<absl::StatusOr<std::string>> PortForwardUrl(SandboxId id, std::vector<int32_t> ports) = 0;

  // Streams until the runtime or a cancel ends it; `on_event` runs on the core loop. Unimplemented when the
  // runtime has no events; then relist is all there is. `on_open` runs once the stream is established.
  virtual Task<absl::Status> StreamEvents(std::function<void()> on_open,
                                          std::function<void(const RuntimeEvent&)> on_event) = 0;
};

class ImageService {
 public:
  virtual ~ImageService() = default;
  virtual Task<absl::StatusOr<std::vector<Image>>> ListImages() = 0;
  // nullopt when the runtime does not have it.
  virtual Task<absl::StatusOr<std::optional<Image>>> ImageStatus(ImageSpec image) = 0;
  // Returns the image reference to run. No deadline: a pull takes what it takes; cancel ends it.
  virtual Task<absl::StatusOr<std::string>> PullImage(ImageSpec image, std::optional<AuthConfig> auth,
                                                      SandboxConfig sandbox) = 0;
  virtual Task<absl::Status> RemoveImage(std::string image) = 0;
  struct FsInfo {
    std::vector<FilesystemUsage> image_filesystems, container_filesystems;
  };
  virtual Task<absl::StatusOr<FsInfo>> ImageFsInfo() = 0;
};

}  // namespace kubelet::runtime
