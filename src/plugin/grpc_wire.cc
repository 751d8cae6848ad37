#include "plugin/grpc_wire.h"

#include <charconv>

#include "kubelet/base/status.h"

namespace kubelet::plugin {
namespace {

constexpr size_t kPrefix = 5;

absl::StatusCode CodeOfHttp(int status) {
  switch (status) {
    case 400:
      return absl::StatusCode::kInternal;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kUnknown;
  }
}

}  // namespace

std::string Framed(std::string_view message) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message.size() >> shift);
  return out.append(message);
}

absl::StatusOr<bool> Deframer::Next(std::string& message) {
  if (buffer_.size() < kPrefix) return false;
  if (buffer_[0] != 0) return absl::UnimplementedError("the message is compressed");
  size_t size = 0;
  for (size_t i = 1; i < kPrefix; ++i) size = size << 8 | static_cast<unsigned char>(buffer_[i]);
  if (size > kMaxMessage)
    return absl::ResourceExhaustedError("a message of " + std::to_string(size) +
                                        " bytes is longer than " + std::to_string(kMaxMessage));
  if (buffer_.size() < kPrefix + size) return false;
  message.assign(buffer_, kPrefix, size);
  buffer_.erase(0, kPrefix + size);
  return true;
}

std::string PercentEncoded(std::string_view text) {
  static const char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* digits = text.data() + i + 1;
    bool escape = text[i] == '%' && i + 2 < text.size() &&
                  std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
    out += escape ? static_cast<char>(byte) : text[i];
    if (escape) i += 2;
  }
  return out;
}

std::string RpcErrorText(const absl::Status& status) {
  static const char* const kNames[] = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  auto code = static_cast<size_t>(status.code());
  return std::string("rpc error: code = ") + (code < 17 ? kNames[code] : "Unknown") +
         " desc = " + base::Message(status);
}

absl::Status StatusOfAnswer(int http_status, int grpc_status, const std::string& grpc_message) {
  if (grpc_status < 0) {
    return absl::Status(CodeOfHttp(http_status),
                        http_status == 200
                            ? std::string("the answer ended without a grpc-status")
                            : "unexpected HTTP status " + std::to_string(http_status));
  }
  auto code =
      grpc_status <= 16 ? static_cast<absl::StatusCode>(grpc_status) : absl::StatusCode::kUnknown;
  return absl::Status(code, grpc_message);
}

}  // namespace kubelet::plugin
