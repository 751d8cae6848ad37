#include "server/websocket.h"

#include <openssl/evp.h>

#include <algorithm>

namespace kubelet::server {
namespace {

constexpr char kMagic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr size_t kControlLimit = 125;

// Bytes of a frame's head by its first two; the mask counts.
size_t HeadSize(std::string_view in) {
  auto second = static_cast<unsigned char>(in[1]);
  size_t size = 2 + ((second & 0x80) != 0 ? 4 : 0);
  return size + ((second & 0x7f) == 126 ? 2 : (second & 0x7f) == 127 ? 8 : 0);
}

uint64_t PayloadSize(std::string_view head) {
  uint64_t size = static_cast<unsigned char>(head[1]) & 0x7f;
  size_t bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (bytes > 0) size = 0;
  for (size_t i = 0; i < bytes; ++i) size = size << 8 | static_cast<unsigned char>(head[2 + i]);
  return size;
}

bool IsControl(WsOp op) { return (static_cast<uint8_t>(op) & 8) != 0; }

}  // namespace

bool IsWebSocket(const HttpRequest& request) {
  return request.HeaderHas("Connection", "upgrade") && request.HeaderHas("Upgrade", "websocket");
}

std::vector<std::string> WsProtocols(const HttpRequest& request) {
  std::vector<std::string> out;
  for (const auto& [name, value] : request.headers) {
    if (!SameIgnoringCase(name, "Sec-WebSocket-Protocol")) continue;
    for (size_t begin = 0; begin < value.size();) {
      size_t end = std::min(value.find(',', begin), value.size());
      size_t from = value.find_first_not_of(" \t", begin);
      size_t to = end;
      while (to > begin && (value[to - 1] == ' ' || value[to - 1] == '\t')) --to;
      if (from < to) out.push_back(value.substr(from, to - from));
      begin = end + 1;
    }
  }
  return out;
}

absl::StatusOr<std::string> WsAccept(const HttpRequest& request, const std::string& protocol) {
  std::string key = request.Header("Sec-WebSocket-Key");
  if (request.Header("Sec-WebSocket-Version") != "13" || key.empty())
    return absl::InvalidArgumentError("not a WebSocket handshake of version 13");
  std::string text = key + kMagic;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  unsigned char encoded[64];
  EVP_EncodeBlock(encoded, digest, static_cast<int>(size));
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
         "Upgrade\r\nSec-WebSocket-Accept: " +
         std::string(reinterpret_cast<char*>(encoded)) + "\r\n" +
         (protocol.empty() ? "" : "Sec-WebSocket-Protocol: " + protocol + "\r\n") + "\r\n";
}

std::string WsFrame(WsOp op, std::string_view payload) {
  std::string out;
  out.reserve(10 + payload.size());
  out += static_cast<char>(0x80 | static_cast<uint8_t>(op));
  uint64_t size = payload.size();
  int bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
  out += static_cast<char>(bytes == 0 ? size : bytes == 2 ? 126 : 127);
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out += static_cast<char>(size >> shift & 0xff);
  out += payload;
  return out;
}

std::string WsClosePayload(uint16_t code) {
  char payload[2] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return std::string(payload, 2);
}

absl::StatusOr<std::optional<WsReader::Head>> WsReader::ParseHead(std::string_view in) const {
  std::optional<Head> none;
  if (in.size() < 2 || in.size() < HeadSize(in)) return none;
  auto first = static_cast<unsigned char>(in[0]);
  Head head{};
  head.op = static_cast<WsOp>(first & 15);
  head.fin = (first & 0x80) != 0;
  head.size = HeadSize(in);
  uint64_t payload = PayloadSize(in);
  bool masked = (static_cast<unsigned char>(in[1]) & 0x80) != 0;
  bool known = head.op <= WsOp::kBinary || (head.op >= WsOp::kClose && head.op <= WsOp::kPong);
  if (!masked || !known || (first & 0x70) != 0)
    return absl::InvalidArgumentError("bad WebSocket frame");
  if (IsControl(head.op) && (!head.fin || payload > kControlLimit))
    return absl::InvalidArgumentError("bad WebSocket control frame");
  if (payload > kLimit) return absl::InvalidArgumentError("WebSocket message too long");
  head.payload = static_cast<size_t>(payload);
  return std::optional<Head>(head);
}

absl::StatusOr<std::optional<WsMessage>> WsReader::Next() {
  std::optional<WsMessage> none;
  for (;;) {
    std::string_view in = std::string_view(input_).substr(used_);
    auto parsed = ParseHead(in);
    if (!parsed.ok()) return parsed.status();
    if (!*parsed || in.size() - (*parsed)->size < (*parsed)->payload) {
      input_.erase(0, used_);
      used_ = 0;
      return none;
    }
    const Head& head = **parsed;
    const char* mask = in.data() + head.size - 4;
    std::string payload(in.substr(head.size, head.payload));
    for (size_t i = 0; i < payload.size(); ++i)
      payload[i] = static_cast<char>(payload[i] ^ mask[i % 4]);
    used_ += head.size + head.payload;
    WsMessage message;
    message.op = head.op;
    if (IsControl(head.op)) {
      message.payload = std::move(payload);
      return std::optional<WsMessage>(std::move(message));
    }
    if ((head.op == WsOp::kContinuation) != parts_.has_value())
      return absl::InvalidArgumentError("bad WebSocket fragment");
    if (!parts_) parts_ = std::move(message);
    if (parts_->payload.size() + payload.size() > kLimit)
      return absl::InvalidArgumentError("WebSocket message too long");
    parts_->payload += payload;
    if (!head.fin) continue;
    std::optional<WsMessage> whole;
    whole.swap(parts_);
    return whole;
  }
}

bool WsWalker::Walk(std::string_view bytes) {
  bool activity = false;
  while (!bytes.empty()) {
    if (skip_ > 0) {
      uint64_t n = std::min<uint64_t>(skip_, bytes.size());
      skip_ -= n;
      bytes.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    head_ += bytes.front();
    bytes.remove_prefix(1);
    if (head_.size() < 2 || head_.size() < HeadSize(head_)) continue;
    auto op = static_cast<WsOp>(head_[0] & 15);
    activity |= op != WsOp::kPing && op != WsOp::kPong;
    skip_ = PayloadSize(head_);
    head_.clear();
  }
  return activity;
}

}  // namespace kubelet::server
