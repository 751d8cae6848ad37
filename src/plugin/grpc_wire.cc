#include "plugin/grpc_wire.h"

#include "kubelet/base/grpc_wire.h"
#include "kubelet/base/status.h"

namespace kubelet::plugin {
namespace {

constexpr size_t kPrefix = 5;

}  // namespace

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

std::string RpcErrorText(const absl::Status& status) {
  const char* name = base::GrpcCodeName(static_cast<int>(status.code()));
  return std::string("rpc error: code = ") + (name == nullptr ? "Unknown" : name) +
         " desc = " + base::Message(status);
}

absl::Status StatusOfAnswer(int http_status, int grpc_status, const std::string& grpc_message) {
  if (grpc_status < 0) {
    return absl::Status(base::GrpcCodeOfHttp(http_status),
                        http_status == 200
                            ? std::string("the answer ended without a grpc-status")
                            : "unexpected HTTP status " + std::to_string(http_status));
  }
  auto code =
      grpc_status <= 16 ? static_cast<absl::StatusCode>(grpc_status) : absl::StatusCode::kUnknown;
  return absl::Status(code, grpc_message);
}

}  // namespace kubelet::plugin
