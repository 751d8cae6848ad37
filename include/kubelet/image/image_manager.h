// Gets images there: pull policy, credentials, who may use what is there already, parallelism, back-off, events. A pull
// never holds up another pod: Ensure answers at once and the pod is woken when its pull has ended. Core loop only.
// Facts: pkg/kubelet/images/image_manager.go and puller.go of 1.36.
//
//   Ensure -> there, and the pod may use it                      -> the image
//          -> there, and its credentials have to be looked up    -> a task finds out, then as one of the others
//          -> absent, policy Always, or not for this pod         -> a task pulls; the next Ensure tells how it ended
//          -> absent or not for this pod, and policy Never       -> ErrImageNeverPull
//
// A pod has one such task per image. Failures are backed off per pod and image; every pod tries for itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/backoff.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/image/credential.h"
#include "kubelet/image/objects.h"
#include "kubelet/image/options.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::image {

class PullRecords;
class CredentialFinder;
class CredentialPlugins;

class ImageManager : public runtime::Images {
 public:
  using Options = ManagerOptions;
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    runtime::ImageService& service;
    std::function<void(const std::string& uid)> wake;
    std::function<void(const api::core::Pod&, const runtime::PodEvent&)> on_event;
    base::Registry* metrics = nullptr;
    Objects* objects = nullptr;  // null: no API server is configured
    base::BlockingPool* pool = nullptr;  // needed for credential files, plugins and records
    // A pull for this pod begins, again after each failure; or the image is there for it, pulled or not. May be empty.
    std::function<void(const std::string& uid, const std::string& image, bool there)> on_pull = {};
  };
  ImageManager(Deps deps, Options options);
  ~ImageManager() override;

  // `container` is empty for an image volume: its events are the pod's own.
  base::Task<Answer> Ensure(api::PodPtr pod, std::string container, std::string image, std::string policy,
                            runtime::SandboxConfig sandbox) override;
  void Forget(const std::string& image) override;
  // Drops what is remembered of a pod that is gone.
  void ForgetPod(const std::string& uid);
  // Images were removed; `left` are the ids that are there. Records older than `since` of others are forgotten.
  base::Task<void> Removed(std::set<std::string> left, base::WallTime since);

 private:
  struct Present {
    runtime::Image image;
    base::MonoTime until;
  };
  // A question about one image for one pod, from Ensure to its end.
  struct Work {
    api::PodPtr pod;
    std::string container, image, tagged, key, policy;
    runtime::SandboxConfig sandbox;
    std::string id;  // of the image that is there and needs the pod's credentials; empty: pull
  };
  enum class State { kRunning, kPulled, kAllowed, kNever, kFailed };
  struct Attempt {
    State state = State::kRunning;
    bool reported = false;    // the error itself was shown once; from then on it is a back-off
    runtime::Waiting error;   // of the last failure; kept while it is tried again
    base::MonoTime failed_at{};
  };
  struct Pulled;
  struct Metrics;
  runtime::ImageSpec Spec(const Work& work) const;
  base::Task<absl::StatusOr<std::optional<runtime::Image>>> Look(runtime::ImageSpec spec);
  base::Task<Answer> Decide(Work work, bool pulled, bool allowed);
  base::Task<void> DoWork(std::shared_ptr<const Work> work);
  base::Task<Pulled> Pull(std::shared_ptr<const Work> work, std::vector<Credential> credentials);
  base::Task<void> Record(std::shared_ptr<const Work> work, const Pulled* pulled);
  base::Task<void> LoadRecords();
  Answer Begin(Work work);
  Answer Running(const Attempt& attempt, const std::string& image);
  Answer Failed(const Work& work, runtime::WaitingReason reason, std::string message);
  Answer NeverThere(const Work& work);
  std::optional<Answer> Refused(const Work& work);
  void End(const Work& work, State state);
  void EndFailed(const Work& work, runtime::Waiting problem);
  bool TakeToken();
  void Event(const Work& work, bool warning, std::string reason, std::string message);
  void Count(const Work& work, const char* present, const char* required);

  Deps deps_;
  Options options_;
  std::unique_ptr<CredentialPlugins> plugins_;
  std::unique_ptr<CredentialFinder> finder_;
  std::unique_ptr<PullRecords> records_;  // null: nothing is verified
  std::unique_ptr<Metrics> metrics_;
  base::Backoff backoff_;
  base::Semaphore pulls_;
  std::map<std::string, Present> present_;
  std::map<std::string, Attempt> attempts_;  // uid/image
  double tokens_;
  base::MonoTime tokens_at_{};
  base::TaskScope scope_;
};

}  // namespace kubelet::image
