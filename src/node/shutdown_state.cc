#include "node/shutdown_state.h"

#include "kubelet/api/time.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"

namespace kubelet::node {
namespace {

constexpr size_t kMostBytes = 4096;
constexpr char kNever[] = "0001-01-01T00:00:00Z";

std::string Text(const std::optional<base::WallTime>& time) {
  return time ? base::Rfc3339Nano(*time) : kNever;
}

// The text of a field of a flat object; the file has nothing that needs escapes.
absl::StatusOr<std::optional<base::WallTime>> TimeOf(const std::string& json,
                                                     const std::string& field) {
  std::string key = "\"" + field + "\":\"";
  size_t at = json.find(key);
  if (at == std::string::npos) return std::optional<base::WallTime>();
  size_t begin = at + key.size(), end = json.find('"', begin);
  if (end == std::string::npos) return absl::InvalidArgumentError("an open string");
  std::string text = json.substr(begin, end - begin);
  if (text == kNever) return std::optional<base::WallTime>();
  ASSIGN_OR_RETURN(auto time, api::ParseRfc3339(text));
  return std::optional(
      base::WallFromUnixNanos(time.seconds * 1'000'000'000 + static_cast<int64_t>(time.nanos)));
}

}  // namespace

absl::StatusOr<ShutdownState> LoadShutdownState(const std::string& path) {
  auto file = os::ReadRegularFile(path, kMostBytes);
  if (absl::IsNotFound(file.status())) return ShutdownState();
  if (!file.ok()) return file.status();
  auto start = TimeOf(file->text, "startTime");
  auto end = TimeOf(file->text, "endTime");
  if (!start.ok()) return base::Annotate(start.status(), path + ": startTime");
  if (!end.ok()) return base::Annotate(end.status(), path + ": endTime");
  return ShutdownState{*start, *end};
}

absl::Status StoreShutdownState(const std::string& path, const ShutdownState& state) {
  return os::WriteFileAtomic(
      path, "{\"startTime\":\"" + Text(state.start) + "\",\"endTime\":\"" + Text(state.end) + "\"}",
      0644);
}

}  // namespace kubelet::node
