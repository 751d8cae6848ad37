#include "volume/claims.h"

#include <algorithm>

#include "kubelet/api/node_selector.h"
#include "kubelet/base/status.h"

namespace kubelet::volume {

using api::core::PersistentVolumeClaim;
using api::core::Pod;
using api::core::Volume;
using base::Task;

namespace {

constexpr char kProtection[] = "kubernetes.io/pvc-protection";

// What is not there yet is waited for; other answers keep their meaning.
absl::Status Failed(const absl::Status& status, const std::string& what) {
  std::string text = what + " from API server: " + base::Message(status);
  if (absl::IsNotFound(status)) return absl::FailedPreconditionError(text);
  return absl::Status(status.code(), text);
}

const Volume* VolumeNamed(const Pod& pod, const std::string& name) {
  for (const auto& volume : pod.spec().volumes())
    if (volume.name() == name) return &volume;
  return nullptr;
}

Task<absl::StatusOr<ClaimedVolume>> Resolve(Objects& objects, api::PodPtr pod, std::string name,
                                            bool ephemeral) {
  auto claim = co_await objects.Claim(pod->metadata().namespace_(), std::move(name));
  if (!claim.ok()) co_return Failed(claim.status(), "failed to fetch PVC");
  absl::Status status = CheckClaim(**claim);
  if (status.ok() && ephemeral) status = CheckOwner(*pod, **claim);
  if (!status.ok()) co_return status;
  std::string volume_name = (*claim)->spec().volume_name();
  auto volume = co_await objects.PersistentVolume(volume_name);
  if (!volume.ok()) co_return Failed(volume.status(), "failed to fetch PV " + volume_name);
  status = CheckBinding(**volume, **claim);
  if (!status.ok()) co_return status;
  ClaimedVolume out;
  out.volume = *std::move(volume);
  co_return out;
}

}  // namespace

std::string ClaimNameOf(const Pod& pod, const Volume& volume) {
  const auto& source = volume.volume_source();
  if (source.has_persistent_volume_claim()) return source.persistent_volume_claim().claim_name();
  return source.has_ephemeral() ? pod.metadata().name() + "-" + volume.name() : "";
}

absl::Status CheckClaim(const PersistentVolumeClaim& claim) {
  const auto& meta = claim.metadata();
  bool kept = std::find(meta.finalizers().begin(), meta.finalizers().end(), kProtection) !=
              meta.finalizers().end();
  if (meta.has_deletion_timestamp() && !kept)
    return absl::FailedPreconditionError("PVC is being deleted");
  if (claim.status().phase() != "Bound") return absl::FailedPreconditionError("PVC is not bound");
  if (claim.spec().volume_name().empty())
    return absl::FailedPreconditionError("PVC has empty pvc.Spec.VolumeName");
  return absl::OkStatus();
}

absl::Status CheckBinding(const api::core::PersistentVolume& volume,
                          const PersistentVolumeClaim& claim) {
  std::string found = "found PV object " + claim.spec().volume_name() + " but ";
  if (!volume.spec().has_claim_ref())
    return absl::FailedPreconditionError(
        found + "it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim");
  const std::string& uid = volume.spec().claim_ref().uid();
  if (uid != claim.metadata().uid())
    return absl::FailedPreconditionError(found + "its pv.Spec.ClaimRef.UID " + uid +
                                         " does not point to claim.UID " + claim.metadata().uid());
  return absl::OkStatus();
}

absl::Status CheckOwner(const Pod& pod, const PersistentVolumeClaim& claim) {
  const auto& owners = claim.metadata().owner_references();
  bool ours = std::any_of(owners.begin(), owners.end(), [&](const auto& owner) {
    return owner.controller() && owner.uid() == pod.metadata().uid();
  });
  if (ours && claim.metadata().namespace_() == pod.metadata().namespace_()) return absl::OkStatus();
  return absl::FailedPreconditionError("PVC " + claim.metadata().namespace_() + "/" +
                                       claim.metadata().name() + " was not created for pod " +
                                       api::PodKey(pod) + " (pod is not owner)");
}

absl::Status CheckNodeAffinity(const api::core::PersistentVolume& volume,
                               const std::map<std::string, std::string>& labels) {
  const auto& affinity = volume.spec().node_affinity();
  if (!affinity.has_required() || api::MatchesNodeSelector(affinity.required(), "", labels))
    return absl::OkStatus();
  return absl::FailedPreconditionError("no matching NodeSelectorTerms");
}

Task<absl::StatusOr<ClaimedVolume>> ResolveClaim(Objects& objects, api::PodPtr pod,
                                                 std::string volume) {
  const Volume* spec = VolumeNamed(*pod, volume);
  if (spec == nullptr) co_return absl::FailedPreconditionError("spec.volumes has no such volume");
  std::string name = ClaimNameOf(*pod, *spec);
  bool ephemeral = spec->volume_source().has_ephemeral();
  auto claimed = co_await Resolve(objects, pod, name, ephemeral);
  if (!claimed.ok()) {
    std::string about = "error processing PVC " + pod->metadata().namespace_() + "/" + name;
    co_return base::Annotate(claimed.status(), about);
  }
  claimed->read_only = spec->volume_source().persistent_volume_claim().read_only();
  co_return claimed;
}

}  // namespace kubelet::volume
