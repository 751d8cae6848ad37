// WebSocket (RFC 6455), the server's side: handshake and frames. Pure, and safe with any bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/request.h"

namespace kubelet::server {

enum class WsOp : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

bool IsWebSocket(const HttpRequest& request);
// Subprotocols the client offers, in order.
std::vector<std::string> WsProtocols(const HttpRequest& request);
// The head of the answer that accepts the connection with this subprotocol. InvalidArgument: not
// version 13, or no key.
absl::StatusOr<std::string> WsAccept(const HttpRequest& request, const std::string& protocol);

// One frame with its end, unmasked.
std::string WsFrame(WsOp op, std::string_view payload);
// What a close frame says: 1000 is a normal end.
std::string WsClosePayload(uint16_t code);

struct WsMessage {
  WsOp op = WsOp::kBinary;
  std::string payload;
};

// Messages out of a client's bytes; fragments are joined, control frames come between.
class WsReader {
 public:
  void Feed(std::string_view bytes) { input_ += bytes; }
  // nullopt: more bytes are needed. InvalidArgument: the client breaks the protocol, or a message
  // is longer than kLimit.
  absl::StatusOr<std::optional<WsMessage>> Next();
  static constexpr size_t kLimit = 4 << 20;

 private:
  struct Head {
    WsOp op;
    bool fin;
    size_t size, payload;  // of the head, of what follows
  };
  absl::StatusOr<std::optional<Head>> ParseHead(std::string_view in) const;
  std::string input_;
  size_t used_ = 0;
  std::optional<WsMessage> parts_;
};

// Tells keep-alives from the rest in either direction of a connection that is only passed on.
class WsWalker {
 public:
  // True: there was something else than ping and pong.
  bool Walk(std::string_view bytes);

 private:
  std::string head_;
  uint64_t skip_ = 0;
};

}  // namespace kubelet::server
