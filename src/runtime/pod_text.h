// How messages name a pod, so that they are the same words as upstream's (pkg/kubelet/util/format).
#pragma once

#include <string>

#include "kubelet/api/types.h"

namespace kubelet::runtime {

// `name_namespace(uid)`
inline std::string PodText(const api::core::Pod& pod) {
  return pod.metadata().name() + "_" + pod.metadata().namespace_() + "(" + pod.metadata().uid() +
         ")";
}

}  // namespace kubelet::runtime
