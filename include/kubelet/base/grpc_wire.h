// The words and bytes of gRPC that are not HTTP/2, for those who speak it without its library.
// Pure. Facts: grpc doc/PROTOCOL-HTTP2.md, doc/http-grpc-status-mapping.md.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace kubelet::base {

// The message with its five bytes of prefix, not compressed.
std::string GrpcFramed(std::string_view message);

// grpc-message: everything but printable ASCII as %XX. What is no such escape stays as it is.
std::string GrpcPercentEncoded(std::string_view text);
std::string GrpcPercentDecoded(std::string_view text);

// "Unavailable" of 14, as Go has it; null: no such code.
const char* GrpcCodeName(int code);
// What a client makes of an answer without a grpc-status.
absl::StatusCode GrpcCodeOfHttp(int http_status);

}  // namespace kubelet::base
