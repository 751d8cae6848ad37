// The image half of CRI v1; see container_runtime.h for threads, codes and lifetimes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/cri/connection.h"
#include "kubelet/runtime/container_runtime.h"

namespace kubelet::cri {

class GrpcImageService final : public runtime::ImageService {
 public:
  explicit GrpcImageService(const CriConnection& connection);
  ~GrpcImageService() override;

  base::Task<absl::StatusOr<std::vector<runtime::Image>>> ListImages() override;
  // Internal when the runtime names an image without id or size: it cannot be compared or accounted
  // for.
  base::Task<absl::StatusOr<std::optional<runtime::Image>>> ImageStatus(
      runtime::ImageSpec image) override;
  base::Task<absl::StatusOr<std::string>> PullImage(runtime::ImageSpec image,
                                                    std::optional<runtime::AuthConfig> auth,
                                                    runtime::SandboxConfig sandbox) override;
  base::Task<absl::Status> RemoveImage(std::string image) override;
  base::Task<absl::StatusOr<FsInfo>> ImageFsInfo() override;

 private:
  std::shared_ptr<CriConnection::Core> core_;
};

}  // namespace kubelet::cri
