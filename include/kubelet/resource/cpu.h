// CPU amounts in the units of the kernel's scheduler (pkg/kubelet/cm/helpers_linux.go,
// kernel/sched/core.c).
#pragma once

#include <cstdint>

namespace kubelet::resource {

inline constexpr uint64_t kMinShares = 2;
inline constexpr uint64_t kMaxShares = 262144;
inline constexpr int64_t kMinQuotaUs = 1000;
inline constexpr int64_t kDefaultPeriodUs = 100000;

// 1024 shares a CPU, within what the kernel takes; nothing asked for is the minimum.
uint64_t MilliCpuToShares(int64_t milli_cpu);
// Microseconds of CPU time in each period, at least a millisecond; 0 for 0.
int64_t MilliCpuToQuota(int64_t milli_cpu, int64_t period_us = kDefaultPeriodUs);

}  // namespace kubelet::resource
