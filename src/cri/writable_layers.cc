#include "kubelet/cri/writable_layers.h"

#include "cri/call.h"
#include "cri/convert.h"

namespace kubelet::cri {

using Stub = v1::RuntimeService::Stub;

GrpcWritableLayers::GrpcWritableLayers(const CriConnection& connection)
    : core_(connection.core()) {}
GrpcWritableLayers::~GrpcWritableLayers() = default;

base::Task<absl::StatusOr<std::vector<runtime::WritableLayer>>>
GrpcWritableLayers::ListWritableLayers() {
  auto call = NewCall<v1::ListContainerStatsRequest, v1::ListContainerStatsResponse>();
  absl::Status status =
      co_await Invoke(core_, "list_container_stats", core_->runtime.get(),
                      &Stub::PrepareAsyncListContainerStats, call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  std::vector<runtime::WritableLayer> out;
  for (const auto& stats : call->response.stats()) {
    if (!stats.has_writable_layer()) continue;
    out.push_back(
        {runtime::ContainerId(stats.attributes().id()), FromProto(stats.writable_layer())});
  }
  co_return out;
}

}  // namespace kubelet::cri
