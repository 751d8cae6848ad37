#include "client/certificate_next.h"

#include <algorithm>

namespace kubelet::client {

Rotation ComputeNext(const RotationInput& input, base::WallTime now) {
  if (!input.want) return {};
  if (!input.current) return {now, RotationReason::kMissing};
  const CertificateInfo& current = *input.current;
  if (now > current.not_after) return {now, RotationReason::kExpired};
  if (input.rejected) return {now, RotationReason::kRejected};
  if (!input.rotate) return {};
  if (input.force) return {now, RotationReason::kForced};
  if (!Satisfies(current, *input.want)) return {now, RotationReason::kTemplate};
  // In seconds: a life may be longer than nanoseconds can hold.
  double from = static_cast<double>(base::UnixNanos(current.not_before)) * 1e-9;
  double to = static_cast<double>(base::UnixNanos(current.not_after)) * 1e-9;
  double at = from + (to - from) * (0.7 + 0.2 * std::clamp(input.jitter, 0.0, 1.0));
  return {base::WallFromUnixNanos(static_cast<int64_t>(at) * 1'000'000'000), RotationReason::kAge};
}

base::Nanos ComputeDelay(int failures, double jitter) {
  auto delay = std::chrono::duration<double>(2 << std::clamp(failures - 1, 0, 4));
  return std::chrono::duration_cast<base::Nanos>(delay * (1 + 0.1 * std::clamp(jitter, 0.0, 1.0)));
}

}  // namespace kubelet::client
