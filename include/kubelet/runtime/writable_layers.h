// The port to what containers have written beside their images, as the runtime counts it. Core loop
// only; codes as those of ContainerRuntime.
#pragma once

#include <vector>

#include "kubelet/runtime/container_runtime.h"

namespace kubelet::runtime {

struct WritableLayer {
  ContainerId container;
  FilesystemUsage usage;
};

class WritableLayers {
 public:
  virtual ~WritableLayers() = default;
  // Of all running containers, as they were counted last (containerd: every ten seconds).
  virtual Task<absl::StatusOr<std::vector<WritableLayer>>> ListWritableLayers() = 0;
};

}  // namespace kubelet::runtime
