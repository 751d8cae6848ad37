// Images that a container mounts as volumes: got there like the container's own image, before it.
// Facts: kuberuntime_manager.go getImageVolumes, toKubeContainerImageVolumes (1.36).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "kubelet/base/metrics.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::runtime {

class ImageVolumes {
 public:
  using OnEvent = std::function<void(const api::core::Pod&, const PodEvent&)>;
  ImageVolumes(Images& images, OnEvent on_event, base::Registry* metrics);

  struct Answer {
    ImageMounts mounts;  // by volume; all of the container's are there unless it waits
    std::optional<Images::Answer> waits;  // why not
  };
  // Of the volumes that `container` mounts. `container` is part of `pod`.
  base::Task<Answer> Ensure(api::PodPtr pod, const api::core::Container* container,
                            SandboxConfig sandbox);
  // The container was created with them, or was not.
  void Count(const api::core::Container& container, const ImageMounts& mounts,
             const absl::Status& created);

 private:
  Images& images_;
  OnEvent on_event_;
  base::Family<base::Counter>* requested_ = nullptr;
  base::Family<base::Counter>* mounted_ = nullptr;
  base::Family<base::Counter>* failed_ = nullptr;
};

}  // namespace kubelet::runtime
