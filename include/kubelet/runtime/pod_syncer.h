// Decide, then act: brings the runtime's part of one pod to what is desired, and takes it down again.
//
// Sync asks ComputePodActions and carries the answer out; Kill, Retire and Remove end a pod. All are idempotent and
// may be repeated after any failure, cancellation or crash. Core loop only; the caller runs one of them per pod at a
// time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "kubelet/base/backoff.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/actions.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/health.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/runtime/pinning.h"
#include "kubelet/runtime/ports.h"
#include "kubelet/runtime/resize.h"

namespace kubelet::runtime {

class ContainerStopper;
class HookRunner;
struct StopRequest;
class ImageVolumes;

// What came of a Sync, and what the pod waits for.
struct SyncResult {
  absl::Status status;                     // not OK: retried at retry_at
  bool terminal = false;  // ran to its end; nothing will start again, what still runs is left for Kill
  std::optional<base::MonoTime> retry_at;  // nullopt: only a change can lead further
  std::map<std::string, Waiting> waiting;  // per container
  // What the runtime has differs from what the pod was given; absent: it was not looked at.
  std::optional<bool> resizing;
  std::optional<std::string> resize_error;  // in words for the pod's condition
};

// What the worker shows of a pod under way, in words; one owner, read by `kubelet explain`.
struct Progress {
  std::string pod;  // namespace/name, for the log
  std::string step;
  base::WallTime since;
};

class PodSyncer {
 public:
  struct Options {
    base::Nanos backoff_initial = std::chrono::seconds(10);
    base::Nanos backoff_max = std::chrono::seconds(300);
    // Pods between RunPodSandbox and StartContainer at a time. More gains nothing on a busy machine.
    int start_parallelism = 2;
    base::Nanos slow_start = std::chrono::seconds(3);  // after this a start gives its place to others
    base::Nanos retry_initial = std::chrono::seconds(1);
    base::Nanos retry_max = std::chrono::seconds(10);
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    ContainerRuntime& runtime;
    PodObserver& observer;
    Images& images;
    Volumes& volumes;
    Cgroups& cgroups;
    PodFiles& files;
    const NodeContext& node;
    std::function<bool()> network_ready;
    std::function<void(const api::core::Pod&, const PodEvent&)> on_event;
    base::Registry* metrics = nullptr;
    EnvObjects* env_objects = nullptr;  // null: no API server is configured
    Health* health = nullptr;           // null: what runs is started, and nothing is wrong with it
    HookHttp* hook_http = nullptr;      // null: httpGet hooks fail
    UserNamespaces* user_namespaces = nullptr;  // null: pods with `hostUsers: false` are refused
    Actuations* actuations = nullptr;           // null: nothing is resized in place
    ResizeOptions resize;
    EnvObjects* static_objects = nullptr;  // for static pods, in place of env_objects; null: the same
    Pinning* pinning = nullptr;            // null: no container is bound to CPUs or memory
    DeviceGrants* devices = nullptr;       // null: there are no device plugins
    // What resourceFieldRef says where a container has no limit; empty: zero.
    std::function<api::NodeAllocatable()> allocatable = {};
  };
  PodSyncer(Deps deps, Options options);
  ~PodSyncer();

  // `wanted` turns false when the pod must not go on starting; it is asked between steps.
  base::Task<SyncResult> Sync(api::PodPtr pod, std::shared_ptr<Progress> progress, std::function<bool()> wanted);

  // Ends all containers of the pod with `grace`, in their order and with their preStop hooks (ContainerStopper), then
  // its sandboxes. OK: nothing runs any more. `pod` may be null for a pod that only the runtime knows: its hooks come
  // from the containers' annotations. Cancelled and called again with less grace, hooks that were done stay done.
  base::Task<absl::Status> Kill(std::string uid, api::PodPtr pod, std::chrono::seconds grace,
                                std::shared_ptr<Progress> progress);

  // Unmounts the volumes and removes the cgroup of a pod in which nothing runs; containers and files stay for its
  // logs (pkg/kubelet/kubelet.go SyncTerminatedPod).
  base::Task<absl::Status> Retire(std::string uid, std::shared_ptr<Progress> progress);

  // Removes containers, sandboxes, volumes, cgroup and files of a pod in which nothing runs.
  base::Task<absl::Status> Remove(std::string uid, std::string name, std::string namespace_,
                                  std::shared_ptr<Progress> progress);

  // Forgets back-offs of a pod that is gone.
  void Forget(const std::string& uid);

 private:
  struct Pass;  // one Sync under way
  // What failed and is not tried again before its time, however often the pod is looked at: our own attempt changes
  // what the runtime holds, which wakes the pod. `uid/` is the sandbox, `uid/container/...` a container.
  struct Blocked {
    base::MonoTime until;
    absl::Status status;
    Waiting waiting;
  };
  base::Task<void> StartSandbox(Pass& pass, const PodActions& actions);
  base::Task<void> StartContainers(Pass& pass, const PodActions& actions);
  base::Task<bool> StartOne(Pass& pass, const ContainerToStart& start);
  base::Task<void> CreateAndStart(Pass& pass, const ContainerToStart& start, Images::Answer image);
  base::Task<void> PostStart(Pass& pass, const ContainerToStart& start, ContainerId id);
  base::Task<void> KillContainers(Pass& pass, const std::vector<ContainerToKill>& kill);
  base::Task<void> ResetContainers(Pass& pass, const std::vector<ContainerToReset>& reset);
  base::Task<void> StopOne(std::shared_ptr<StopRequest> request, std::shared_ptr<absl::Status> result);
  base::Task<void> RemoveOne(ContainerId id, std::shared_ptr<absl::Status> result);
  // `pod` null: what is lost is restored from the containers.
  base::Task<absl::Status> StopAll(ObservedPodPtr observed, api::PodPtr pod, std::chrono::seconds grace);
  base::Task<void> RemoveDead(ObservedPodPtr observed);
  base::Task<absl::StatusOr<ObservedPodPtr>> Look(std::string uid);
  base::Task<absl::Status> RemoveHoldings(std::string uid, std::shared_ptr<Progress> progress);
  base::Task<void> TakeTurn(Pass& pass);
  base::Task<bool> Prepare(Pass& pass);
  base::Task<bool> PrepareUserNamespace(Pass& pass);
  base::Task<void> ResizeInPlace(Pass& pass, const PodActions& actions);
  absl::StatusOr<SandboxConfig> SandboxFor(const Pass& pass, uint32_t attempt) const;
  void TellDnsTroubles(const api::core::Pod& pod);
  base::Task<absl::StatusOr<ContainerConfig>> ConfigFor(Pass& pass, const ContainerToStart& start,
                                                        Images::Answer image);
  base::Task<absl::Status> PrepareSubPaths(api::PodPtr pod, const api::core::Container* container,
                                           ContainerInputs* inputs);
  const Blocked* BlockedNow(const std::string& key) const;
  Knowledge Know(const api::core::Pod& pod, const ObservedPod& observed) const;
  void MarkStopped(const ObservedPod& observed);
  void ForgetStopped(const ObservedPod& observed);
  base::WallTime PreviousExit(const api::core::Pod& pod, const ContainerToStart& start) const;
  void Fail(Pass& pass, absl::Status status, const std::string& what);
  void Step(Progress& progress, std::string text);
  void Event(const api::core::Pod& pod, bool warning, std::string reason, std::string message,
             std::string container = "");

  Deps deps_;
  Options options_;
  base::Backoff crash_backoff_;
  base::Backoff retry_backoff_;
  std::map<std::string, Blocked> blocked_;
  base::Semaphore starts_;
  std::map<std::string, std::map<ContainerId, StoppedFor>> stopped_;  // uid -> ended by us and to be started again
  std::map<std::string, base::WallTime> reset_exits_;  // back-off key -> the exit that made all containers restart
  std::unique_ptr<HookRunner> hooks_;
  std::unique_ptr<ContainerStopper> stopper_;
  std::unique_ptr<ImageVolumes> image_volumes_;
  std::unique_ptr<Resizer> resizer_;
  base::Family<base::Counter>* started_pods_ = nullptr;
  base::Family<base::Counter>* started_pods_errors_ = nullptr;
  base::Family<base::Counter>* started_user_pods_ = nullptr;
  base::Family<base::Counter>* started_user_pods_errors_ = nullptr;
  base::Family<base::Counter>* started_containers_ = nullptr;
  base::Family<base::Counter>* started_containers_errors_ = nullptr;
  base::Family<base::Counter>* restarts_ = nullptr;
  base::Family<base::Histogram>* run_sandbox_seconds_ = nullptr;
  base::Family<base::Counter>* run_sandbox_errors_ = nullptr;
};

}  // namespace kubelet::runtime
