// Failures under the names of the steps that upstream has for them, as its events word them
// (GenerateError of pkg/volume/util/operationexecutor, 1.36). Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "kubelet/api/types.h"

namespace kubelet::volume {

// `<step> failed for volume "<volume>" : <message>`; OK stays OK. Once a claim is resolved upstream
// names its PersistentVolume, before that the pod's volume.
absl::Status StepFailed(const std::string& step, const std::string& volume,
                        const absl::Status& status);

// The same with `pod ns/name: ` in front; a failure that names its step already keeps that, every
// other is one of SetUp (or MapPodDevice, of a device).
absl::Status VolumeFailed(const api::core::Pod& pod, const std::string& volume, bool device,
                          const absl::Status& status);

// The event's reason for the message of such a failure.
const char* FailureReason(bool device, const std::string& message);

}  // namespace kubelet::volume
