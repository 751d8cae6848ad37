// The part of ImageManager that takes time: credentials, and the pull itself.
#include <algorithm>

#include "image/cancelled.h"
#include "image/manager_parts.h"
#include "image/pull_texts.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::image {

using base::Nanos;
using base::Task;
using runtime::Waiting;
using runtime::WaitingReason;

// Adopts what an earlier process began; asks the runtime for its images only then.
Task<void> ImageManager::LoadRecords() {
  constexpr auto kPause = std::chrono::seconds(10);
  while (!records_->loaded()) {
    co_await records_->Load();
    co_await StopIfCancelled();
    if (!records_->loaded()) co_await base::SleepFor(deps_.clock, kPause);
  }
  while (records_->HasLeftovers()) {
    auto images = co_await deps_.service.ListImages();
    co_await StopIfCancelled();
    if (images.ok()) {
      co_await records_->Adopt(*std::move(images));
      co_return;
    }
    co_await base::SleepFor(deps_.clock, kPause);
  }
}

Task<void> ImageManager::DoWork(std::shared_ptr<const Work> work) {
  auto credentials = co_await finder_->Find(work->pod, work->tagged);
  co_await StopIfCancelled();
  if (!work->id.empty()) {
    bool allowed = co_await records_->CheckCredentials(work->image, work->id, credentials);
    co_await StopIfCancelled();
    if (allowed) {
      End(*work, State::kAllowed);
      co_return;
    }
    Count(*work, "true", "true");
    if (work->policy == "Never") {
      End(*work, State::kNever);
      co_return;
    }
  }
  if (records_) {
    auto intended = co_await records_->Intend(work->image);
    co_await StopIfCancelled();
    if (!intended.ok()) {
      Waiting problem{WaitingReason::kErrImagePull,
                      "Failed to record image pull intent for container image \"" + work->image +
                          "\": " + base::Message(intended)};
      EndFailed(*work, std::move(problem));
      co_return;
    }
  }
  auto pulled = co_await Pull(work, std::move(credentials));
  co_await StopIfCancelled();
  if (records_) {
    co_await Record(work, &pulled);
    co_await StopIfCancelled();
  }
  if (!pulled.ok()) {
    EndFailed(*work, std::move(pulled.problem));
    co_return;
  }
  backoff_.Reset(work->key);
  End(*work, State::kPulled);
}

Task<void> ImageManager::Record(std::shared_ptr<const Work> work, const Pulled* pulled) {
  if (!pulled->ok()) {
    co_await records_->Failed(work->image);
    co_return;
  }
  const Credential* used = pulled->used ? &*pulled->used : nullptr;
  auto credentials = ToPullCredentials(used);
  co_await records_->Pulled(work->image, pulled->id, std::move(credentials));
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

// Credentials in turn; the pull's own place among the parallel ones, for as long as it is no slow
// one.
Task<ImageManager::Pulled> ImageManager::Pull(std::shared_ptr<const Work> work,
                                              std::vector<Credential> credentials) {
  Pulled out;
  Event(*work, false, "Pulling", "Pulling image \"" + work->image + "\"");
  if (deps_.on_pull) deps_.on_pull(work->pod->metadata().uid(), work->image, false);
  base::MonoTime asked = deps_.clock.Mono();
  auto permit = std::make_shared<base::Semaphore::Permit>();
  *permit = co_await pulls_.Acquire();
  auto timer = deps_.clock.After(options_.slow_pull, [weak = std::weak_ptr(permit)] {
    if (auto held = weak.lock()) held->Release();
  });
  base::MonoTime started = deps_.clock.Mono();
  std::vector<std::string> errors;
  std::string ref;
  std::vector<std::optional<Credential>> tries(credentials.begin(), credentials.end());
  if (tries.empty()) tries.emplace_back();
  if (!TakeToken()) {
    errors.emplace_back("pull QPS exceeded");
    tries.clear();
  }
  for (const auto& credential : tries) {
    std::optional<runtime::AuthConfig> auth;
    if (credential) auth = credential->auth;
    runtime::ImageSpec spec = Spec(*work);
    auto pulled = co_await deps_.service.PullImage(std::move(spec), std::move(auth), work->sandbox);
    co_await StopIfCancelled();
    if (pulled.ok()) {
      ref = *std::move(pulled);
      out.used = credential;
      break;
    }
    errors.push_back(PullErrorText(pulled.status()));
  }
  present_.erase(work->tagged);
  if (!ref.empty()) {
    if (deps_.on_pull) deps_.on_pull(work->pod->metadata().uid(), work->image, true);
    runtime::ImageSpec spec = Spec(*work);
    auto image = co_await Look(std::move(spec));
    uint64_t bytes = 0;
    out.id = ref;
    if (image.ok() && *image) {
      out.id = (*image)->id;
      bytes = (*image)->size_bytes;
    }
    Nanos all = deps_.clock.Mono() - asked;
    Event(*work, false, "Pulled",
          PulledText(work->image, deps_.clock.Mono() - started, all, bytes));
    if (metrics_)
      metrics_->pull_seconds.With({SizeBucket(bytes)})
          .Observe(std::chrono::duration<double>(all).count());
  } else {
    std::string text = JoinErrors(errors);
    Event(*work, true, "Failed", "Failed to pull image \"" + work->image + "\": " + text);
    out.problem = PullProblem(work->image, text);
  }
  deps_.clock.Cancel(timer);
  co_return out;
}

}  // namespace kubelet::image
