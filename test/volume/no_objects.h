// An API server without ConfigMaps, Secrets and tokens, for tests of what else it has.
#pragma once

#include "kubelet/volume/objects.h"

namespace kubelet::test {

struct NoObjects : volume::Objects {
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> ConfigMap(
      std::string, std::string) override {
    co_return absl::NotFoundError("no");
  }
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string, std::string) override {
    co_return absl::NotFoundError("no");
  }
  base::Task<absl::StatusOr<volume::Token>> ServiceAccountToken(api::PodPtr, std::string,
                                                                int64_t) override {
    co_return absl::NotFoundError("no");
  }
};

}  // namespace kubelet::test
