// Any bytes as a client's WebSocket frames: the same messages, in whatever pieces they come.
#include <cstdlib>
#include <vector>

#include "server/websocket.h"

namespace {

std::string Read(const std::string& bytes, size_t step) {
  kubelet::server::WsReader reader;
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += step) {
    reader.Feed(bytes.substr(at, step));
    for (;;) {
      auto message = reader.Next();
      if (!message.ok()) return out + "!";
      if (!*message) break;
      out += std::to_string(static_cast<int>((*message)->op)) + ":" + (*message)->payload + ";";
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (Read(bytes, size + 1) != Read(bytes, size % 5 + 1)) abort();
  kubelet::server::WsWalker walker;
  walker.Walk(bytes);
  return 0;
}
