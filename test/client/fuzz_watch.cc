// Any bytes as a watch stream, in two pieces, in both forms: never a crash, and the same events as
// in one piece.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "client/watch_decoder.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"

namespace {

using kubelet::client::Form;
using kubelet::client::WatchDecoder;

std::string Drain(WatchDecoder& decoder, bool& failed) {
  std::string out;
  while (!failed) {
    auto event = decoder.Next();
    failed = !event.ok();
    if (failed || !*event) break;
    out += std::to_string(static_cast<int>((*event)->type)) +
           kubelet::api::EncodeJson(*(*event)->object);
  }
  return out;
}

void Check(Form form, std::string_view bytes, size_t cut) {
  const auto& prototype = kubelet::api::core::Pod::default_instance();
  WatchDecoder whole(form, &prototype), pieces(form, &prototype);
  bool whole_failed = false, pieces_failed = false;
  whole.Feed(bytes);
  std::string expected = Drain(whole, whole_failed);
  pieces.Feed(bytes.substr(0, cut));
  std::string got = Drain(pieces, pieces_failed);
  pieces.Feed(bytes.substr(cut));
  got += Drain(pieces, pieces_failed);
  if (got != expected || whole_failed != pieces_failed) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  size_t cut = bytes.empty() ? 0 : data[0] % (bytes.size() + 1);
  Check(Form::kJson, bytes, cut);
  Check(Form::kProtobuf, bytes, cut);
  return 0;
}
