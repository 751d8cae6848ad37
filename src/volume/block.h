// Block volumes (volumeMode: Block): a device of the node that containers get as it is. Layout as
// pkg/volume/util MapBlockVolume of 1.36, below the kubelet's root:
//   pods/<uid>/volumeDevices/kubernetes.io~local-volume/<pv>            link to the device
//   plugins/kubernetes.io~local-volume/volumeDevices/<pv>/<uid>         bind mount of the device
// and a loop device on the latter, so that no other device can take the name meanwhile. The link is
// made first and goes last: a crash in between leaves nothing that a teardown does not find.
// Blocking.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "volume/persistent.h"

namespace kubelet::volume {

// Where the device lies once for each pod that has it.
std::string DevicePlaces(const std::string& root_dir, const std::string& volume);
std::string DeviceLink(const std::string& pod_dir, const std::string& volume);

// FailedPrecondition: no block device is there. Idempotent. Without a free loop device the volume
// is mapped all the same, and that is logged (upstream: refused).
absl::Status MapBlock(const std::string& root_dir, const std::string& uid,
                      const PersistentPlan& plan);

// Of all that the pod has a link for. Absent is success; Unavailable: a device is busy.
absl::Status UnmapBlocks(const std::string& root_dir, const std::string& uid);

// Names of the volumes that have a link in the pod's directory.
std::vector<std::string> DevicesOf(const std::string& pod_dir);

}  // namespace kubelet::volume
