// What containers may answer to a probe: HTTP, redirects, HTTP/2 with gRPC. The first byte picks,
// the second says how the bytes are cut.
#include <cstdint>
#include <string>

#include "kubelet/probe/action.h"
#include "probe/grpc_call.h"
#include "probe/http_message.h"
#include "probe/url.h"

using namespace kubelet::probe;

namespace {

template <typename F>
void InPieces(std::string_view bytes, size_t step, F feed) {
  for (size_t i = 0; i < bytes.size(); i += step) {
    if (!feed(bytes.substr(i, step))) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  size_t step = data[1] == 0 ? bytes.size() + 1 : data[1];
  if (data[0] % 3 == 0) {
    ResponseReader reader;
    InPieces(bytes, step, [&](auto piece) { return reader.Feed(piece).ok() && !reader.done(); });
    (void)reader.End();
    if (reader.body().size() > ResponseReader::kBodyLimit) __builtin_trap();
    Follow(Url{false, "h", 1, "/a/b"}, reader.location());
  } else if (data[0] % 3 == 1) {
    auto next = Follow(Url{true, "::1", 1, "/a/b?c"}, std::string(bytes));
    if (next && MakeGet(next->url, {}, "x").ok() &&
        next->url.target.find_first_of(" \r\n") != std::string::npos)
      __builtin_trap();
  } else {
    GrpcHealthCall call("h:1", "s", "x", std::chrono::seconds(1));
    call.Outgoing();
    InPieces(bytes, step, [&](auto piece) {
      bool ok = call.Feed(piece).ok() && !call.done();
      call.Outgoing();
      return ok;
    });
    (void)call.GetOutcome();
  }
  return 0;
}
