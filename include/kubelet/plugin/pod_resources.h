// The pod resources API on <root>/pod-resources/kubelet.sock: v1 (List, Get,
// GetAllocatableResources) and v1alpha1 (List). Monitoring agents ask which container has what.
//
// Whatever it tells it asks of others when it is asked: nothing is kept. At most 100 answers a
// second, 10 at once (pkg/kubelet/apis/podresources of 1.36); more get ResourceExhausted. Core
// loop only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/plugin/podresources_v1.pb.h"
#include "kubelet/resource/devices.h"

namespace kubelet::plugin {

class GrpcServer;

class PodResources {
 public:
  // Where it has its facts from. Those of CPUs and memory may be empty functions: nothing is
  // exclusively anybody's.
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    resource::Devices& devices;
    std::function<std::vector<api::PodPtr>()> pods;  // active ones
    std::function<api::PodPtr(const std::string& namespace_, const std::string& name)> find;
    base::Registry* metrics = nullptr;
    // Exclusive ones of a container; those that there are to be given.
    std::function<std::vector<int64_t>(const std::string& uid, const std::string& container)> cpus =
        {};
    std::function<std::vector<int64_t>()> allocatable_cpus = {};
    std::function<std::vector<::v1::ContainerMemory>(const std::string& uid,
                                                     const std::string& container)>
        memory = {};
    std::function<std::vector<::v1::ContainerMemory>()> allocatable_memory = {};
  };
  PodResources(Deps deps, std::string socket);
  ~PodResources();
  // As GrpcServer::Start; the directory is there.
  absl::Status Start();
  void Stop();

 private:
  struct Metrics;
  bool Admitted();
  ::v1::PodResources Describe(const api::core::Pod& pod) const;
  ::v1::ContainerResources Describe(const api::core::Pod& pod,
                                    const api::core::Container& container) const;
  absl::StatusOr<std::string> List();
  absl::StatusOr<std::string> ListAlpha();
  absl::StatusOr<std::string> Get(const std::string& request);
  absl::StatusOr<std::string> Allocatable();
  using Method = std::function<absl::StatusOr<std::string>(const std::string&)>;
  base::Task<absl::StatusOr<std::string>> Answer(Method method, std::string request);

  Deps deps_;
  std::unique_ptr<Metrics> metrics_;
  double tokens_;
  base::MonoTime refilled_;
  std::unique_ptr<GrpcServer> server_;
};

}  // namespace kubelet::plugin
