// What a FakeCriServer holds: sandboxes, containers, images, and the rules by which they change.
// Thread safe; every function is one atomic step and returns a gRPC status as a real runtime would
// word it.
#pragma once

#include <grpcpp/support/status.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cri/runtime/v1/api.pb.h"
#include "fakes/cri_server.h"
#include "fakes/cri_server_control.h"
#include "fakes/cri_server_program.h"
#include "fakes/cri_server_timers.h"

namespace kubelet::fakes {

namespace v1 = ::runtime::v1;

class CriState {
 public:
  using EventSink = std::function<void(const v1::ContainerEventResponse&)>;
  // `sink` is called by whichever thread makes a change, under the lock: it must not call back.
  CriState(FakeCriOptions options, Timers& timers, EventSink sink);

  Subject OfSandbox(const std::string& id) const;
  Subject OfContainer(const std::string& id) const;

  grpc::Status RunSandbox(const v1::RunPodSandboxRequest& request, v1::RunPodSandboxResponse* out);
  grpc::Status StopSandbox(const std::string& id);
  grpc::Status RemoveSandbox(const std::string& id);
  grpc::Status SandboxStatus(const std::string& id, v1::PodSandboxStatus* out) const;
  void ListSandboxes(const v1::PodSandboxFilter& filter, v1::ListPodSandboxResponse* out) const;

  grpc::Status Create(const v1::CreateContainerRequest& request, v1::CreateContainerResponse* out);
  grpc::Status StartContainer(const std::string& id);
  // `done` is called once the container has ended: at once, or when its grace is over.
  void Stop(const std::string& id, std::chrono::seconds grace,
            std::function<void(grpc::Status)> done);
  grpc::Status Remove(const std::string& id);
  grpc::Status Status(const std::string& id, v1::ContainerStatus* out) const;
  void ListContainers(const v1::ContainerFilter& filter, v1::ListContainersResponse* out) const;
  grpc::Status Update(const v1::UpdateContainerResourcesRequest& request);
  grpc::Status ReopenLog(const std::string& id);
  void Exec(const v1::ExecSyncRequest& request, v1::ExecSyncResponse* out,
            std::function<void(grpc::Status)> done);
  grpc::Status CheckRunning(const std::string& id) const;
  grpc::Status CheckSandbox(const std::string& id) const;
  bool Exit(const std::string& id, int exit_code, const std::string& reason);
  bool KillSandbox(const std::string& id);

  // Images (cri_server_images.cc).
  void AddImage(const std::string& name, FakeCriServer::ImageSpec spec);
  grpc::Status Pull(const v1::PullImageRequest& request, v1::PullImageResponse* out);
  std::optional<v1::Image> FindImage(const std::string& name);
  void ListImages(const v1::ImageFilter& filter, v1::ListImagesResponse* out);
  void RemoveImage(const std::string& name);
  void FsInfo(v1::ImageFsInfoResponse* out) const;

  // Statistics, in the same file.
  void Stats(const v1::ContainerStatsFilter& filter, v1::ListContainerStatsResponse* out) const;
  void SandboxStats(const v1::PodSandboxStatsFilter& filter,
                    v1::ListPodSandboxStatsResponse* out) const;
  static void FillMetricDescriptors(v1::ListMetricDescriptorsResponse* out);
  void SandboxMetrics(v1::ListPodSandboxMetricsResponse* out) const;

  std::vector<FakeContainer> Containers() const;
  size_t SandboxCount() const;

 private:
  struct SandboxRecord {
    v1::PodSandboxStatus status;
    v1::PodSandboxConfig config;
  };
  struct ContainerRecord {
    v1::ContainerStatus status;
    v1::ContainerConfig config;
    std::string sandbox_id;
    Program program;
    std::vector<std::function<void(grpc::Status)>> stoppers;  // called at the end of the container
  };
  struct ImageRecord {
    FakeCriServer::ImageSpec spec;
    v1::Image image;
  };
  using Lock = std::unique_lock<std::mutex>;

  int64_t NowLocked();
  std::string NewIdLocked();
  SandboxRecord* FindSandboxLocked(const std::string& id);
  // A container by its id or an unambiguous prefix of it.
  ContainerRecord* FindContainerLocked(const std::string& id);
  const ContainerRecord* FindContainerLocked(const std::string& id) const;
  grpc::Status CheckCreateLocked(const v1::CreateContainerRequest& request);
  void FillStatusLocked(const SandboxRecord& sandbox, ContainerRecord& record);
  void EndLocked(ContainerRecord& container, int exit_code, const std::string& reason);
  void RemoveLocked(const std::string& id);
  void StopSandboxLocked(SandboxRecord& sandbox);
  void EventLocked(v1::ContainerEventType type, const std::string& sandbox_id,
                   const std::string& id);
  void RunSteps(const std::string& id, size_t step);
  void LogLocked(const ContainerRecord& container, const Step& step);
  v1::ContainerStats StatsLocked(const ContainerRecord& container) const;
  ImageRecord& EnsureImageLocked(const std::string& name);

  const FakeCriOptions options_;
  Timers& timers_;
  EventSink sink_;
  mutable std::mutex mutex_;
  int64_t last_time_ = 0;
  uint64_t last_id_ = 0;
  uint32_t last_ip_ = 0;
  std::map<std::string, SandboxRecord> sandboxes_;
  std::map<std::string, ContainerRecord> containers_;
  std::map<std::string, ImageRecord> images_;  // by the name they were asked for
};

bool LabelsMatch(const google::protobuf::Map<std::string, std::string>& labels,
                 const google::protobuf::Map<std::string, std::string>& selector);

}  // namespace kubelet::fakes
