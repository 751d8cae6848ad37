#include "kubelet/image/image_gc.h"

#include <algorithm>
#include <limits>

#include "image/cancelled.h"
#include "image/gc_plan.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::image {

using base::Message;
using base::Task;

struct ImageGc::State {
  ImageRecords records;
  base::MonoTime began;
  bool failed_before = false;
  std::map<std::string, std::pair<std::string, base::MonoTime>> told;  // reason -> words, when
  base::Family<base::Counter>* collected = nullptr;
};

void AddReferences(const api::core::Pod& pod, UsedImages& used) {
  const auto& spec = pod.spec();
  for (const auto* containers : {&spec.init_containers(), &spec.containers()})
    for (const auto& container : *containers) used.references.insert(container.image());
  for (const auto& container : spec.ephemeral_containers())
    used.references.insert(container.ephemeral_container_common().image());
  for (const auto& volume : spec.volumes()) {
    if (volume.volume_source().has_image())
      used.references.insert(volume.volume_source().image().reference());
  }
}

ImageGc::ImageGc(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      state_(std::make_unique<State>()),
      scope_(deps_.executor) {
  state_->began = deps_.clock.Mono();
  if (deps_.metrics == nullptr) return;
  state_->collected =
      &deps_.metrics->AddCounter("kubelet_image_garbage_collected_total",
                                 "Total number of images garbage collected by the kubelet, whether "
                                 "through disk usage or image age.",
                                 {"reason"});
}

ImageGc::~ImageGc() = default;

void ImageGc::Start() {
  if (options_.Off()) {
    LOG_V(2,
          "Image garbage collection is off: imageGCHighThresholdPercent is 100 and "
          "imageMaximumGCAge 0");
    return;
  }
  scope_.Spawn("image garbage collection", Loop());
}

void ImageGc::Warn(const std::string& reason, const std::string& message) {
  auto& [words, when] = state_->told[reason];
  auto now = deps_.clock.Mono();
  if (words == message && now - when < options_.repeat_event) return;
  words = message;
  when = now;
  if (deps_.on_warning) deps_.on_warning(reason, message);
}

Task<void> ImageGc::Loop() {
  co_await base::SleepFor(deps_.clock, options_.first);
  for (;;) {
    auto status = co_await Collect();
    co_await StopIfCancelled();
    bool before = std::exchange(state_->failed_before, !status.ok());
    if (!status.ok()) {
      LOG_ERROR("Image garbage collection failed", "again", before, "err", status);
      // Once may be a runtime that is just starting.
      if (before) Warn("ImageGCFailed", Message(status));
    } else if (before) {
      LOG_INFO("Image garbage collection works again");
    }
    co_await base::SleepFor(deps_.clock, options_.period);
  }
}

// What there is and what is used, as of now.
Task<absl::Status> ImageGc::Look() {
  auto images = co_await deps_.list.Get(base::Nanos(0));
  co_await StopIfCancelled();
  if (!images.ok()) co_return images.status();
  auto used = deps_.used();
  if (!used) co_return absl::UnavailableError("it is not known yet which images are used");
  Observe(**images, *used, deps_.clock.Mono(), state_->records);
  co_return absl::OkStatus();
}

Task<absl::StatusOr<DiskSpace>> ImageGc::Space() {
  auto info = co_await deps_.service.ImageFsInfo();
  co_await StopIfCancelled();
  if (!info.ok()) co_return info.status();
  if (info->image_filesystems.empty())
    co_return absl::UnavailableError("the container runtime names no image filesystem");
  std::string path = info->image_filesystems.front().mountpoint;
  auto space = co_await deps_.space(path);
  if (!space.ok()) co_return base::Annotate(space.status(), "image filesystem " + path);
  space->available_bytes = std::min(space->available_bytes, space->capacity_bytes);
  co_return space;
}

Task<absl::Status> ImageGc::Collect() {
  base::WallTime since = deps_.clock.Now();
  auto looked = co_await Look();
  co_await StopIfCancelled();
  if (!looked.ok()) co_return looked;
  auto old = co_await RemoveOld();
  co_await StopIfCancelled();
  if (!old.ok()) co_return old;
  auto space = co_await Space();
  co_await StopIfCancelled();
  if (!space.ok()) co_return space.status();
  if (space->capacity_bytes <= 0) {
    Warn("InvalidDiskCapacity", "invalid capacity 0 on image filesystem");
    co_return absl::UnavailableError("invalid capacity 0 on image filesystem");
  }
  if (UsedPercent(*space) < options_.high_percent) co_return absl::OkStatus();
  int64_t bytes = BytesToFree(*space, options_.low_percent), freed = 0;
  LOG_INFO("Image filesystem is too full; removing unused images", "usedPercent",
           UsedPercent(*space), "highThresholdPercent", options_.high_percent, "bytes", bytes);
  auto status = co_await Free(bytes, &freed);
  co_await StopIfCancelled();
  co_await TellRemoved(since);
  co_await StopIfCancelled();
  if (!status.ok()) co_return status;
  if (freed < bytes) co_return TooFull(*space, freed);
  co_return absl::OkStatus();
}

absl::Status ImageGc::TooFull(const DiskSpace& space, int64_t freed) {
  std::string text =
      "Insufficient free disk space on the node's image filesystem (" +
      std::to_string(UsedPercent(space)) + "% of " + SizeText(space.capacity_bytes) +
      " used). Failed to free sufficient space by deleting unused images (freed " +
      std::to_string(freed) +
      " bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or "
      "other data.";
  Warn("FreeDiskSpaceFailed", text);
  return absl::ResourceExhaustedError(text);
}

Task<absl::Status> ImageGc::RemoveUnused() {
  base::WallTime since = deps_.clock.Now();
  auto looked = co_await Look();
  co_await StopIfCancelled();
  if (!looked.ok()) co_return looked;
  int64_t freed = 0;
  auto status = co_await Free(std::numeric_limits<int64_t>::max(), &freed);
  co_await StopIfCancelled();
  co_await TellRemoved(since);
  co_return status;
}

// An image that was used before this process began is only known to be old once that long has
// passed here.
Task<absl::Status> ImageGc::RemoveOld() {
  auto now = deps_.clock.Mono();
  if (options_.max_age <= base::Nanos(0) || now - state_->began <= options_.max_age)
    co_return absl::OkStatus();
  base::WallTime since = deps_.clock.Now();
  absl::Status first;
  auto victims = TooOld(state_->records, now, options_.max_age);
  for (const auto& victim : victims) {
    auto removed = co_await Remove(victim.id, "age");
    co_await StopIfCancelled();
    if (first.ok() && !absl::IsAborted(removed)) first = removed;
  }
  if (!victims.empty()) co_await TellRemoved(since);
  co_return base::Annotate(
      first, "wanted to free images older than " + base::GoDuration(options_.max_age));
}

Task<absl::Status> ImageGc::Free(int64_t bytes, int64_t* freed) {
  absl::Status first;
  auto victims = Removable(state_->records, deps_.clock.Mono(), options_.min_age);
  for (const auto& victim : victims) {
    if (*freed >= bytes) break;
    auto removed = co_await Remove(victim.id, "space");
    co_await StopIfCancelled();
    if (removed.ok()) *freed += static_cast<int64_t>(victim.size_bytes);
    if (first.ok() && !absl::IsAborted(removed)) first = removed;
  }
  co_return base::Annotate(first, "wanted to free " + std::to_string(bytes) + " bytes, but freed " +
                                      std::to_string(*freed) + " bytes");
}

Task<absl::Status> ImageGc::Remove(std::string id, const char* reason) {
  // A pod may have begun to want it meanwhile.
  auto used = deps_.used();
  auto known = deps_.list.known();
  if (used && known) Observe(*known, *used, deps_.clock.Mono(), state_->records);
  auto it = state_->records.find(id);
  if (!used || it == state_->records.end() || it->second.in_use)
    co_return absl::AbortedError("image " + id + " is wanted again");
  LOG_INFO("Removing image", "id", id, "bytes", it->second.size_bytes, "reason", reason);
  auto removed = co_await deps_.service.RemoveImage(id);
  co_await StopIfCancelled();
  deps_.list.Outdate();
  if (!removed.ok() && !absl::IsNotFound(removed)) co_return base::Annotate(removed, "image " + id);
  if (state_->collected != nullptr) state_->collected->With({reason}).Add();
  co_return absl::OkStatus();
}

Task<void> ImageGc::TellRemoved(base::WallTime since) {
  auto images = co_await deps_.list.Get(base::Nanos(0));
  co_await StopIfCancelled();
  if (!images.ok() || !deps_.on_removed) co_return;
  std::set<std::string> left;
  for (const auto& image : **images) left.insert(image.id);
  co_await deps_.on_removed(std::move(left), since);
}

}  // namespace kubelet::image
