#include "kubelet/resource/checkpoint.h"

#include <utility>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"

namespace kubelet::resource {

using base::Task;

namespace {

constexpr auto kRetry = std::chrono::seconds(10);
constexpr size_t kMaxBytes = size_t{64} << 20;

}  // namespace

Checkpoint::Checkpoint(Deps deps, std::string path)
    : deps_(std::move(deps)), path_(std::move(path)), scope_(deps_.executor) {}

absl::StatusOr<std::optional<std::string>> Checkpoint::Load() {
  auto file = os::ReadRegularFile(path_, kMaxBytes);
  if (absl::IsNotFound(file.status())) return std::optional<std::string>();
  if (!file.ok()) return base::Annotate(file.status(), path_);
  wanted_ = written_ = file->text;
  return std::optional<std::string>(std::move(file->text));
}

void Checkpoint::Set(std::string text) {
  wanted_ = std::move(text);
  if (wanted_ == written_ || std::exchange(writing_, true)) return;
  scope_.Spawn("write " + path_, Write());
}

Task<void> Checkpoint::Write() {
  while (wanted_ != written_) {
    auto waiting = std::exchange(waiting_, {});
    std::string text = wanted_;
    auto status = co_await deps_.write(path_, text);
    if (status.ok()) written_ = std::move(text);
    for (auto& promise : waiting) promise.Set(status.ok());
    if (status.ok()) continue;
    LOG_ERROR("Cannot write a state file; will retry", "file", path_, "err", status);
    co_await base::SleepFor(deps_.clock, kRetry);
  }
  writing_ = false;
  for (auto& promise : std::exchange(waiting_, {})) promise.Set(true);
}

Task<void> Checkpoint::Flushed() {
  if (!writing_) co_return;
  auto promise = std::make_shared<base::Promise<bool>>(deps_.executor);
  // The promise keeps its hook: one that kept the promise would never go.
  auto give_up = [weak = std::weak_ptr(promise)] {
    if (auto p = weak.lock()) p->Set(false);
  };
  promise->OnCancel(std::move(give_up));
  waiting_.push_back(*promise);
  co_await promise->Get();
}

}  // namespace kubelet::resource
