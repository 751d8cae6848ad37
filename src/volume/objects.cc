#include "kubelet/volume/objects.h"

namespace kubelet::volume {

using base::Task;

namespace {

absl::Status NeedsApi() {
  return absl::FailedPreconditionError("needs the API server, which is not configured");
}

}  // namespace

Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolumeClaim>>> Objects::Claim(
    std::string, std::string) {
  co_return NeedsApi();
}

Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>> Objects::PersistentVolume(
    std::string) {
  co_return NeedsApi();
}

Task<absl::StatusOr<std::string>> Objects::TrustAnchors(std::string,
                                                        api::core::ClusterTrustBundleProjection) {
  co_return NeedsApi();
}

Task<absl::StatusOr<PodCertificate>> Objects::Certificate(api::PodPtr, std::string, int) {
  co_return NeedsApi();
}

}  // namespace kubelet::volume
