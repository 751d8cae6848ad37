// What Allocations keeps of one pod.
#pragma once

#include <optional>

#include "kubelet/resource/allocation.h"

namespace kubelet::resource {

struct Allocations::Entry {
  api::PodPtr pod;     // as last seen
  api::PodPtr source;  // `given` was made from it
  api::PodPtr given;   // with what it was given
  bool over = false;
  std::optional<api::core::PodCondition> pending, in_progress;
};

}  // namespace kubelet::resource
