// Points in time. Wall time is for what people and the API see; monotonic time is for every delay and deadline.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kubelet::base {

using Nanos = std::chrono::nanoseconds;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Nanos>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Nanos>;

inline WallTime WallFromUnixNanos(int64_t nanos) { return WallTime(Nanos(nanos)); }
inline int64_t UnixNanos(WallTime t) { return t.time_since_epoch().count(); }

// `1h0m0s`, `1.5s`, `100ms`, `0s`: the text of Go's time.Duration, which users see in messages.
std::string GoDuration(Nanos d);

// RFC 3339 in UTC; whole seconds, or with exactly nine fraction digits.
std::string Rfc3339(WallTime t);
std::string Rfc3339Nano(WallTime t);

}  // namespace kubelet::base
