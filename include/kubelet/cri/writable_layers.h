// runtime::WritableLayers over CRI's ListContainerStats. Codes are gRPC's.
#pragma once

#include <memory>
#include <vector>

#include "kubelet/cri/connection.h"
#include "kubelet/runtime/writable_layers.h"

namespace kubelet::cri {

class GrpcWritableLayers final : public runtime::WritableLayers {
 public:
  // `connection` must outlive the tasks of this object.
  explicit GrpcWritableLayers(const CriConnection& connection);
  ~GrpcWritableLayers() override;

  base::Task<absl::StatusOr<std::vector<runtime::WritableLayer>>> ListWritableLayers() override;

 private:
  std::shared_ptr<CriConnection::Core> core_;
};

}  // namespace kubelet::cri
