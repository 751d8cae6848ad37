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

// What a client says in frames of its own choosing comes out as it went in.
void Messages(std::string_view bytes) {
  std::string wire, wanted;
  for (size_t i = 0; !bytes.empty(); ++i) {
    auto first = static_cast<unsigned char>(bytes[0]);
    bytes.remove_prefix(1);
    std::string payload(bytes.substr(0, first % 130));
    bytes.remove_prefix(payload.size());
    std::string frame = kubelet::server::WsFrame(kubelet::server::WsOp::kBinary, payload);
    // A client's frame is masked; with zeros it is the same text.
    size_t head = frame.size() - payload.size();
    frame[1] = static_cast<char>(frame[1] | 0x80);
    frame.insert(head, 4, '\0');
    wire += frame;
    wanted += "2:" + payload + ";";
  }
  if (Read(wire, 7) != wanted) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (Read(bytes, size + 1) != Read(bytes, size % 5 + 1)) abort();
  Messages(bytes);
  kubelet::server::WsWalker walker;
  walker.Walk(bytes);
  kubelet::server::HttpRequest request;
  request.headers = {{"Sec-WebSocket-Protocol", bytes}, {"Sec-WebSocket-Key", bytes}};
  kubelet::server::WsProtocols(request);
  kubelet::server::WsAccept(request, "v4.channel.k8s.io").IgnoreError();
  return 0;
}
