// Any bytes as the messages of a plugin's answer, whole and in two pieces: never a crash, the same
// messages either way, and none longer than one may be.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "plugin/grpc_wire.h"

namespace {

using kubelet::plugin::Deframer;

std::string Drain(Deframer& deframer, bool& failed) {
  std::string out, message;
  while (!failed) {
    auto whole = deframer.Next(message);
    failed = !whole.ok();
    if (failed || !*whole) break;
    if (message.size() > kubelet::plugin::kMaxMessage) std::abort();
    out += std::to_string(message.size()) + ":" + message;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  size_t cut = data[0] % (bytes.size() + 1);
  Deframer whole, pieces;
  bool whole_failed = false, pieces_failed = false;
  whole.Add(bytes);
  std::string expected = Drain(whole, whole_failed);
  pieces.Add(bytes.substr(0, cut));
  std::string got = Drain(pieces, pieces_failed);
  pieces.Add(bytes.substr(cut));
  got += Drain(pieces, pieces_failed);
  if (got != expected || whole_failed != pieces_failed) std::abort();
  return 0;
}
