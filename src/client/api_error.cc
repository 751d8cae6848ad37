#include "absl/strings/cord.h"
#include "kubelet/client/api.h"

namespace kubelet::client {
namespace {

constexpr char kPayload[] = "kubelet.cpp/api-error";
constexpr char kSilence[] = "kubelet.cpp/silence";

absl::StatusCode CodeOf(const ApiError& error) {
  switch (error.code) {
    case 400:
    case 406:
    case 413:
    case 415:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return error.reason == "AlreadyExists" ? absl::StatusCode::kAlreadyExists
                                             : absl::StatusCode::kAborted;
    case 410:
      return absl::StatusCode::kOutOfRange;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    default:
      return error.code >= 500 ? absl::StatusCode::kUnavailable : absl::StatusCode::kUnknown;
  }
}

}  // namespace

// The payload is our own and never leaves the process: code, retry in ns, reason, message, a line
// each.
absl::Status ToStatus(const ApiError& error) {
  std::string message = error.message.empty()
                            ? "the API server answered " + std::to_string(error.code) +
                                  (error.reason.empty() ? "" : " " + error.reason)
                            : error.message;
  absl::Status status(CodeOf(error), message);
  std::string retry = error.retry_after ? std::to_string(error.retry_after->count()) : "";
  status.SetPayload(kPayload, absl::Cord(std::to_string(error.code) + "\n" + retry + "\n" +
                                         error.reason + "\n" + error.message));
  return status;
}

std::optional<ApiError> ErrorOf(const absl::Status& status) {
  auto payload = status.GetPayload(kPayload);
  if (!payload) return std::nullopt;
  std::string text(*payload);
  auto take = [&text] {
    auto end = text.find('\n');
    std::string line = text.substr(0, end);
    text.erase(0, end == std::string::npos ? text.size() : end + 1);
    return line;
  };
  ApiError error;
  error.code = std::stoi(take());
  std::string retry = take();
  if (!retry.empty()) error.retry_after = base::Nanos(std::stoll(retry));
  error.reason = take();
  error.message = text;
  return error;
}

absl::Status SilenceError(const std::string& message) {
  absl::Status status = absl::UnavailableError(message);
  status.SetPayload(kSilence, absl::Cord());
  return status;
}

bool IsSilence(const absl::Status& status) { return status.GetPayload(kSilence).has_value(); }

}  // namespace kubelet::client
