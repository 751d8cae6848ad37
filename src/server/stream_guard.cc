#include "server/stream_guard.h"

namespace kubelet::server {
namespace {

std::string JsonText(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

}  // namespace

std::string FailureStatus(const std::string& message) {
  return R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":")" +
         JsonText(message) + R"(","reason":"InternalError","code":500})";
}

std::string StreamGuard::FromClient(std::string bytes, bool& activity) {
  if (kind_ == Kind::kWebSocket) activity = client_walk_.Walk(bytes);
  if (kind_ == Kind::kOther) activity = true;
  if (kind_ != Kind::kSpdy) return bytes;
  auto see = [&](const SpdyFrame& frame) {
    activity |= frame.Activity();
    size_t block = frame.HeaderBlock();
    if (block == std::string_view::npos) return;
    auto headers = client_headers_.Read(frame.body.substr(block));
    if (!headers || frame.type != kSynStream) return;
    for (const auto& [name, value] : *headers)
      if (SameIgnoringCase(name, "streamtype") && value == "error") error_stream_ = frame.stream;
  };
  auto out = client_frames_.Take(std::move(bytes), see);
  return out;
}

std::string StreamGuard::FromRuntime(std::string bytes, bool& activity) {
  if (kind_ == Kind::kWebSocket) activity = runtime_walk_.Walk(bytes);
  if (kind_ == Kind::kOther) activity = true;
  if (kind_ != Kind::kSpdy) return bytes;
  auto see = [&](const SpdyFrame& frame) {
    activity |= frame.Activity();
    // An empty end of the error stream is how protocols before v4 say success.
    bool end = !frame.control && (frame.flags & kSpdyFin) != 0 &&
               protocol_ != "v4.channel.k8s.io" && protocol_ != "v5.channel.k8s.io";
    bool text = !frame.control && (!frame.body.empty() || !frame.whole);
    if (error_stream_ != 0 && frame.stream == error_stream_ && (end || text)) told_ = true;
  };
  auto out = runtime_frames_.Take(std::move(bytes), see);
  return out;
}

std::string StreamGuard::LastWords(const std::string& why) const {
  if (kind_ != Kind::kSpdy || !verdict_ || told_ || error_stream_ == 0 ||
      !runtime_frames_.between())
    return "";
  bool json = protocol_ == "v4.channel.k8s.io" || protocol_ == "v5.channel.k8s.io";
  return SpdyData(error_stream_, json ? FailureStatus(why) : why, true);
}

}  // namespace kubelet::server
