#include "kubelet/image/image_manager.h"

#include <algorithm>
#include <cctype>

#include "image/cancelled.h"
#include "image/manager_parts.h"
#include "image/pull_texts.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/image/reference.h"

namespace kubelet::image {

using base::Message;
using base::Task;
using runtime::Waiting;
using runtime::WaitingReason;
using Answer = runtime::Images::Answer;

namespace {

std::string LowerCase(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

CredentialPlugins::Deps PluginDeps(const ImageManager::Deps& deps) {
  CredentialPlugins::Deps out{deps.executor, deps.clock, {}, deps.objects, deps.metrics};
  out.run = [executor = deps.executor, &clock = deps.clock,
             pool = deps.pool](os::ProcessRequest request) {
    return os::RunProcess(executor, clock, *pool, std::move(request));
  };
  return out;
}

}  // namespace

ImageManager::Metrics::Metrics(base::Registry& registry)
    : pull_seconds(registry.AddHistogram(
          "kubelet_image_pull_duration_seconds", "Duration in seconds to pull an image.",
          {1, 5, 10, 20, 30, 60, 180, 300, 600, 900, 1200, 1800, 2700, 3600},
          {"image_size_in_bytes"})),
      ensured(registry.AddCounter("kubelet_image_manager_ensure_image_requests_total",
                                  "Number of ensure-image requests processed by the kubelet.",
                                  {"pull_policy", "present_locally", "pull_required"})) {}

ImageManager::ImageManager(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      backoff_(options_.backoff_initial, options_.backoff_max),
      pulls_(deps_.executor, deps_.clock,
             options_.parallel_pulls > 0 ? options_.parallel_pulls : 1'000'000),
      tokens_(options_.pull_burst),
      scope_(deps_.executor) {
  if (!options_.plugins.plugins.empty())
    plugins_ = std::make_unique<CredentialPlugins>(PluginDeps(deps_), std::move(options_.plugins));
  finder_ = std::make_unique<CredentialFinder>(
      CredentialFinder::Deps{deps_.pool, deps_.objects, plugins_.get(), deps_.on_event},
      options_.config_json, options_.dockercfg);
  if (!options_.verify.dir.empty()) {
    records_ = std::make_unique<PullRecords>(
        PullRecords::Deps{deps_.executor, deps_.clock, *deps_.pool, deps_.metrics},
        options_.verify);
    scope_.Spawn("pull records", LoadRecords());
  }
  if (deps_.metrics != nullptr) metrics_ = std::make_unique<Metrics>(*deps_.metrics);
}

ImageManager::~ImageManager() = default;

void ImageManager::Event(const Work& work, bool warning, std::string reason, std::string message) {
  if (!deps_.on_event) return;
  runtime::PodEvent event;
  event.warning = warning;
  event.reason = std::move(reason);
  event.message = std::move(message);
  event.container = work.container;
  deps_.on_event(*work.pod, event);
}

void ImageManager::Count(const Work& work, const char* present, const char* required) {
  if (metrics_) metrics_->ensured.With({LowerCase(work.policy), present, required}).Add();
}

runtime::ImageSpec ImageManager::Spec(const Work& work) const {
  runtime::ImageSpec spec(work.tagged);
  const auto& annotations = work.pod->metadata().annotations();
  spec.annotations.insert(annotations.begin(), annotations.end());
  if (options_.handler_in_spec) spec.runtime_handler = work.sandbox.runtime_handler;
  return spec;
}

Task<absl::StatusOr<std::optional<runtime::Image>>> ImageManager::Look(runtime::ImageSpec spec) {
  const std::string image = spec.image;
  auto it = present_.find(image);
  if (it != present_.end() && deps_.clock.Mono() < it->second.until) {
    co_return std::optional<runtime::Image>(it->second.image);
  }
  auto status = co_await deps_.service.ImageStatus(std::move(spec));
  co_await StopIfCancelled();
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
  std::erase_if(present_,
                [&](const auto& entry) { return entry.second.until < deps_.clock.Mono(); });
  backoff_.Collect(deps_.clock.Mono());
}

Task<void> ImageManager::Removed(std::set<std::string> left, base::WallTime since) {
  std::erase_if(present_, [&](const auto& entry) { return !left.contains(entry.second.image.id); });
  if (records_) co_await records_->Prune(std::move(left), since);
}

Answer ImageManager::Failed(const Work& work, WaitingReason reason, std::string message) {
  // The container's own event, as the start of any container that fails has one; a volume's is its
  // caller's.
  if (!work.container.empty())
    Event(work, true, "Failed", std::string("Error: ") + runtime::WaitingReasonName(reason));
  Answer answer;
  answer.waiting = {reason, std::move(message)};
  return answer;
}

Answer ImageManager::NeverThere(const Work& work) {
  std::string text =
      "Container image \"" + work.image + "\" is not present with pull policy of Never";
  Event(work, true, "ErrImageNeverPull", text);
  Answer answer = Failed(work, WaitingReason::kErrImageNeverPull, std::move(text));
  answer.retry_at = deps_.clock.Mono() + options_.backoff_initial;
  return answer;
}

Task<Answer> ImageManager::Ensure(api::PodPtr pod, std::string container, std::string image,
                                  std::string policy, runtime::SandboxConfig sandbox) {
  Work work{pod,    container,          image, "", pod->metadata().uid() + "/" + image,
            policy, std::move(sandbox), ""};
  if (work.policy.empty()) work.policy = "IfNotPresent";  // nobody defaulted the pod
  auto tagged = WithDefaultTag(image);
  if (!tagged.ok()) {
    std::string text =
        "Failed to apply default image tag \"" + image + "\": " + Message(tagged.status());
    Event(work, true, "InspectFailed", text);
    Count(work, "unknown", "unknown");
    co_return Failed(work, WaitingReason::kInvalidImageName, std::move(text));
  }
  work.tagged = *std::move(tagged);
  bool pulled = false, allowed = false;
  if (auto it = attempts_.find(work.key); it != attempts_.end()) {
    State state = it->second.state;
    if (state == State::kRunning) co_return Running(it->second, image);
    if (state == State::kFailed) {
      auto refused = Refused(work);
      if (refused) co_return *refused;
    } else {
      attempts_.erase(it);
    }
    pulled = state == State::kPulled;
    allowed = state == State::kAllowed;
    if (state == State::kNever && work.policy == "Never") co_return NeverThere(work);
  }
  auto answer = co_await Decide(std::move(work), pulled, allowed);
  co_return answer;
}

// `pulled`, `allowed`: a task of this pod has just found so.
Task<Answer> ImageManager::Decide(Work work, bool pulled, bool allowed) {
  if (work.policy == "Always" && !pulled) {
    Count(work, "unknown", "true");
    co_return Begin(std::move(work));
  }
  runtime::ImageSpec spec = Spec(work);
  auto there = co_await Look(std::move(spec));
  if (!there.ok()) {
    std::string text =
        "Failed to inspect image \"" + work.tagged + "\": " + PullErrorText(there.status());
    Event(work, true, "InspectFailed", text);
    Count(work, "unknown", "unknown");
    Answer answer = Failed(work, WaitingReason::kImageInspectError, std::move(text));
    answer.retry_at = deps_.clock.Mono() + options_.backoff_initial;
    co_return answer;
  }
  bool never = work.policy == "Never";
  if (!*there) {
    Count(work, "false", never ? "unknown" : "true");
    if (never) co_return NeverThere(work);
    co_return Begin(std::move(work));
  }
  if (records_ && !pulled && !allowed) {
    if (!records_->loaded()) co_await records_->Load();
    auto verdict = records_->Check(work.image, (*there)->id);
    if (verdict == PullRecords::Verdict::kAskCredentials) {
      work.id = (*there)->id;
      co_return Begin(std::move(work));
    }
    if (verdict == PullRecords::Verdict::kPull) {
      Count(work, "true", "true");
      if (never) co_return NeverThere(work);
      co_return Begin(std::move(work));
    }
  }
  if (!pulled) {
    Count(work, "true", "false");
    std::string more = records_ ? " and can be accessed by the pod" : "";
    Event(work, false, "Pulled",
          "Container image \"" + work.image + "\" already present on machine" + more);
  }
  attempts_.erase(work.key);
  if (deps_.on_pull) deps_.on_pull(work.pod->metadata().uid(), work.image, true);
  Answer answer;
  answer.image = **there;
  answer.ref = (*there)->id;
  co_return answer;
}

Answer ImageManager::Begin(Work work) {
  Attempt& attempt = attempts_[work.key];
  attempt.state = State::kRunning;
  Answer answer = Running(attempt, work.image);
  std::string name = "pull " + work.tagged;
  scope_.Spawn(std::move(name), DoWork(std::make_shared<const Work>(std::move(work))));
  return answer;
}

// A pull that is tried again goes on showing why it failed before.
Answer ImageManager::Running(const Attempt& attempt, const std::string& image) {
  Answer answer;
  answer.pulling = true;
  answer.waiting = {WaitingReason::kContainerCreating, "pulling image \"" + image + "\""};
  if (attempt.error.reason == WaitingReason::kNone) return answer;
  answer.waiting.reason = WaitingReason::kImagePullBackOff;
  answer.waiting.message = BackOffText(image) + ": " +
                           runtime::WaitingReasonName(attempt.error.reason) + ": " +
                           attempt.error.message;
  return answer;
}

// A pull of this pod failed: what to say until its back-off ends; nullopt when it may be tried
// again.
std::optional<Answer> ImageManager::Refused(const Work& work) {
  Attempt& attempt = attempts_[work.key];
  base::MonoTime now = deps_.clock.Mono();
  auto until = backoff_.BlockedUntil(work.key, attempt.failed_at, now);
  if (!until) return std::nullopt;
  bool first = !attempt.reported;
  attempt.reported = true;
  Waiting shown = attempt.error;
  if (!first) {
    shown = Running(attempt, work.image).waiting;
    Event(work, false, "BackOff", BackOffText(work.image));
  }
  Answer answer = Failed(work, shown.reason, shown.message);
  // The error itself is shown once; soon after, that its back-off is under way.
  answer.retry_at = first ? std::min(*until, now + options_.show_error_for) : *until;
  return answer;
}

void ImageManager::End(const Work& work, State state) {
  auto it = attempts_.find(work.key);
  if (it == attempts_.end()) return;  // the pod is gone
  it->second.state = state;
  if (deps_.wake) deps_.wake(work.pod->metadata().uid());
}

void ImageManager::EndFailed(const Work& work, Waiting problem) {
  auto it = attempts_.find(work.key);
  if (it == attempts_.end()) return;
  auto now = deps_.clock.Mono();
  it->second.failed_at = now;
  it->second.reported = false;
  backoff_.Next(work.key, now);
  LOG_ERROR("Cannot pull image; will retry", "pod", api::PodKey(*work.pod), "container",
            work.container, "image", work.image, "after",
            base::GoDuration(backoff_.Get(work.key, now)), "err", problem.message);
  it->second.error = std::move(problem);
  End(work, State::kFailed);
}

}  // namespace kubelet::image
