// What base/grpc_wire.h leaves: messages out of a stream of bytes, and calls as absl::Status. Pure.
// Facts: grpc doc/PROTOCOL-HTTP2.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kubelet::plugin {

// What one message may have; gRPC's own default for receivers.
inline constexpr size_t kMaxMessage = size_t{4} << 20;

// Cuts messages out of a stream of bytes.
class Deframer {
 public:
  void Add(std::string_view bytes) { buffer_.append(bytes); }
  // True: `message` is the next whole one. ResourceExhausted: longer than kMaxMessage;
  // Unimplemented: compressed, which nobody has offered.
  absl::StatusOr<bool> Next(std::string& message);
  bool empty() const { return buffer_.empty(); }

 private:
  std::string buffer_;
};

// `rpc error: code = Unavailable desc = connection refused`, as Go words an error of a call.
std::string RpcErrorText(const absl::Status& status);

// What a call makes of an answer. `grpc_status` -1: the answer had none; then the HTTP status
// counts (doc/http-grpc-status-mapping.md).
absl::Status StatusOfAnswer(int http_status, int grpc_status, const std::string& grpc_message);

}  // namespace kubelet::plugin
