// What the endpoints of single pods ask for: where a container's log is, and the runtime's streams.
// Core loop only.
//
// Errors carry the text and, by their code, the answer: NotFound 404, ResourceExhausted 429, others
// 500 (logs: 400).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::server {

struct PodName {
  std::string namespace_, name;
  std::string uid;  // as asked for; empty: any
};

struct LogSource {
  std::string pod_uid;
  runtime::ContainerId container;
  std::string path;  // of the file being written, or last written
};

// Which container's log is meant: `containerd://ID`. FailedPrecondition with upstream's words
// (pkg/kubelet/kubelet_pods.go validateContainerLogStatus). Pure.
absl::StatusOr<std::string> LogContainer(const std::string& pod, const api::core::PodStatus& status,
                                         const std::string& container, bool previous);

class PodAccess {
 public:
  struct Deps {
    runtime::PodObserver& observer;
    runtime::ContainerRuntime& runtime;
    // The wanted pod of that name, null: none.
    std::function<api::PodPtr(const std::string& namespace_, const std::string& name)> find;
    // Its status as computed here, null: not yet.
    std::function<const api::core::PodStatus*(const std::string& uid)> status;
    // The uid of the mirror of a static pod, which clients know it by. May be empty.
    std::function<std::string(const api::core::Pod&)> mirror_uid;
    // Has the runtime make an archive of a running container at `path`; zero timeout: its own.
    std::function<base::Task<absl::Status>(runtime::ContainerId, std::string path,
                                           std::chrono::seconds timeout)>
        checkpoint = {};
    std::string checkpoints_dir = {};  // where Checkpoint has them made
    base::Clock* clock = nullptr;      // for their names
  };
  explicit PodAccess(Deps deps) : deps_(std::move(deps)) {}

  using StreamOptions = runtime::ContainerRuntime::StreamOptions;
  base::Task<absl::StatusOr<LogSource>> FindLog(PodName pod, std::string container, bool previous);
  // The container runs and may write; an error of the runtime counts as yes.
  base::Task<bool> Running(std::string pod_uid, runtime::ContainerId container);

  base::Task<absl::StatusOr<std::string>> ExecUrl(PodName pod, std::string container,
                                                  std::vector<std::string> command,
                                                  StreamOptions options);
  // The terminal setting of the pod's spec wins over that of `options`.
  base::Task<absl::StatusOr<std::string>> AttachUrl(PodName pod, std::string container,
                                                    StreamOptions options);
  base::Task<absl::StatusOr<std::string>> PortForwardUrl(PodName pod, std::vector<int32_t> ports);
  // Output and errors of the command, one after the other.
  base::Task<absl::StatusOr<std::string>> Run(PodName pod, std::string container,
                                              std::vector<std::string> command);
  // Path of the archive that was made of a running container. NotFound: no such pod or container.
  base::Task<absl::StatusOr<std::string>> Checkpoint(PodName pod, std::string container,
                                                     std::chrono::seconds timeout);

 private:
  absl::StatusOr<api::PodPtr> Find(const PodName& pod) const;
  bool Meant(const api::core::Pod& pod, const std::string& uid) const;
  base::Task<absl::StatusOr<runtime::ContainerId>> RunningContainer(api::PodPtr pod, PodName name,
                                                                    std::string container);
  Deps deps_;
};

}  // namespace kubelet::server
