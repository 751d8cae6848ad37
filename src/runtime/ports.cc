#include "kubelet/runtime/ports.h"

namespace kubelet::runtime {

const char* WaitingReasonName(WaitingReason reason) {
  switch (reason) {
    case WaitingReason::kNone: return "";
    case WaitingReason::kContainerCreating: return "ContainerCreating";
    case WaitingReason::kPodInitializing: return "PodInitializing";
    case WaitingReason::kCrashLoopBackOff: return "CrashLoopBackOff";
    case WaitingReason::kImagePullBackOff: return "ImagePullBackOff";
    case WaitingReason::kErrImagePull: return "ErrImagePull";
    case WaitingReason::kErrImageNeverPull: return "ErrImageNeverPull";
    case WaitingReason::kImageInspectError: return "ImageInspectError";
    case WaitingReason::kInvalidImageName: return "InvalidImageName";
    case WaitingReason::kRegistryUnavailable: return "RegistryUnavailable";
    case WaitingReason::kSignatureValidationFailed: return "SignatureValidationFailed";
    case WaitingReason::kCreateContainerConfigError: return "CreateContainerConfigError";
    case WaitingReason::kCreateContainerError: return "CreateContainerError";
    case WaitingReason::kRunContainerError: return "RunContainerError";
    case WaitingReason::kPostStartHookError: return "PostStartHookError";
  }
  return "";
}

}  // namespace kubelet::runtime
