#include "kubelet/runtime/observed.h"

namespace kubelet::runtime {

const Sandbox* ObservedPod::ReadySandbox() const {
  if (sandboxes.empty() || sandboxes.front().state != SandboxState::kReady) return nullptr;
  return &sandboxes.front();
}

const ContainerStatus* ObservedPod::Newest(const std::string& container_name) const {
  for (const auto& container : containers) {
    if (container.name == container_name) return &container;
  }
  return nullptr;
}

bool ObservedPod::AnyRunning() const {
  for (const auto& container : containers) {
    if (container.state != ContainerState::kExited) return true;
  }
  return false;
}

}  // namespace kubelet::runtime
