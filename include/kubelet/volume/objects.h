// What API volumes are filled from. Consumer-owned port; the app puts the API client's caches
// behind it. Core loop only.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "k8s/core/v1/config.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"

namespace kubelet::volume {

struct Token {
  std::string text;
  base::WallTime refresh_at;  // ask again then
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
};

}  // namespace kubelet::volume
