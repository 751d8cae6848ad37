// What a client asks of a log: PodLogOptions as query parameters. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/api/time.h"
#include "server/request.h"

namespace kubelet::server {

struct LogQuery {
  bool follow = false, previous = false, timestamps = false;
  bool out = true, err = true;  // streams that are wanted
  std::optional<int64_t> tail_lines, limit_bytes;
  std::optional<api::UnixTime> since;  // entries before it are left out
};

// InvalidArgument: it cannot be decoded (400), FailedPrecondition: values are no good (422),
// OutOfRange: a stream is asked for that the gate forbids (400). Messages are upstream's bodies.
absl::StatusOr<LogQuery> ParseLogQuery(const Pairs& query, bool split_streams, base::WallTime now);

}  // namespace kubelet::server
