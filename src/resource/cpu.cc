#include "kubelet/resource/cpu.h"

#include <algorithm>

namespace kubelet::resource {

uint64_t MilliCpuToShares(int64_t milli_cpu) {
  if (milli_cpu <= 0) return kMinShares;
  auto shares = static_cast<unsigned __int128>(milli_cpu) * 1024 / 1000;
  if (shares > kMaxShares) return kMaxShares;
  return std::max(static_cast<uint64_t>(shares), kMinShares);
}

int64_t MilliCpuToQuota(int64_t milli_cpu, int64_t period_us) {
  if (milli_cpu <= 0) return 0;
  auto quota = static_cast<__int128>(milli_cpu) * period_us / 1000;
  // What the kernel takes at most (kernel/sched/core.c max_cfs_runtime), some 213 days.
  constexpr __int128 kMaxQuotaUs = (uint64_t{1} << 44) - 1;
  return std::max(static_cast<int64_t>(std::min(quota, kMaxQuotaUs)), kMinQuotaUs);
}

}  // namespace kubelet::resource
