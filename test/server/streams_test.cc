#include "server/backend.h"
#include "server/secure_bench.h"
#include "server/stream_guard.h"

namespace kubelet::server {
namespace {

// The runtime's streaming server, as one connection.
class Streaming {
 public:
  explicit Streaming(SecureBench& bench)
      : bench_(bench), listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    boost::asio::ip::tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(), 0);
    bind(listener_, endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    listen(listener_, 8);
    socklen_t size = static_cast<socklen_t>(endpoint.capacity());
    getsockname(listener_, endpoint.data(), &size);
    url = "http://127.0.0.1:" + std::to_string(endpoint.port()) + "/exec/TOKEN";
  }
  ~Streaming() {
    Close(false);
    close(listener_);
  }
  bool Accept() {
    return bench_.Until([this] {
      fd_ = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
      return fd_ >= 0;
    });
  }
  std::string& Received() {
    bench_.Run();
    char buffer[16384];
    for (ssize_t n; (n = recv(fd_, buffer, sizeof buffer, 0)) >= 0 && !closed;) {
      closed = n == 0;
      in_.append(buffer, static_cast<size_t>(n));
    }
    return in_;
  }
  bool Has(const std::string& text) {
    return bench_.Until([&] { return Received().find(text) != std::string::npos; });
  }
  std::string Request() {
    Has("\r\n\r\n");
    size_t end = Received().find("\r\n\r\n") + 4;
    std::string out = in_.substr(0, end);
    in_.erase(0, end);
    return out;
  }
  void Send(const std::string& text) {
    REQUIRE(send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    bench_.Until([this] {
      int under_way = 0;
      return ioctl(fd_, SIOCOUTQ, &under_way) != 0 || under_way == 0;
    });
    bench_.Run();
  }
  void Close(bool reset) {
    if (fd_ < 0) return;
    linger now{1, 0};
    if (reset) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd_);
    fd_ = -1;
  }
  std::string url;
  bool closed = false;

 private:
  SecureBench& bench_;
  int listener_, fd_ = -1;
  std::string in_;
};

constexpr char kSwitch[] =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n";
constexpr char kSpdy[] =
    "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
    "Authorization: Bearer bobs\r\nX-Forwarded-For: 1.2.3.4\r\n";
constexpr char kWebSocket[] =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

struct StreamBench : SecureBench {
  explicit StreamBench(SecureServer::Options options = {}) : SecureBench(options) {
    AddPod("p");
    runtime.url = streaming.url;
  }
  Streaming streaming{*this};
  fakes::KeyPair alice = Person(clients, "alice");
};

// A client and the runtime, joined.
struct Joined : StreamBench {
  explicit Joined(SecureServer::Options options = {},
                  const std::string& path = "/exec/ns/p/c?output=1&command=ls")
      : StreamBench(options), client(*this, &alice) {
    client.Send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + kSpdy + "\r\n");
    REQUIRE(streaming.Accept());
    request = streaming.Request();
    streaming.Send(kSwitch);
    REQUIRE(Until([&] { return client.Received().find("\r\n\r\n") != std::string::npos; }));
    head = client.Received();
    client.Received().clear();
  }
  bool Sees(const std::string& text) {
    return Until([&] { return client.Received() == text; });
  }
  TlsClient client;
  std::string request, head;
};

std::string Syn(SpdyDeflater& deflater, uint32_t id, const std::string& type) {
  Pairs headers = {{"streamtype", type}};
  return SpdySynStream(id, deflater.Write(headers));
}

TEST_CASE("a stream is joined to the runtime's, byte for byte") {
  Joined b;
  CHECK(b.head == kSwitch);
  CHECK(b.request.rfind("POST /exec/TOKEN HTTP/1.1\r\n", 0) == 0);
  CHECK(b.request.find("Upgrade: SPDY/3.1\r\n") != std::string::npos);
  CHECK(b.request.find("X-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n") != std::string::npos);
  CHECK(b.request.find("Authorization") == std::string::npos);
  CHECK(b.runtime.command == std::vector<std::string>{"ls"});
  std::string up = SpdyData(1, std::string(50'000, 'u'), false),
              down = SpdyData(3, std::string(60'000, 'd'), false);
  b.client.Send(up);
  CHECK(b.streaming.Has(up));
  b.streaming.Send(down);
  CHECK(b.Sees(down));
}

TEST_CASE("either end ends the other") {
  SECTION("the client") {
    auto b = std::make_unique<Joined>();
    SECTION("in good order") { b->client.Shutdown(); }
    SECTION("broken off") { b->client.Break(); }
    CHECK(b->Until([&] {
      b->streaming.Received();
      return b->streaming.closed;
    }));
  }
  SECTION("the runtime") {
    Joined b;
    SpdyDeflater deflater;
    std::string open = Syn(deflater, 1, "error");
    b.client.Send(open);
    CHECK(b.streaming.Has(open));
    std::string outcome = SpdyData(1, R"({"status":"Success"})", true);
    b.streaming.Send(outcome);
    b.streaming.Close(false);
    CHECK(b.client.Closes());
    CHECK(b.client.ended);
    CHECK(b.client.Received() == outcome);
  }
}

TEST_CASE("a stream that is cut off has failed") {
  bool reset = GENERATE(false, true);
  Joined b;
  SpdyDeflater deflater;
  std::string open = Syn(deflater, 1, "error");
  b.client.Send(open);
  CHECK(b.streaming.Has(open));
  std::string part = SpdyData(3, "part of the output", false);
  b.streaming.Send(part);
  CHECK(b.Sees(part));
  b.streaming.Close(reset);
  CHECK(b.client.Closes());
  CHECK(b.client.Received() ==
        part + SpdyData(1,
                        FailureStatus(
                            "error streaming: the connection to the container runtime was lost"),
                        true));
}

TEST_CASE("the end of the kubelet is told to those it cuts off") {
  Joined b;
  SpdyDeflater deflater;
  std::string open = Syn(deflater, 1, "error");
  b.client.Send(open);
  CHECK(b.streaming.Has(open));
  b.server->Stop();
  CHECK(
      b.Sees(SpdyData(1, FailureStatus("error streaming: the kubelet is being restarted"), true)));
}

TEST_CASE("a port-forward that breaks off looks broken") {
  Joined b({}, "/portForward/ns/p");
  b.streaming.Close(true);
  CHECK(b.client.Closes());
  CHECK(b.client.broken);
}

TEST_CASE("an idle stream ends; keep-alives keep nothing alive, data does") {
  SecureServer::Options options;
  options.stream_idle = 60s;
  Joined b(options);
  auto quiet = [&] {
    b.client.Send(SpdyPing(1));
    b.streaming.Send(SpdyPing(2));
    b.Advance(20s);
  };
  quiet();
  quiet();
  b.client.Send(SpdyData(1, "x", false));
  CHECK(b.streaming.Has("x"));
  quiet();
  quiet();
  CHECK_FALSE(b.client.Closed());
  b.Advance(20s);
  CHECK(b.client.Closes());
}

TEST_CASE("without an idle limit a stream lives on") {
  SecureServer::Options options;
  options.stream_idle = 0s;
  Joined b(options);
  b.Advance(48h);
  CHECK_FALSE(b.client.Closed());
}

TEST_CASE("what the runtime refuses is the client's answer") {
  StreamBench b;
  TlsClient client(b, &b.alice);
  client.Send(std::string("POST /exec/ns/p/c?output=1 HTTP/1.1\r\nHost: x\r\n") + kSpdy + "\r\n");
  REQUIRE(b.streaming.Accept());
  b.streaming.Request();
  SECTION("with its words") {
    b.streaming.Send(
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/x\r\nContent-Length: 7\r\n\r\nno such");
    std::string answer = client.Answer();
    CHECK(Code(answer) == "404");
    CHECK(Body(answer) == "no such");
    CHECK(answer.find("Content-Type: text/x\r\n") != std::string::npos);
  }
  SECTION("an answer that is neither") {
    b.streaming.Send("HTTP/1.1 200 OK\r\n\r\n");
    std::string answer = client.Answer();
    CHECK(Code(answer) == "500");
    CHECK(Body(answer) == "invalid upgrade response: status code 200\n");
  }
  SECTION("no answer") {
    b.streaming.Close(false);
    CHECK(Body(client.Answer()) == "unexpected EOF\n");
  }
  SECTION("an answer without end") {
    b.Advance(30s);
    CHECK(Code(client.Answer()) == "500");
  }
}

TEST_CASE("why there is no stream") {
  StreamBench b;
  TlsClient client(b, &b.alice);
  b.runtime.url = absl::NotFoundError("no such container");
  std::string answer = client.Get("/exec/ns/p/c?output=1", kSpdy);
  CHECK(Code(answer) == "404");
  CHECK(Body(answer) == "rpc error: code = NotFound desc = no such container");
  b.runtime.url = absl::ResourceExhaustedError("too many");
  answer = client.Get("/exec/ns/p/c?output=1", kSpdy);
  CHECK(Code(answer) == "429");
  CHECK(answer.find("Retry-After: ") != std::string::npos);
  b.runtime.url = b.streaming.url;
  answer = client.Get("/exec/ns/p/c?output=1");
  CHECK(Code(answer) == "500");
  CHECK(Body(answer) == "Upgrade request required\n");
  CHECK(Body(client.Get("/exec/ns/p/other/c?output=1", kSpdy)) == "container not found (\"c\")");
  CHECK(Body(client.Get("/exec/ns/p/nothing?output=1", kSpdy)) ==
        "container not found (\"nothing\")");
  CHECK(Body(client.Get("/attach/ns/p/nothing?output=1", kSpdy)) ==
        "container nothing not found in pod p_ns");
  answer = client.Get("/portForward/ns/p/other", kSpdy);
  CHECK(Code(answer) == "404");
  CHECK(Body(answer) == "pod not found");
  CHECK(Body(client.Get("/portForward/ns/p?port=x", kWebSocket)) ==
        "unable to parse \"x\" as a port");
  CHECK(Body(client.Get("/portForward/ns/p", kWebSocket)) ==
        "query parameter \"port\" is required");
  b.SetState("p", runtime::ContainerState::kExited);
  answer = client.Get("/exec/ns/p/c?output=1", kSpdy);
  CHECK(Code(answer) == "500");
  CHECK(Body(answer) == "container not found (\"c\")");
  b.runtime.url = "http://127.0.0.1:1/x";
  b.SetState("p", runtime::ContainerState::kRunning);
  CHECK(Body(client.Get("/exec/ns/p/c?output=1", kSpdy))
            .rfind("error dialing backend: dial tcp 127.0.0.1:1: ", 0) == 0);
}

TEST_CASE("where the runtime's streams are") {
  auto url = ParseStreamUrl("http://127.0.0.1:1234/exec/a?b=c");
  REQUIRE(url.ok());
  CHECK(url->host + " " + url->port + " " + url->target == "127.0.0.1 1234 /exec/a?b=c");
  url = ParseStreamUrl("http://[::1]:5");
  REQUIRE(url.ok());
  CHECK(url->host + " " + url->port + " " + url->target == "::1 5 /");
  CHECK(ParseStreamUrl("http://h")->port == "80");
  for (const char* bad : {"", "https://h/", "http://", "http://h:/", "http://[::1/", "http://h/a b",
                          "http://h/\r\nX: y"})
    CHECK_FALSE(ParseStreamUrl(bad).ok());
}

std::string Masked(WsOp op, std::string payload) {
  std::string out(1, static_cast<char>(0x80 | static_cast<int>(op)));
  out += static_cast<char>(0x80 | payload.size());
  return out + std::string(4, '\0') + payload;
}

// A client of WebSocket v5, and the runtime, which speaks SPDY.
struct Translated : StreamBench {
  explicit Translated(const std::string& query = "output=1&error=1&input=1")
      : client(*this, &alice) {
    client.Send("GET /exec/ns/p/c?" + query + " HTTP/1.1\r\nHost: x\r\n" + kWebSocket +
                "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n");
    REQUIRE(Until([&] { return client.Received().find("\r\n\r\n") != std::string::npos; }));
    REQUIRE(streaming.Accept());
    request = streaming.Request();
  }
  // Streams in the order in which they were opened; replies to them all.
  std::vector<std::string> Open(size_t count) {
    streaming.Send(kSwitch);
    std::vector<std::string> types;
    SpdyCutter cutter;
    SpdyInflater inflater;
    Until([&] {
      auto see = [&](const SpdyFrame& frame) {
        auto headers = inflater.Read(frame.body.substr(frame.HeaderBlock()));
        REQUIRE(headers);
        types.push_back((*headers)[0].second);
      };
      cutter.Take(std::move(streaming.Received()), see);
      streaming.Received().clear();
      return types.size() >= count;
    });
    for (size_t i = 0; i < types.size(); ++i)
      streaming.Send(std::string("\x80\x03\x00\x02\x00\x00\x00\x04\x00\x00\x00", 11) +
                     static_cast<char>(2 * i + 1));
    return types;
  }
  bool Sees(const std::string& frames) {
    return Until([&] {
      auto& in = client.Received();
      size_t head = in.find("\r\n\r\n");
      return in.substr(head + 4) == frames;
    });
  }
  std::string Said(const std::string& text) { return WsFrame(WsOp::kBinary, text); }
  TlsClient client;
  std::string request;
};

TEST_CASE("WebSocket v5 is translated to SPDY") {
  Translated b;
  CHECK(b.client.Received().find("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n") !=
        std::string::npos);
  CHECK(b.request.find("POST /exec/TOKEN HTTP/1.1\r\n") == 0);
  CHECK(b.request.find("X-Stream-Protocol-Version: v4.channel.k8s.io\r\n") != std::string::npos);
  CHECK(b.request.find("Sec-WebSocket") == std::string::npos);
  CHECK(b.Open(4) == std::vector<std::string>{"error", "stdin", "stdout", "stderr"});
  std::string hello = b.Said("\x01");
  CHECK(b.Sees(hello));
  b.client.Send(Masked(WsOp::kBinary, std::string("\0input", 6)));
  CHECK(b.streaming.Has(SpdyData(3, "input", false)));
  b.client.Send(Masked(WsOp::kBinary, std::string("\xff\0", 2)));
  CHECK(b.streaming.Has(SpdyData(3, "", true)));
  b.client.Send(Masked(WsOp::kPing, "p"));
  b.streaming.Send(SpdyPing(2));
  CHECK(b.streaming.Has(SpdyPing(2)));
  CHECK(b.Sees(hello + WsFrame(WsOp::kPong, "p")));
  std::string outcome = R"({"status":"Failure","reason":"NonZeroExitCode"})";
  b.streaming.Send(SpdyData(5, "out", false) + SpdyData(7, "err", false) +
                   SpdyData(1, outcome, false));
  b.streaming.Close(false);
  CHECK(b.Sees(hello + WsFrame(WsOp::kPong, "p") + b.Said("\x01out") +
               b.Said("\x02"
                      "err") +
               b.Said("\x03" + outcome) + WsFrame(WsOp::kClose, WsClosePayload(1000))));
  b.client.Send(Masked(WsOp::kClose, WsClosePayload(1000)));
  b.client.Shutdown();
  CHECK(b.client.Closes());
}

TEST_CASE("a terminal has one output, and a size") {
  Translated b("output=1&error=1&input=1&tty=1");
  CHECK(b.Open(4) == std::vector<std::string>{"error", "stdin", "stdout", "resize"});
  b.client.Send(Masked(WsOp::kBinary, "\x04{\"Width\":80,\"Height\":24}"));
  CHECK(b.streaming.Has(SpdyData(7, "{\"Width\":80,\"Height\":24}", false)));
}

TEST_CASE("a translated stream that is cut off has failed too") {
  Translated b("output=1");
  b.Open(2);
  b.streaming.Send(SpdyData(3, "part", false));
  CHECK(b.Sees(b.Said("\x01") + b.Said("\x01part")));
  b.streaming.Close(true);
  CHECK(b.Sees(
      b.Said("\x01") + b.Said("\x01part") +
      b.Said("\x03" +
             FailureStatus("error streaming: the connection to the container runtime was lost")) +
      WsFrame(WsOp::kClose, WsClosePayload(1000))));
}

TEST_CASE(
    "a client of WebSocket that breaks its protocol, or goes away, ends the command's connection") {
  Translated b("input=1");
  b.Open(2);
  SECTION("garbage") { b.client.Send("garbage"); }
  SECTION("gone") { b.client.Break(); }
  SECTION("closed") { b.client.Send(Masked(WsOp::kClose, WsClosePayload(1000))); }
  CHECK(b.Until([&] {
    b.streaming.Received();
    return b.streaming.closed;
  }));
}

TEST_CASE("a port-forward's SPDY may come inside of WebSocket messages") {
  StreamBench b;
  TlsClient client(b, &b.alice);
  client.Send(std::string("GET /portForward/ns/p HTTP/1.1\r\nHost: x\r\n") + kWebSocket +
              "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n");
  REQUIRE(b.streaming.Accept());
  std::string request = b.streaming.Request();
  CHECK(request.find("Upgrade: SPDY/3.1\r\n") != std::string::npos);
  CHECK(request.find("X-Stream-Protocol-Version: portforward.k8s.io\r\n") != std::string::npos);
  CHECK(request.find("websocket") == std::string::npos);
  b.streaming.Send(
      "HTTP/1.1 101 Switching Protocols\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n");
  REQUIRE(b.Until([&] { return client.Received().find("\r\n\r\n") != std::string::npos; }));
  CHECK(client.Received().find("Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n") !=
        std::string::npos);
  client.Received().clear();
  client.Send(Masked(WsOp::kBinary, SpdyData(1, "up", false)));
  CHECK(b.streaming.Has(SpdyData(1, "up", false)));
  b.streaming.Send(SpdyData(1, "down", false));
  CHECK(b.Until(
      [&] { return client.Received() == WsFrame(WsOp::kBinary, SpdyData(1, "down", false)); }));
}

TEST_CASE("WebSocket v4 is the runtime's own, and so is all of it without the gate") {
  SecureServer::Options options;
  options.websockets = GENERATE(true, false);
  StreamBench b(options);
  std::string version = options.websockets ? "v4" : "v5";
  TlsClient client(b, &b.alice);
  client.Send(std::string("GET /exec/ns/p/c?output=1 HTTP/1.1\r\nHost: x\r\n") + kWebSocket +
              "Sec-WebSocket-Protocol: " + version + ".channel.k8s.io\r\n\r\n");
  REQUIRE(b.streaming.Accept());
  CHECK(b.streaming.Request().find("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") !=
        std::string::npos);
}

TEST_CASE("the token that a browser names as a subprotocol is not for the runtime") {
  StreamBench b;
  TlsClient client(b);
  client.Send(std::string("GET /exec/ns/p/c?output=1 HTTP/1.1\r\nHost: x\r\n") + kWebSocket +
              "Sec-WebSocket-Protocol: v4.channel.k8s.io, "
              "base64url.bearer.authorization.k8s.io.Ym9icw\r\n\r\n");
  REQUIRE(b.streaming.Accept());
  std::string request = b.streaming.Request();
  CHECK(request.find("Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n") != std::string::npos);
  CHECK(request.find("Ym9icw") == std::string::npos);
}

TEST_CASE("subprotocols that go on to the runtime") {
  auto sent = [](const Pairs& headers) {
    HttpRequest request;
    request.method = "GET";
    request.headers = headers;
    StreamUrl url{"127.0.0.1", "1", "/"};
    std::string text = TunnelRequest(request, url);
    return HeaderOf(text, "Sec-WebSocket-Protocol");
  };
  const std::string name = "sec-websocket-protocol",
                    token = std::string(auth::kTokenProtocol) + "x";
  CHECK(sent({{name, "a,b"}}) == "a, b");
  CHECK(sent({{name, token}, {name, " a , " + token}, {name, "b"}}) == "a, b");
  CHECK(sent({{name, token}}).empty());
  CHECK(sent({}).empty());
}

TEST_CASE("a command ends with its client") {
  StreamBench b;
  b.runtime.endless = true;
  TlsClient client(b, &b.alice);
  client.Send("POST /run/ns/p/c?cmd=sleep HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(b.Until([&] { return !b.runtime.command.empty(); }));
  CHECK_FALSE(b.runtime.cancelled);
  SECTION("that says good-bye") { client.Shutdown(); }
  SECTION("that breaks off") { client.Break(); }
  CHECK(b.Until([&] { return b.runtime.cancelled; }));
}

TEST_CASE("a command is run, and its output is the answer") {
  StreamBench b;
  TlsClient client(b, &b.alice), other(b, &b.alice);
  b.runtime.result.stdout_data = "out";
  b.runtime.result.stderr_data = "err";
  std::string answer = client.Get("/run/ns/p/c?cmd=ls+-l", "", "POST");
  CHECK(Code(answer) == "200");
  CHECK(Body(answer) == "outerr");
  CHECK(answer.find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(b.runtime.command == std::vector<std::string>{"ls", "-l"});
  b.runtime.result.exit_code = 3;
  answer = other.Get("/run/ns/p/c?cmd=ls+-l", "", "POST");
  CHECK(Code(answer) == "500");
  CHECK(Body(answer) == "command 'ls -l' exited with 3: err");
}

}  // namespace
}  // namespace kubelet::server
