// What API volumes are filled from. Consumer-owned port; the app puts the API client's caches
// behind it. Core loop only.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "k8s/core/v1/config.pb.h"
#include "k8s/core/v1/persistent_volume.pb.h"
#include "k8s/core/v1/volume_claim.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"

namespace kubelet::volume {

struct Token {
  std::string text;
  base::WallTime refresh_at;  // ask again then
};

// Of a projected podCertificate source.
struct PodCertificate {
  std::string key_pem, chain_pem;  // PKCS#8; leaf first
};

// NotFound: the object is not there (an optional one is passed over); Unavailable: ask later.
class Objects {
 public:
  virtual ~Objects() = default;
  virtual base::Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> ConfigMap(
      std::string namespace_, std::string name) = 0;
  virtual base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string namespace_, std::string name) = 0;
  // Of the pod's service account, bound to the pod. An empty audience is the API server's.
  virtual base::Task<absl::StatusOr<Token>> ServiceAccountToken(api::PodPtr pod,
                                                                std::string audience,
                                                                int64_t expiration_seconds) = 0;

  // What only some providers have; where they have not, FailedPrecondition says that it needs the
  // API server. Read anew at each call.
  virtual base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolumeClaim>>> Claim(
      std::string namespace_, std::string name);
  virtual base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>>
  PersistentVolume(std::string name);
  // The certificates that a clusterTrustBundle source selects, in PEM, each once. `pod_uid` is who
  // shows them: it is told of changes until it is forgotten.
  virtual base::Task<absl::StatusOr<std::string>> TrustAnchors(
      std::string pod_uid, api::core::ClusterTrustBundleProjection source);
  // Of `spec.volumes[name == volume].projected.sources[source]`; FailedPrecondition: refused for
  // good. The pod is told when there is another.
  virtual base::Task<absl::StatusOr<PodCertificate>> Certificate(api::PodPtr pod,
                                                                 std::string volume, int source);
};

}  // namespace kubelet::volume
