#include "runtime/image_volumes.h"

#include "kubelet/base/status.h"

namespace kubelet::runtime {
namespace {

// Runtimes begin their error with it (cri-api errors).
constexpr char kMountFailed[] = "ImageVolumeMountFailed";

const api::core::ImageVolumeSource* ImageOf(const api::core::Pod& pod, const std::string& volume) {
  for (const auto& one : pod.spec().volumes()) {
    if (one.name() == volume && one.volume_source().has_image())
      return &one.volume_source().image();
  }
  return nullptr;
}

}  // namespace

ImageVolumes::ImageVolumes(Images& images, OnEvent on_event, base::Registry* metrics)
    : images_(images), on_event_(std::move(on_event)) {
  if (metrics == nullptr) return;
  requested_ = &metrics->AddCounter("kubelet_image_volume_requested_total",
                                    "Number of requested image volumes.");
  mounted_ = &metrics->AddCounter("kubelet_image_volume_mounted_succeed_total",
                                  "Number of successful image volume mounts.");
  failed_ = &metrics->AddCounter("kubelet_image_volume_mounted_errors_total",
                                 "Number of failed image volume mounts.");
}

base::Task<ImageVolumes::Answer> ImageVolumes::Ensure(api::PodPtr pod,
                                                      const api::core::Container* container,
                                                      SandboxConfig sandbox) {
  Answer answer;
  for (const auto& mount : container->volume_mounts()) {
    const auto* source = ImageOf(*pod, mount.name());
    if (source == nullptr || answer.mounts.contains(mount.name())) continue;
    auto image =
        co_await images_.Ensure(pod, "", source->reference(), source->pull_policy(), sandbox);
    if (image.image) {
      answer.mounts[mount.name()] = {image.ref, source->reference()};
      continue;
    }
    if (!image.pulling && on_event_) {
      PodEvent event;
      event.warning = true;
      event.reason = "Failed";
      event.message = std::string("Error: ") + WaitingReasonName(image.waiting.reason);
      event.container = container->name();
      on_event_(*pod, event);
    }
    // What failed is shown rather than what is still pulled; the earliest of them is looked at
    // again.
    auto retry_at = image.retry_at;
    if (answer.waits && answer.waits->retry_at &&
        (!retry_at || *answer.waits->retry_at < *retry_at))
      retry_at = answer.waits->retry_at;
    if (!answer.waits || answer.waits->pulling) answer.waits = image;
    answer.waits->retry_at = retry_at;
  }
  co_return answer;
}

void ImageVolumes::Count(const api::core::Container& container, const ImageMounts& mounts,
                         const absl::Status& created) {
  if (requested_ == nullptr || mounts.empty()) return;
  requested_->Only().Add(static_cast<double>(mounts.size()));
  bool failed = !created.ok() && base::Message(created).rfind(kMountFailed, 0) == 0;
  for (const auto& mount : container.volume_mounts())
    if (mounts.contains(mount.name())) (failed ? failed_ : mounted_)->Only().Add();
}

}  // namespace kubelet::runtime
