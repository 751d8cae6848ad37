// Any bytes through the eyes of a stream's guard: everything goes on, nothing twice, in whatever
// pieces it comes.
#include <cstdlib>

#include "server/stream_guard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kubelet::server::StreamGuard;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  for (auto kind : {StreamGuard::Kind::kSpdy, StreamGuard::Kind::kWebSocket}) {
    StreamGuard whole(kind, true, "v4.channel.k8s.io"), parts(kind, true, "v4.channel.k8s.io");
    bool activity = false;
    std::string a = whole.FromClient(bytes, activity);
    whole.FromRuntime(bytes, activity);
    std::string b;
    for (size_t at = 0; at < size; at += size % 5 + 1)
      b += parts.FromClient(bytes.substr(at, size % 5 + 1), activity);
    if (a != b || bytes.compare(0, a.size(), a) != 0) abort();
    whole.LastWords("why");
  }
  return 0;
}
