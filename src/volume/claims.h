// From a volume of a pod to the PersistentVolume behind it: volumes[].persistentVolumeClaim and
// volumes[].ephemeral. Facts and words: pkg/kubelet/volumemanager/populator
// (createVolumeSpec, getPVCExtractPV, getPVSpec), component-helpers storage/ephemeral of 1.36.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/volume/objects.h"

namespace kubelet::volume {

struct ClaimedVolume {
  std::shared_ptr<const api::core::PersistentVolume> volume;
  bool read_only = false;  // what the pod says of its claim
};

// The name of the claim that the volume stands for: its own, or `<pod>-<volume>` of an ephemeral
// one; empty for every other kind.
std::string ClaimNameOf(const api::core::Pod& pod, const api::core::Volume& volume);

// Pure; FailedPrecondition says what to wait for.
// A claim that is bound, and not on its way out without its protection.
absl::Status CheckClaim(const api::core::PersistentVolumeClaim& claim);
// The volume points back at the claim.
absl::Status CheckBinding(const api::core::PersistentVolume& volume,
                          const api::core::PersistentVolumeClaim& claim);
// The claim of an ephemeral volume was made for this very pod.
absl::Status CheckOwner(const api::core::Pod& pod, const api::core::PersistentVolumeClaim& claim);

// The node's labels are among those that the volume is for; FailedPrecondition else.
absl::Status CheckNodeAffinity(const api::core::PersistentVolume& volume,
                               const std::map<std::string, std::string>& labels);

// Asks for claim and volume, one GET each: a node may read single ones, not watch them. Whoever
// comes again later asks again. FailedPrecondition: not there, or not bound; Unavailable and other
// codes as the API server gives them. Begins with `error processing PVC ns/name: `.
base::Task<absl::StatusOr<ClaimedVolume>> ResolveClaim(Objects& objects, api::PodPtr pod,
                                                       std::string volume);

}  // namespace kubelet::volume
