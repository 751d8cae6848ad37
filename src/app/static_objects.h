// What static pods read when --local-objects-dir is given: ConfigMaps and Secrets out of local
// files, and everything else as other pods do. Glue, no policy. Core loop only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/cluster.h"
#include "kubelet/runtime/environment.h"
#include "kubelet/source/local_objects.h"
#include "kubelet/volume/objects.h"

namespace kubelet::app {

class StaticObjects : public volume::Objects, public runtime::EnvObjects {
 public:
  // `cluster` null: there is no API server.
  StaticObjects(source::LocalObjectsOptions options, source::LocalObjects::Deps deps,
                Cluster* cluster)
      : local_(std::move(options), std::move(deps)), cluster_(cluster) {}
  source::LocalObjects& local() { return local_; }

  base::Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> ConfigMap(
      std::string namespace_, std::string name) override {
    co_return local_.ConfigMap(namespace_, name);
  }
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string namespace_, std::string name) override {
    co_return local_.Secret(namespace_, name);
  }
  base::Task<absl::StatusOr<volume::Token>> ServiceAccountToken(
      api::PodPtr pod, std::string audience, int64_t expiration_seconds) override;
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolumeClaim>>> Claim(
      std::string namespace_, std::string name) override;
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>> PersistentVolume(
      std::string name) override;
  base::Task<absl::StatusOr<runtime::EnvList>> ServiceEnvironment(api::PodPtr pod) override;
  base::Task<absl::StatusOr<std::string>> RuntimeHandler(std::string runtime_class) override;

 private:
  source::LocalObjects local_;
  Cluster* cluster_;
};

}  // namespace kubelet::app
