// Gets images there: pull policy, parallelism, back-off, events. A pull never holds up another pod: Ensure answers
// at once and the pod is woken when its pull has ended. Core loop only.
// Facts: pkg/kubelet/images/image_manager.go and puller.go of 1.36.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kubelet/base/backoff.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::image {

class ImageManager : public runtime::Images {
 public:
  struct Options {
    int parallel_pulls = 1;       // serializeImagePulls, or maxParallelImagePulls; 0: no limit
    double pull_qps = 5;          // registryPullQPS; 0: no limit
    int pull_burst = 10;          // registryBurst
    base::Nanos backoff_initial = std::chrono::seconds(10);
    base::Nanos backoff_max = std::chrono::seconds(300);
    base::Nanos show_error_for = std::chrono::seconds(1);  // ErrImagePull, then ImagePullBackOff
    // How long a positive ImageStatus is believed; CreateContainer notices a lie (Forget).
    base::Nanos present_for = std::chrono::seconds(5);
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    runtime::ImageService& service;
    std::function<void(const std::string& uid)> wake;
    std::function<void(const api::core::Pod&, const runtime::PodEvent&)> on_event;
    base::Registry* metrics = nullptr;
  };
  ImageManager(Deps deps, Options options);
  ~ImageManager() override;

  base::Task<Answer> Ensure(api::PodPtr pod, std::string container, std::string image, std::string policy,
                            runtime::SandboxConfig sandbox) override;
  void Forget(const std::string& image) override;
  // Drops what is remembered of a pod that is gone.
  void ForgetPod(const std::string& uid);

 private:
  struct Present {
    runtime::Image image;
    base::MonoTime until;
  };
  // A pull under way or ended, for one pod's container.
  struct Attempt {
    bool running = false;
    bool succeeded = false;  // consumed by the next Ensure
    bool reported = false;   // the error itself was shown once; from then on it is a back-off
    absl::Status error;
    base::MonoTime failed_at{};
  };
  base::Task<absl::StatusOr<std::optional<runtime::Image>>> Look(std::string image);
  base::Task<void> Pull(api::PodPtr pod, std::string container, std::string image, std::string key,
                        runtime::SandboxConfig sandbox);
  std::optional<Answer> Refused(const api::core::Pod& pod, const std::string& container, const std::string& image,
                                const std::string& key);
  bool TakeToken();
  void Event(const api::core::Pod& pod, const std::string& container, bool warning, std::string reason,
             std::string message);

  Deps deps_;
  Options options_;
  base::Backoff backoff_;
  base::Semaphore pulls_;
  std::map<std::string, Present> present_;
  std::map<std::string, Attempt> attempts_;  // uid/container/image
  double tokens_;
  base::MonoTime tokens_at_{};
  base::Family<base::Histogram>* pull_seconds_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::image
