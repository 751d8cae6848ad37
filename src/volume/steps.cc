#include "volume/steps.h"

#include "kubelet/base/status.h"

namespace kubelet::volume {

absl::Status StepFailed(const std::string& step, const std::string& volume,
                        const absl::Status& status) {
  return base::Annotate(status, step + " failed for volume \"" + volume + "\" ");
}

absl::Status VolumeFailed(const api::core::Pod& pod, const std::string& volume, bool device,
                          const absl::Status& status) {
  std::string text = base::Message(status);
  bool named = text.starts_with("MountVolume.") || text.starts_with("MapVolume.");
  const char* step = device ? "MapVolume.MapPodDevice" : "MountVolume.SetUp";
  return base::Annotate(named ? status : StepFailed(step, volume, status),
                        "pod " + api::PodKey(pod));
}

// The check is made before the operation of the device, which has a reason of its own.
const char* FailureReason(bool device, const std::string& message) {
  return device && !message.starts_with("MapVolume.NodeAffinity ") ? "FailedMapVolume"
                                                                   : "FailedMount";
}

}  // namespace kubelet::volume
