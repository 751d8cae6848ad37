// The connection to a container runtime's CRI socket, and how calls over it are timed and reported.
//
// Flow: app makes one CriConnection and hands it to GrpcContainerRuntime and GrpcImageService,
// which are the ports other rooms know. gRPC runs threads of its own; they only post results to the
// executor (base/promise.h), so everything a caller sees happens on the core loop.
//
// A runtime that is not there answers Unavailable at once. The channel then dials again by itself
// after 100 ms, growing to 3 s (cri-client remote_runtime.go), so a runtime that comes later or
// restarts is found without help.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"

namespace kubelet::cri {

struct Options {
  // unix:///run/containerd/containerd.sock, unix:path or a bare absolute path; at most 107 bytes of
  // path.
  std::string endpoint = "unix:///run/containerd/containerd.sock";
  // Empty: images are asked for at `endpoint`, over the same channel.
  std::string image_endpoint;
  // runtimeRequestTimeout. RunPodSandbox gets twice this, StopContainer adds its grace, ExecSync
  // its own timeout (none at all when that is zero), PullImage and event streams have none (facts:
  // cri-client remote_runtime.go).
  base::Nanos request_timeout = std::chrono::minutes(2);
  // Lists are read as streams where the runtime can (gate CRIListStreaming), so that none of them
  // is bounded by the 16 MiB of one message. The first Unimplemented ends that for its service, and
  // the list is asked for in one piece (facts: cri-client remote_runtime.go).
  bool list_streaming = false;
  // Called on the core loop after each call but that for events, with upstream's operation_type
  // (run_podsandbox, exec_sync …) as kubelet_runtime_operations_* names it. May be empty.
  std::function<void(const std::string& operation, base::Nanos took, const absl::Status& status)>
      observer;
};

// InvalidArgument for an endpoint that is no unix socket or too long for one; else what gRPC dials.
absl::StatusOr<std::string> ParseEndpoint(const std::string& endpoint);

// Core-loop object; destroy it before the io_context behind `executor`. The destructor cancels what
// is in flight and blocks until gRPC has let go of it; tasks that still await those calls get
// Cancelled, as does every call that is begun later.
class CriConnection {
 public:
  // Does not dial: the first call does. InvalidArgument names the endpoint that cannot be used.
  // `clock` must outlive the connection.
  static absl::StatusOr<std::unique_ptr<CriConnection>> Create(base::Executor executor,
                                                               base::Clock& clock, Options options);
  ~CriConnection();
  CriConnection(const CriConnection&) = delete;
  CriConnection& operator=(const CriConnection&) = delete;

  // Calls and streams that gRPC has not finished.
  size_t in_flight() const;

  struct Core;  // gRPC's side; known to the cri room only
  const std::shared_ptr<Core>& core() const { return core_; }

 private:
  explicit CriConnection(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace kubelet::cri
