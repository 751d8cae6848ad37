// Time, MicroTime and Duration messages against the clocks of base, and the two texts that carry
// them: RFC 3339 and Go durations. Pure functions; thread safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/base/time.h"

namespace kubelet::api {

// A point in time as the wire holds it: any year from 0 to 9999, further than WallTime reaches.
struct UnixTime {
  int64_t seconds = 0;
  int32_t nanos = 0;  // 0 to 999999999, also before 1970
  bool operator==(const UnixTime&) const = default;
};

// RFC 3339 with any offset and up to nine fraction digits (further ones are dropped), upper case T
// and Z, no leap second: what Go's time.Parse accepts. InvalidArgument quotes the text.
absl::StatusOr<UnixTime> ParseRfc3339(std::string_view text);
// UTC. `fraction_digits`: 0, 6 or 9, cut and not rounded.
std::string FormatRfc3339(const UnixTime& time, int fraction_digits);

// `1h30m`, `-1.5s`, `100ms`, `0`: what Go's time.ParseDuration accepts. InvalidArgument quotes the
// text. The way back is base::GoDuration.
absl::StatusOr<base::Nanos> ParseGoDuration(std::string_view text);

// The zero time is an empty message: nullopt. A time outside of WallTime is clamped to its ends.
// The nanos of a Time mean nothing on the wire and are passed over.
std::optional<base::WallTime> ToWallTime(const meta::Time& time);
std::optional<base::WallTime> ToWallTime(const meta::MicroTime& time);
// Cut to whole seconds, and to microseconds.
meta::Time ToTime(base::WallTime time);
meta::MicroTime ToMicroTime(base::WallTime time);

inline base::Nanos ToNanos(const meta::Duration& duration) {
  return base::Nanos(duration.duration());
}
meta::Duration ToDuration(base::Nanos duration);

}  // namespace kubelet::api
