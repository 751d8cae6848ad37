#include "image/pull_texts.h"

#include <algorithm>

#include "kubelet/base/status.h"

namespace kubelet::image {
namespace {

const char* CodeName(absl::StatusCode code) {
  constexpr const char* kNames[] = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  auto number = static_cast<size_t>(code);
  return number < std::size(kNames) ? kNames[number] : "Unknown";
}

std::string Milliseconds(base::Nanos time) {
  return base::GoDuration(std::chrono::floor<std::chrono::milliseconds>(time));
}

}  // namespace

std::string PullErrorText(const absl::Status& error) {
  std::string text = base::Message(error);
  if (error.code() == absl::StatusCode::kUnknown) return text;
  return std::string("rpc error: code = ") + CodeName(error.code()) + " desc = " + text;
}

std::string JoinErrors(const std::vector<std::string>& texts) {
  std::vector<std::string> once;
  for (const auto& text : texts)
    if (std::find(once.begin(), once.end(), text) == once.end()) once.push_back(text);
  if (once.size() == 1) return once.front();
  std::string out;
  for (const auto& text : once) out += (out.empty() ? "[" : ", ") + text;
  return out + "]";
}

runtime::Waiting PullProblem(const std::string& image, const std::string& text) {
  struct Special {
    const char* name;
    runtime::WaitingReason reason;
    const char* words;
  };
  constexpr Special kSpecial[] = {
      {"RegistryUnavailable", runtime::WaitingReason::kRegistryUnavailable,
       "the registry is unavailable"},
      {"SignatureValidationFailed", runtime::WaitingReason::kSignatureValidationFailed,
       "the signature validation failed"}};
  for (const auto& special : kSpecial) {
    const std::string name = special.name;
    if (text.rfind(name, 0) != 0) continue;
    return {special.reason, "image pull failed for " + image + " because " + special.words +
                                text.substr(name.size())};
  }
  return {runtime::WaitingReason::kErrImagePull, text};
}

std::string PulledText(const std::string& image, base::Nanos pulling, base::Nanos with_waiting,
                       uint64_t bytes) {
  return "Successfully pulled image \"" + image + "\" in " + Milliseconds(pulling) + " (" +
         Milliseconds(with_waiting) + " including waiting). Image size: " + std::to_string(bytes) +
         " bytes.";
}

std::string BackOffText(const std::string& image) {
  return "Back-off pulling image \"" + image + "\"";
}

std::string SizeBucket(uint64_t bytes) {
  constexpr uint64_t kMiB = 1 << 20, kGiB = 1 << 30;
  struct Bucket {
    uint64_t above;
    const char* label;
  };
  constexpr Bucket kBuckets[] = {
      {100 * kGiB, "GT100GB"},     {60 * kGiB, "60GB-100GB"}, {40 * kGiB, "40GB-60GB"},
      {30 * kGiB, "30GB-40GB"},    {20 * kGiB, "20GB-30GB"},  {10 * kGiB, "10GB-20GB"},
      {5 * kGiB, "5GB-10GB"},      {kGiB, "1GB-5GB"},         {500 * kMiB, "500MB-1GB"},
      {100 * kMiB, "100MB-500MB"}, {10 * kMiB, "10MB-100MB"}, {0, "0-10MB"}};
  for (const auto& bucket : kBuckets)
    if (bytes > bucket.above) return bucket.label;
  return "N/A";
}

}  // namespace kubelet::image
