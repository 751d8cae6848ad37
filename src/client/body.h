// Bodies of requests and answers: which form, compressed or not, object or error. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/message.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

inline constexpr char kProtobufType[] = "application/vnd.kubernetes.protobuf";
inline constexpr char kJsonType[] = "application/json";
inline constexpr size_t kBodyLimit = 64 * 1024 * 1024;  // unpacked

enum class Form { kProtobuf, kJson, kOther };
// By the media type, parameters aside; none at all means JSON.
Form FormOf(const std::string& content_type);
// The Accept header: protobuf and, failing that, JSON; or JSON alone.
const char* AcceptFor(bool protobuf);

std::string EncodeBody(const google::protobuf::Message& message, bool protobuf);
// Into `out`, which is cleared first. Unavailable: the server sent what it should not.
absl::Status DecodeBody(Form form, std::string_view body, google::protobuf::Message& out);

// The error that an answer (of 300 or more) is: its meta.v1.Status in either form, else its text.
absl::Status ErrorFromAnswer(const ResponseHead& head, std::string_view body);
// The Status of a watch's ERROR event.
absl::Status ErrorFromStatusObject(Form form, std::string_view object);
// Retry-After in whole seconds, as the API server sends it; another form counts as absent.
std::optional<base::Nanos> RetryAfter(const ResponseHead& head);

// Collects a body, unpacking gzip as it comes.
class BodyReader {
 public:
  explicit BodyReader(bool gzip, size_t limit = kBodyLimit);
  ~BodyReader();
  // Unavailable: damaged. ResourceExhausted: over the limit.
  absl::Status Add(std::string_view bytes);
  absl::Status End();                              // Unavailable: cut off
  std::string Take() { return std::move(text_); }  // after End

 private:
  absl::Status Inflate(std::string_view bytes);
  struct Zlib;
  std::unique_ptr<Zlib> zlib_;
  size_t limit_;
  std::string text_;
};

}  // namespace kubelet::client
