#include "server/log_query.h"

#include <charconv>

namespace kubelet::server {
namespace {

constexpr char kUndecodable[] = R"({"message": "Unable to decode query."})";
constexpr char kInvalid[] = R"({"message": "Invalid request."})";

const std::string* First(const Pairs& query, const std::string& name) {
  for (const auto& [key, value] : query)
    if (key == name) return &value;
  return nullptr;
}

// Anything but these is yes (apimachinery pkg/runtime Convert_Slice_string_To_bool).
bool Flag(const Pairs& query, const std::string& name) {
  const std::string* text = First(query, name);
  if (text == nullptr) return false;
  return *text != "0" && !SameIgnoringCase(*text, "false");
}

// False: no number.
bool Number(const std::string* text, std::optional<int64_t>& out) {
  if (text == nullptr) return true;
  int64_t value = 0;
  const char* begin = text->data();
  const char* end = begin + text->size();
  if (begin < end && *begin == '+') ++begin;
  auto [rest, ec] = std::from_chars(begin, end, value);
  if (ec != std::errc() || rest != end) return false;
  out = value;
  return true;
}

}  // namespace

absl::StatusOr<LogQuery> ParseLogQuery(const Pairs& query, bool split_streams, base::WallTime now) {
  LogQuery out;
  out.follow = Flag(query, "follow");
  out.previous = Flag(query, "previous");
  out.timestamps = Flag(query, "timestamps");
  std::optional<int64_t> since_seconds;
  // `tail` is the older name.
  const std::string* tail = First(query, "tail");
  if (tail == nullptr || tail->empty()) tail = First(query, "tailLines");
  if (tail != nullptr && tail == First(query, "tail") && *tail == "all") tail = nullptr;
  if (!Number(tail, out.tail_lines) || !Number(First(query, "limitBytes"), out.limit_bytes) ||
      !Number(First(query, "sinceSeconds"), since_seconds))
    return absl::InvalidArgumentError(kUndecodable);
  const std::string* since_time = First(query, "sinceTime");
  if (since_time != nullptr && !since_time->empty()) {
    auto time = api::ParseRfc3339(*since_time);
    if (!time.ok()) return absl::InvalidArgumentError(kUndecodable);
    out.since = *time;
  }
  if ((out.tail_lines && *out.tail_lines < 0) || (out.limit_bytes && *out.limit_bytes < 1) ||
      (since_seconds && (out.since || *since_seconds < 1)))
    return absl::FailedPreconditionError(kInvalid);
  const std::string* stream = First(query, "stream");
  if (stream != nullptr && split_streams) {
    if (*stream != "All" && *stream != "Stdout" && *stream != "Stderr")
      return absl::FailedPreconditionError(kInvalid);
    if (*stream != "All" && out.tail_lines) return absl::FailedPreconditionError(kInvalid);
    out.out = *stream != "Stderr";
    out.err = *stream != "Stdout";
  } else if (stream != nullptr && *stream != "All") {
    return absl::OutOfRangeError(
        "unable to return the given log stream: \"" + *stream +
        "\". Please enable PodLogsQuerySplitStreams feature gate in kubelet");
  }
  if (since_seconds) {
    int64_t nanos = base::UnixNanos(now);
    api::UnixTime since;
    since.seconds = nanos / 1'000'000'000 - *since_seconds;
    since.nanos = static_cast<int32_t>(nanos % 1'000'000'000);
    out.since = since;
  }
  return out;
}

}  // namespace kubelet::server
