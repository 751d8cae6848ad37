#include "cri/call.h"

namespace kubelet::cri {

void SetTimeout(grpc::ClientContext& context, std::optional<base::Nanos> timeout) {
  if (!timeout) return;
  context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                    gpr_time_from_nanos(timeout->count(), GPR_TIMESPAN)));
}

}  // namespace kubelet::cri
