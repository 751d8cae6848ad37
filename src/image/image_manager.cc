#include "kubelet/image/image_manager.h"

#include <algorithm>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/image/reference.h"

namespace kubelet::image {

using base::Message;
using base::Nanos;
using base::Task;
using runtime::WaitingReason;
using Answer = runtime::Images::Answer;

namespace {

Answer Wait(WaitingReason reason, std::string message) {
  Answer answer;
  answer.waiting.reason = reason;
  answer.waiting.message = std::move(message);
  return answer;
}

// Runtimes prefix their error with the reason (CRI-O does; cri-api errors RegistryUnavailable, SignatureValidationFailed).
WaitingReason PullReason(const absl::Status& status) {
  std::string text = Message(status);
  if (text.rfind("RegistryUnavailable", 0) == 0) return WaitingReason::kRegistryUnavailable;
  if (text.rfind("SignatureValidationFailed", 0) == 0) return WaitingReason::kSignatureValidationFailed;
  return WaitingReason::kErrImagePull;
}

}  // namespace

ImageManager::ImageManager(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      backoff_(options.backoff_initial, options.backoff_max),
      pulls_(deps_.executor, deps_.clock, options.parallel_pulls > 0 ? options.parallel_pulls : 1'000'000),
      tokens_(options.pull_burst),
      scope_(deps_.executor) {
  if (deps_.metrics == nullptr) return;
  pull_seconds_ = &deps_.metrics->AddHistogram("kubelet_image_pull_duration_seconds",
                                               "Duration in seconds to pull an image.",
                                               {1, 5, 10, 20, 30, 60, 180, 300, 600, 900, 1200, 1800, 2700, 3600},
                                               {"image_size_in_bytes"});
}

ImageManager::~ImageManager() = default;

void ImageManager::Event(const api::core::Pod& pod, const std::string& container, bool warning, std::string reason,
                         std::string message) {
  if (!deps_.on_event) return;
  runtime::PodEvent event;
  event.warning = warning;
  event.reason = std::move(reason);
  event.message = std::move(message);
  event.container = container;
  deps_.on_event(pod, event);
}

Task<absl::StatusOr<std::optional<runtime::Image>>> ImageManager::Look(std::string image) {
  auto it = present_.find(image);
  if (it != present_.end() && deps_.clock.Mono() < it->second.until) {
    co_return std::optional<runtime::Image>(it->second.image);
  }
  auto status = co_await deps_.service.ImageStatus(image, {});
  if (status.ok() && *status) {
    Present present{**status, deps_.clock.Mono() + options_.present_for};
    present_[image] = present;
  } else {
    present_.erase(image);
  }
  co_return status;
}

void ImageManager::Forget(const std::string& image) {
  auto tagged = WithDefaultTag(image);
  if (tagged.ok()) present_.erase(*tagged);
}

void ImageManager::ForgetPod(const std::string& uid) {
  std::erase_if(attempts_, [&](const auto& entry) { return entry.first.rfind(uid + "/", 0) == 0; });
  std::erase_if(present_, [&](const auto& entry) { return entry.second.until < deps_.clock.Mono(); });
  backoff_.Collect(deps_.clock.Mono());
}

Task<Answer> ImageManager::Ensure(api::PodPtr pod, std::string container, std::string image, std::string policy,
                                  runtime::SandboxConfig sandbox) {
  auto tagged = WithDefaultTag(image);
  if (!tagged.ok()) {
    std::string text = "Failed to apply default image tag \"" + image + "\": " + Message(tagged.status());
    Event(*pod, container, true, "InspectFailed", text);
    co_return Wait(WaitingReason::kInvalidImageName, text);
  }
  if (policy.empty()) policy = DefaultPullPolicy(image);
  const std::string key = pod->metadata().uid() + "/" + container + "/" + *tagged;
  bool pulled = false;
  if (auto it = attempts_.find(key); it != attempts_.end()) {
    if (it->second.running) {
      Answer answer = Wait(WaitingReason::kContainerCreating, "pulling image \"" + *tagged + "\"");
      answer.pulling = true;
      co_return answer;
    }
    if (!it->second.succeeded) {
      auto refused = Refused(*pod, container, *tagged, key);
      if (refused) co_return *refused;
    } else {
      pulled = true;
      attempts_.erase(it);
    }
  }
  if (policy != "Always" || pulled) {
    auto there = co_await Look(*tagged);
    if (!there.ok()) {
      std::string text = "Failed to inspect image \"" + *tagged + "\": " + Message(there.status());
      Event(*pod, container, true, "InspectFailed", text);
      Answer answer = Wait(WaitingReason::kImageInspectError, text);
      answer.retry_at = deps_.clock.Mono() + options_.backoff_initial;
      co_return answer;
    }
    if (*there) {
      if (!pulled) {
        Event(*pod, container, false, "Pulled", "Container image \"" + image + "\" already present on machine");
      }
      Answer answer;
      answer.image = **there;
      answer.ref = (*there)->id;
      co_return answer;
    }
    if (policy == "Never") {
      std::string text = "Container image \"" + image + "\" is not present with pull policy of Never";
      Event(*pod, container, true, "ErrImageNeverPull", text);
      Answer answer = Wait(WaitingReason::kErrImageNeverPull, text);
      answer.retry_at = deps_.clock.Mono() + options_.backoff_initial;
      co_return answer;
    }
  }
  Attempt attempt;
  attempt.running = true;
  attempts_[key] = attempt;
  scope_.Spawn("pull " + *tagged, Pull(pod, container, *tagged, key, std::move(sandbox)));
  Answer answer = Wait(WaitingReason::kContainerCreating, "pulling image \"" + *tagged + "\"");
  answer.pulling = true;
  co_return answer;
}

// A pull of this container failed: what to say until its back-off ends; nullopt when it may be tried again.
std::optional<Answer> ImageManager::Refused(const api::core::Pod& pod, const std::string& container,
                                            const std::string& image, const std::string& key) {
  Attempt& attempt = attempts_[key];
  base::MonoTime now = deps_.clock.Mono();
  auto until = backoff_.BlockedUntil(key, attempt.failed_at, now);
  if (!until) {
    attempts_.erase(key);
    return std::nullopt;
  }
  bool first = !attempt.reported;
  attempt.reported = true;
  std::string text = Message(attempt.error);
  WaitingReason reason = PullReason(attempt.error);
  if (!first) {
    text = "Back-off pulling image \"" + image + "\": " + WaitingReasonName(reason) + ": " + text;
    reason = WaitingReason::kImagePullBackOff;
    Event(pod, container, false, "BackOff", "Back-off pulling image \"" + image + "\"");
  }
  Answer answer = Wait(reason, text);
  // The error itself is shown once; soon after, that its back-off is under way.
  answer.retry_at = first ? std::min(*until, now + options_.show_error_for) : *until;
  return answer;
}

bool ImageManager::TakeToken() {
  if (options_.pull_qps <= 0) return true;
  base::MonoTime now = deps_.clock.Mono();
  double seconds = std::chrono::duration<double>(now - tokens_at_).count();
  tokens_ = std::min<double>(options_.pull_burst, tokens_ + seconds * options_.pull_qps);
  tokens_at_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Task<void> ImageManager::Pull(api::PodPtr pod, std::string container, std::string image, std::string key,
                              runtime::SandboxConfig sandbox) {
  auto permit = co_await pulls_.Acquire();
  absl::Status error;
  if (!TakeToken()) {
    error = absl::ResourceExhaustedError("pull QPS exceeded");
  } else {
    Event(*pod, container, false, "Pulling", "Pulling image \"" + image + "\"");
    base::MonoTime started = deps_.clock.Mono();
    auto ref = co_await deps_.service.PullImage(image, {}, std::nullopt, std::move(sandbox));
    Nanos took = deps_.clock.Mono() - started;
    if (pull_seconds_ != nullptr) pull_seconds_->With({"N/A"}).Observe(std::chrono::duration<double>(took).count());
    present_.erase(image);
    if (ref.ok()) {
      Event(*pod, container, false, "Pulled",
            "Successfully pulled image \"" + image + "\" in " + base::GoDuration(took) + ".");
    } else {
      error = ref.status();
    }
  }
  permit.Release();
  auto it = attempts_.find(key);
  if (it == attempts_.end()) co_return;  // the pod is gone
  it->second.running = false;
  it->second.succeeded = error.ok();
  it->second.error = error;
  if (error.ok()) {
    backoff_.Reset(key);
  } else {
    it->second.failed_at = deps_.clock.Mono();
    backoff_.Next(key, it->second.failed_at);
    Event(*pod, container, true, "Failed", "Failed to pull image \"" + image + "\": " + Message(error));
    LOG_ERROR("Cannot pull image; will retry", "pod", api::PodKey(*pod), "container", container, "image", image,
              "after", base::GoDuration(backoff_.Get(key, deps_.clock.Mono())), "err", error);
  }
  if (deps_.wake) deps_.wake(pod->metadata().uid());
}

}  // namespace kubelet::image
