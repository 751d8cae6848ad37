// Any bytes as an enveloped pod: never a crash, and what is accepted is written the same way ever
// after.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"

namespace {

void Check(std::string_view body) {
  namespace api = kubelet::api;
  (void)api::PeekProtobufTypeMeta(body);
  api::core::Pod first;
  if (!api::DecodeProtobuf(body, first).ok()) return;
  std::string written = api::EncodeProtobuf(first);
  api::core::Pod second;
  if (!api::DecodeProtobuf(written, second).ok()) std::abort();
  if (api::EncodeProtobuf(second) != written) std::abort();
  api::core::Pod third;
  if (!api::DecodeJson(api::EncodeJson(first), third).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Check(bytes);
  // The same bytes as the message inside of a sound envelope.
  std::string body("k8s\0\x12", 5);
  for (size_t rest = size; true; rest >>= 7) {
    body += static_cast<char>(rest >= 0x80 ? (rest & 0x7F) | 0x80 : rest);
    if (rest < 0x80) break;
  }
  Check(body + bytes);
  return 0;
}
