// What pulling needs of the API server. Consumer-owned port; the app puts the API client's caches
// behind it. Core loop only. NotFound: there is no such object; Unavailable: ask later.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "k8s/core/v1/config.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"

namespace kubelet::image {

struct ServiceAccountFacts {
  std::string uid;
  std::map<std::string, std::string> annotations;
};

class Objects {
 public:
  virtual ~Objects() = default;
  virtual base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string namespace_, std::string name) = 0;
  virtual base::Task<absl::StatusOr<ServiceAccountFacts>> ServiceAccount(std::string namespace_,
                                                                         std::string name) = 0;
  // A token of the pod's service account (which must still have this uid), bound to the pod.
  virtual base::Task<absl::StatusOr<std::string>> PullToken(api::PodPtr pod, std::string audience,
                                                            std::string account_uid) = 0;
};

}  // namespace kubelet::image
