#include <zlib.h>

#include "catch.h"
#include "server/spdy_dictionary.h"
#include "server/stream_guard.h"

namespace kubelet::server {
namespace {

std::string Syn(SpdyDeflater& deflater, uint32_t id, const std::string& type) {
  Pairs headers = {{"streamtype", type}};
  return SpdySynStream(id, deflater.Write(headers));
}

// A client's frame: masked.
std::string Masked(WsOp op, std::string payload, bool fin = true) {
  std::string out(1, static_cast<char>((fin ? 0x80 : 0) | static_cast<int>(op)));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  const char mask[] = {1, 2, 3, 4};
  out.append(mask, 4);
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
  return out;
}

TEST_CASE("the dictionary of SPDY/3") {
  const auto& text = SpdyDictionary();
  CHECK(text.size() == 1423);
  CHECK(adler32(adler32(0, nullptr, 0), reinterpret_cast<const Bytef*>(text.data()), 1423) ==
        0xe3c6a7c2);
}

TEST_CASE("header blocks of one direction share their compression") {
  SpdyDeflater out;
  SpdyInflater in;
  for (int i = 0; i < 3; ++i) {
    Pairs headers = {{"streamtype", "error"}, {"n", std::to_string(i)}};
    auto read = in.Read(out.Write(headers));
    REQUIRE(read);
    CHECK(*read == headers);
  }
  CHECK_FALSE(in.Read("garbage"));
  CHECK_FALSE(in.Read(out.Write({})));  // and never again
}

TEST_CASE("a header block that unpacks to too much is refused") {
  SpdyDeflater out;
  SpdyInflater in;
  Pairs headers = {{"x", std::string(1 << 20, 'x')}};
  CHECK_FALSE(in.Read(out.Write(headers)));
}

TEST_CASE("frames are handed on whole, whatever comes at a time") {
  SpdyDeflater deflater;
  std::string all =
      Syn(deflater, 1, "error") + SpdyData(1, "hello", false) + SpdyPing(7) + SpdyData(3, "", true);
  size_t step = GENERATE(size_t{1}, size_t{3}, size_t{9}, size_t{1000});
  SpdyCutter cutter;
  std::string out, seen;
  for (size_t at = 0; at < all.size(); at += step) {
    out += cutter.Take(all.substr(at, step), [&](const SpdyFrame& frame) {
      seen += frame.control ? "c" + std::to_string(frame.type) : "d" + std::string(frame.body);
      seen += "/" + std::to_string(frame.stream) + (frame.Activity() ? " " : "- ");
    });
    CHECK(cutter.between());
  }
  CHECK(out == all);
  CHECK(seen == "c1/1 dhello/1 c6/7- d/3 ");
}

TEST_CASE("a frame that is too long goes on in parts, and nothing may be put into it") {
  SpdyCutter cutter;
  std::string big = SpdyData(5, std::string(SpdyCutter::kHold + 1, 'x'), false);
  int frames = 0;
  auto count = [&](const SpdyFrame& frame) {
    ++frames;
    CHECK_FALSE(frame.whole);
  };
  CHECK(cutter.Take(big.substr(0, 100), count).size() == 100);
  CHECK_FALSE(cutter.between());
  CHECK(cutter.Take(big.substr(100), count).size() == big.size() - 100);
  CHECK(cutter.between());
  CHECK(frames == 1);
}

TEST_CASE("what is not SPDY goes on unseen") {
  SpdyCutter cutter;
  auto never = [](const SpdyFrame&) { FAIL(); };
  std::string other = "\x80\x02 another version";
  CHECK(cutter.Take(other, never) == other);
  CHECK(cutter.broken());
  CHECK(cutter.Take("more", never) == "more");
  CHECK_FALSE(cutter.between());
}

struct Guarded {
  explicit Guarded(const std::string& protocol = "v4.channel.k8s.io", bool verdict = true)
      : guard(StreamGuard::Kind::kSpdy, verdict, protocol) {
    bool activity = false;
    // One after the other: their compression depends on the order.
    guard.FromClient(Syn(deflater, 1, "stdin"), activity);
    guard.FromClient(Syn(deflater, 3, "error"), activity);
    guard.FromClient(Syn(deflater, 5, "stdout"), activity);
  }
  void Runtime(const std::string& bytes) {
    bool activity = false;
    guard.FromRuntime(bytes, activity);
  }
  SpdyDeflater deflater;
  StreamGuard guard;
};

TEST_CASE("a command whose connection breaks off has failed") {
  Guarded g;
  g.Runtime(SpdyData(5, "output", false));
  std::string words = g.guard.LastWords("lost");
  CHECK(words == SpdyData(3, FailureStatus("lost"), true));
  // Half a frame was held back, so that words can be put in its place.
  g.Runtime(SpdyData(5, "more", false).substr(0, 9));
  CHECK_FALSE(g.guard.LastWords("lost").empty());
}

TEST_CASE("a command that has its outcome keeps it") {
  Guarded g;
  g.Runtime(SpdyData(3, R"({"status":"Success"})", false));
  CHECK(g.guard.LastWords("lost").empty());
}

TEST_CASE("an empty end of the error stream is an outcome before v4 only") {
  Guarded now, before("v3.channel.k8s.io");
  now.Runtime(SpdyData(3, "", true));
  before.Runtime(SpdyData(3, "", true));
  CHECK_FALSE(now.guard.LastWords("lost").empty());
  CHECK(before.guard.LastWords("lost").empty());
  Guarded text("v3.channel.k8s.io");
  CHECK(text.guard.LastWords("lost") == SpdyData(3, "lost", true));
}

TEST_CASE("a port-forward has no outcome") {
  Guarded g("portforward.k8s.io", false);
  CHECK(g.guard.LastWords("lost").empty());
}

TEST_CASE("keep-alives are no activity") {
  StreamGuard spdy(StreamGuard::Kind::kSpdy, true, ""), ws(StreamGuard::Kind::kWebSocket, true, "");
  auto active = [](auto call) {
    bool activity = false;
    call(activity);
    return activity;
  };
  CHECK_FALSE(active([&](bool& a) { spdy.FromClient(SpdyPing(1), a); }));
  CHECK_FALSE(active([&](bool& a) { spdy.FromRuntime(SpdyPing(1), a); }));
  CHECK(active([&](bool& a) { spdy.FromClient(SpdyPing(3) + SpdyData(1, "x", false), a); }));
  CHECK_FALSE(active([&](bool& a) { ws.FromClient(Masked(WsOp::kPing, "x"), a); }));
  CHECK_FALSE(active([&](bool& a) { ws.FromRuntime(WsFrame(WsOp::kPong, "x"), a); }));
  CHECK(active(
      [&](bool& a) { ws.FromClient(Masked(WsOp::kPing, "x") + Masked(WsOp::kBinary, "x"), a); }));
  CHECK(active(
      [&](bool& a) { ws.FromRuntime(WsFrame(WsOp::kBinary, std::string(70'000, 'x')), a); }));
}

std::string Messages(const std::string& bytes, size_t step) {
  WsReader reader;
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += step) {
    reader.Feed(std::string_view(bytes).substr(at, step));
    for (;;) {
      auto message = reader.Next();
      if (!message.ok()) return out + "!";
      if (!*message) break;
      out += std::to_string(static_cast<int>((*message)->op)) + ":" + (*message)->payload + " ";
    }
  }
  return out;
}

TEST_CASE("messages of a WebSocket, in whatever pieces they come") {
  size_t step = GENERATE(size_t{1}, size_t{2}, size_t{5}, size_t{10'000});
  CHECK(Messages(Masked(WsOp::kBinary, "abc") + Masked(WsOp::kPing, "") + Masked(WsOp::kText, "d"),
                 step) == "2:abc 9: 1:d ");
  // A fragmented one, with a ping in between.
  CHECK(Messages(Masked(WsOp::kBinary, "ab", false) + Masked(WsOp::kPing, "p") +
                     Masked(WsOp::kContinuation, "c", false) + Masked(WsOp::kContinuation, "d"),
                 step) == "9:p 2:abcd ");
  CHECK(Messages(Masked(WsOp::kBinary, std::string(1000, 'x')), step) ==
        "2:" + std::string(1000, 'x') + " ");
}

TEST_CASE("what a client must not send") {
  CHECK(Messages(WsFrame(WsOp::kBinary, "unmasked"), 100) == "!");
  CHECK(Messages(Masked(WsOp::kContinuation, "x"), 100) == "!");
  CHECK(Messages(Masked(WsOp::kBinary, "x", false) + Masked(WsOp::kBinary, "x"), 100) == "!");
  CHECK(Messages(Masked(WsOp::kPing, "x", false), 100) == "!");
  CHECK(Messages(Masked(WsOp::kPing, std::string(126, 'x')), 1000) == "!");
  CHECK(Messages(Masked(static_cast<WsOp>(3), "x"), 100) == "!");
  CHECK(Messages("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"
                 "mask",
                 100) == "!");
}

TEST_CASE("the answer to a WebSocket handshake") {
  HttpRequest request;
  request.headers = {{"Connection", "Upgrade"},
                     {"Upgrade", "websocket"},
                     {"Sec-WebSocket-Version", "13"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                     {"Sec-WebSocket-Protocol", "a, v5.channel.k8s.io"}};
  CHECK(IsWebSocket(request));
  CHECK(WsProtocols(request) == std::vector<std::string>{"a", "v5.channel.k8s.io"});
  auto answer = WsAccept(request, "a");
  REQUIRE(answer.ok());
  CHECK(answer->find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") !=
        std::string::npos);
  CHECK(answer->find("Sec-WebSocket-Protocol: a\r\n") != std::string::npos);
  request.headers[2].second = "8";
  CHECK_FALSE(WsAccept(request, "a").ok());
}

}  // namespace
}  // namespace kubelet::server
