// What goes wrong between the client and the server: connections that break, hang or never come to
// be, certificates.
#include <netinet/tcp.h>

#include <boost/asio/ip/tcp.hpp>

#include "bench.h"
#include "kubelet/client/dial.h"

using namespace kubelet;
using namespace kubelet::client;
namespace asio = boost::asio;

namespace {

bool Has(const absl::Status& status, const std::string& text) {
  return base::Message(status).find(text) != std::string::npos;
}

// Opens a watch whose head has come; the server's side is `responder`.
void OpenWatch(HttpBench& bench, Watched& watched, fakes::ResponderPtr& responder) {
  bench.handler = [&](const fakes::HttpRequest& request, fakes::ResponderPtr r) {
    if (request.query.find("watch=true") == std::string::npos) return HttpBench::ReplyPod(r, "x");
    responder = std::move(r);
    responder->Head(200, {{"content-type", "application/json"}});
  };
  if (!bench.server) bench.Start();
  bench.BeginWatch(watched);
  REQUIRE(bench.RunUntil([&] { return watched.opened; }));
}

}  // namespace

TEST_CASE("a connection cut under a watch ends it at once, and the next call dials anew") {
  HttpBench bench;
  SECTION("HTTP/2") {}
  SECTION("HTTP/1.1") { bench.server_options.http2 = false; }
  Watched watched;
  fakes::ResponderPtr responder;
  OpenWatch(bench, watched, responder);
  responder->Body(HttpBench::Event("a"));
  REQUIRE(bench.RunUntil([&] { return watched.names.size() == 1; }));
  bench.server->DropConnections();
  REQUIRE(bench.RunUntil([&] { return watched.done; }, 5s));
  CHECK(watched.end.code() == absl::StatusCode::kUnavailable);
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  CHECK(bench.server->accepted() == 2);
}

TEST_CASE("a read that lost its connection is sent once more, a write only when it was not sent") {
  HttpBench bench;
  int drops = 1;
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr responder) {
    if (drops-- > 0) return bench.server->DropConnections();
    HttpBench::ReplyPod(responder, "x");
  };
  bench.Start();
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  CHECK(bench.requests.size() == 2);
  drops = 2;
  CHECK(bench.Do(HttpBench::GetPod("x")).status.code() == absl::StatusCode::kUnavailable);
  drops = 1;
  bench.requests.clear();
  Call patch = HttpBench::GetPod("x");
  patch.verb = Call::Verb::kPatch;
  patch.patch = "{}";
  CHECK(bench.Do(patch).status.code() == absl::StatusCode::kUnavailable);
  CHECK(bench.requests.size() == 1);
}

TEST_CASE("a refused stream is sent again, whatever it does") {
  HttpBench bench;
  int refusals = 2;
  bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr responder) {
    if (refusals-- > 0) return responder->Reset(7);
    HttpBench::ReplyPod(responder, "x");
  };
  bench.Start();
  Call patch = HttpBench::GetPod("x");
  patch.verb = Call::Verb::kPatch;
  patch.patch = "{}";
  CHECK(bench.Do(patch).status == absl::OkStatus());
  CHECK(bench.requests.size() == 3);
  refusals = 100;
  CHECK(bench.Do(patch).status.code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("a server that has gone silent is noticed by a ping") {
  HttpBench bench;
  bench.options.ping_after = 200ms;
  bench.options.ping_timeout = 300ms;
  Watched watched;
  fakes::ResponderPtr responder;
  OpenWatch(bench, watched, responder);
  REQUIRE(bench.RunUntil([&] { return bench.server->pings() >= 2; }));
  CHECK_FALSE(watched.done);  // pings that are answered end nothing
  bench.server->Freeze(true);
  auto frozen = bench.clock.Mono();
  REQUIRE(bench.RunUntil([&] { return watched.done; }));
  CHECK(watched.end.code() == absl::StatusCode::kUnavailable);
  CHECK(Has(watched.end, "ping"));
  CHECK(IsSilence(watched.end));
  CHECK(bench.clock.Mono() - frozen < 2s);
  bench.server->Freeze(false);
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
}

TEST_CASE("HTTP/1.1: a watch on a connection that has gone silent ends") {
  HttpBench bench;
  bench.server_options.http2 = false;
  bench.options.ping_after = 50ms;  // how often it looks
  bench.options.watch_silence = 600ms;
  Watched watched;
  fakes::ResponderPtr responder;
  OpenWatch(bench, watched, responder);
  auto open = bench.clock.Mono();
  // What brings something now and then goes on.
  for (int i = 1; i <= 8; ++i) {
    bench.RunUntil([&] { return bench.clock.Mono() - open > i * 100ms; });
    responder->Body(HttpBench::Event("a"));
  }
  REQUIRE(bench.RunUntil([&] { return watched.names.size() == 8; }));
  CHECK_FALSE(watched.done);
  bench.server->Freeze(true);
  auto frozen = bench.clock.Mono();
  REQUIRE(bench.RunUntil([&] { return watched.done; }, 5s));
  CHECK(watched.end.code() == absl::StatusCode::kUnavailable);
  CHECK(Has(watched.end, "brought nothing"));
  CHECK(bench.clock.Mono() - frozen > 400ms);
  bench.server->Freeze(false);
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
}

TEST_CASE("HTTP/1.1: a server that has gone silent is noticed by a request in place of a ping") {
  HttpBench bench;
  bench.server_options.http2 = false;
  bench.options.ping_after = 200ms;
  bench.options.ping_timeout = 3s;
  Watched watched;
  fakes::ResponderPtr responder;
  OpenWatch(bench, watched, responder);
  auto others = bench.handler;
  bench.handler = [&](const fakes::HttpRequest& request, fakes::ResponderPtr r) {
    if (request.path != "/livez") return others(request, std::move(r));
    r->Reply(403, "text/plain", "no");  // an answer all the same
  };
  auto asked = [&] {
    return std::count_if(bench.requests.begin(), bench.requests.end(),
                         [](const auto& request) { return request.path == "/livez"; });
  };
  REQUIRE(bench.RunUntil([&] { return asked() >= 3; }));
  CHECK_FALSE(watched.done);
  CHECK(bench.server->accepted() == 2);  // the watch's, and one for all questions
  bench.server->Freeze(true);
  REQUIRE(bench.RunUntil([&] { return watched.done; }));
  CHECK(IsSilence(watched.end));
  CHECK(Has(watched.end, "no sign of life"));
  bench.server->Freeze(false);
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
}

TEST_CASE("a peer that vanishes is noticed by the system, whatever is under way") {
  asio::io_context io;
  asio::ip::tcp::socket socket(io, asio::ip::tcp::v4());
  WatchOverPeer(socket);
  auto get = [&socket](int level, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(socket.native_handle(), level, option, &value, &size) == 0);
    return value;
  };
  CHECK(get(SOL_SOCKET, SO_KEEPALIVE) == 1);
  int silent = get(IPPROTO_TCP, TCP_KEEPIDLE) +
               get(IPPROTO_TCP, TCP_KEEPCNT) * get(IPPROTO_TCP, TCP_KEEPINTVL);
  CHECK(silent == 25);
  CHECK(get(IPPROTO_TCP, TCP_USER_TIMEOUT) == 30'000);
}

TEST_CASE("GOAWAY: new requests go elsewhere, old ones run out") {
  HttpBench bench;
  Watched watched;
  fakes::ResponderPtr responder;
  OpenWatch(bench, watched, responder);
  bench.server->Goaway();
  CHECK(bench.RunUntil([&] {
    bench.requests.clear();
    REQUIRE(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
    return bench.requests.back().connection == 2;
  }));
  CHECK_FALSE(watched.done);
  responder->Body(HttpBench::Event("late"));
  REQUIRE(bench.RunUntil([&] { return !watched.names.empty(); }));
  responder->End();
  REQUIRE(bench.RunUntil([&] { return watched.done; }));
  CHECK(watched.end.code() == absl::StatusCode::kOutOfRange);
  CHECK(bench.RunUntil([&] { return bench.server->open_connections() == 1; }));
}

TEST_CASE("another client certificate: new requests show it, watches end, the old one goes") {
  HttpBench bench;
  bench.options.ping_after = 100ms;  // how soon a quiet connection looks
  auto old_pair = NodePair("system:node:old"), new_pair = NodePair("system:node:new");
  bench.credentials.presented.cert_pem = old_pair.certificate;
  bench.credentials.presented.key_pem = old_pair.key;
  bench.credentials.presented.generation = 1;
  Watched watched;
  fakes::ResponderPtr responder;
  OpenWatch(bench, watched, responder);
  CHECK(bench.requests[0].peer_name == "system:node:old");
  bench.credentials.presented.cert_pem = new_pair.certificate;
  bench.credentials.presented.key_pem = new_pair.key;
  bench.credentials.presented.generation = 2;
  SECTION("a request comes") {
    CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
    CHECK(bench.requests.back().peer_name == "system:node:new");
  }
  SECTION("nothing comes") {}
  REQUIRE(bench.RunUntil([&] { return watched.done; }));
  CHECK(watched.end.code() == absl::StatusCode::kUnavailable);
  CHECK(Has(watched.end, "credentials were renewed"));
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  CHECK(bench.requests.back().peer_name == "system:node:new");
  CHECK(bench.RunUntil([&] { return bench.server->open_connections() == 1; }));
}

TEST_CASE("closing the connections ends what is in flight") {
  HttpBench bench;
  Watched watched;
  fakes::ResponderPtr responder;
  OpenWatch(bench, watched, responder);
  bench.api->CloseConnections();
  REQUIRE(bench.RunUntil([&] { return watched.done; }));
  CHECK(watched.end.code() == absl::StatusCode::kUnavailable);
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
}

TEST_CASE("a heartbeat without an answer ends no watch of a connection that lives") {
  HttpBench bench;
  Watched watched;
  fakes::ResponderPtr responder, held;
  OpenWatch(bench, watched, responder);
  auto others = bench.handler;
  bench.handler = [&](const fakes::HttpRequest& request, fakes::ResponderPtr r) {
    if (!request.path.ends_with("/slow")) return others(request, std::move(r));
    held = std::move(r);
  };
  Call call = HttpBench::GetPod("slow");
  call.timeout = 300ms;
  CHECK(bench.Do(call).status.code() == absl::StatusCode::kDeadlineExceeded);
  bench.api->CloseStaleConnections();
  responder->Body(HttpBench::Event("a"));
  REQUIRE(bench.RunUntil([&] { return !watched.names.empty() || watched.done; }));
  CHECK_FALSE(watched.done);
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
  CHECK(bench.server->accepted() == 1);
}

TEST_CASE(
    "a heartbeat without an answer closes what is idle, or silent when asked for a sign of life") {
  HttpBench bench;
  SECTION("idle") {
    bench.Start();
    REQUIRE(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
    bench.api->CloseStaleConnections();
    CHECK(bench.RunUntil([&] { return bench.server->open_connections() == 0; }));
  }
  SECTION("a ping without an answer") {
    bench.options.ping_after = 100ms;
    bench.options.ping_timeout = 5s;
    Watched watched;
    fakes::ResponderPtr responder;
    OpenWatch(bench, watched, responder);
    bench.server->Freeze(true);
    REQUIRE(bench.RunUntil([&] {
      bench.api->CloseStaleConnections();
      return watched.done;
    }));
    CHECK(Has(watched.end, "a heartbeat had no answer"));
  }
  SECTION("HTTP/2 is switched off: all") {
    bench.options.http2 = false;
    Watched watched;
    fakes::ResponderPtr responder;
    OpenWatch(bench, watched, responder);
    bench.api->CloseStaleConnections();
    CHECK(bench.RunUntil([&] { return watched.done; }));
  }
}

TEST_CASE("a call ends with its time, whatever the server does") {
  HttpBench bench;
  std::string when;
  fakes::ResponderPtr responder;
  SECTION("no answer") {
    bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr r) { responder = r; };
    bench.Start();
    when = "waiting for the answer";
  }
  SECTION("half an answer") {
    bench.handler = [&](const fakes::HttpRequest&, fakes::ResponderPtr r) {
      responder = r;
      responder->Head(200, {{"content-type", "application/json"}});
      responder->Body("{");
    };
    bench.Start();
    when = "reading the answer";
  }
  SECTION("no handshake") {
    bench.Start();
    bench.server->Freeze(true);
    when = "waiting for a connection";
  }
  Call call = HttpBench::GetPod("x");
  call.timeout = 500ms;
  auto begin = bench.clock.Mono();
  auto out = bench.Do(call);
  CHECK(out.status.code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(Has(out.status, when));
  CHECK(Has(out.status, "GET https://127.0.0.1:"));
  CHECK(bench.clock.Mono() - begin < 3s);
}

TEST_CASE("why there is no connection: refused, authority, expiry, name, time") {
  HttpBench bench;
  std::string cause;
  auto code = absl::StatusCode::kUnavailable;
  SECTION("refused") {
    bench.Start();
    bench.server->StopAccepting();
    cause = "connection refused";
  }
  SECTION("unknown authority") {
    bench.config.ca_pem = fakes::CertificateAuthority("other").certificate();
    bench.Start();
    cause = "signed by an unknown authority";
  }
  SECTION("expired") {
    auto pair = ServerPair(-10min);
    bench.server_options.certificate = pair.certificate;
    bench.server_options.key = pair.key;
    bench.Start();
    cause = "the server's certificate has expired (20";
  }
  SECTION("another name") {
    auto pair = ServerPair(1h, "DNS:other.test,IP:10.0.0.1");
    bench.server_options.certificate = pair.certificate;
    bench.server_options.key = pair.key;
    bench.Start();
    cause = "valid for other.test, 10.0.0.1, not 127.0.0.1";
  }
  SECTION("no answer to the handshake") {
    bench.options.dial_timeout = 300ms;
    bench.Start();
    bench.server->Freeze(true);
    cause = "timed out";
  }
  SECTION("a bad authority file") {
    bench.config.ca_pem.clear();
    bench.config.ca_file = "/nonexistent/ca.crt";
    bench.Start();
    cause = "/nonexistent/ca.crt: cannot be read";
  }
  SECTION("a URL that is none") {
    bench.config.server = "ftp://x";
    bench.Start();
    cause = "the scheme must be http or https";
    code = absl::StatusCode::kInvalidArgument;
  }
  auto out = bench.Do(HttpBench::GetPod("x"));
  CHECK(out.status.code() == code);
  CAPTURE(out.status.ToString());
  CHECK(Has(out.status, cause));
  // While the back-off runs a call does not even try.
  auto again = bench.Do(HttpBench::GetPod("x"));
  CHECK(Has(again.status, cause));
}

TEST_CASE("a server that comes back is found") {
  HttpBench bench;
  bench.Start();
  bench.server->StopAccepting();
  for (int i = 0; i < 3; ++i) {
    CHECK(bench.Do(HttpBench::GetPod("x")).status.code() == absl::StatusCode::kUnavailable);
  }
  bench.server->Accept();
  auto begin = bench.clock.Mono();
  while (!bench.Do(HttpBench::GetPod("x")).status.ok()) {
    auto turn = bench.clock.Mono() + 20ms;
    bench.RunUntil([&] { return bench.clock.Mono() > turn; });
    REQUIRE(bench.clock.Mono() - begin < 5s);
  }
  CHECK(bench.clock.Mono() - begin < 1500ms);
}

TEST_CASE("after an outage the first write does not queue behind the tries and the watches") {
  HttpBench bench;
  bench.options.qps = 0.001;
  bench.options.burst = 2;
  bench.handler = [](const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
    if (request.query.find("watch=true") == std::string::npos) HttpBench::ReplyPod(responder, "x");
  };
  bench.Start();
  bench.server->StopAccepting();
  for (int i = 0; i < 4; ++i) {
    // Some of them dial, some come while the back-off runs.
    CHECK(bench.Do(HttpBench::GetPod("x")).status.code() == absl::StatusCode::kUnavailable);
    auto turn = bench.clock.Mono() + (i % 2 == 0 ? 300ms : 0ms);
    bench.RunUntil([&] { return bench.clock.Mono() >= turn; });
  }
  bench.server->Accept();
  auto turn = bench.clock.Mono() + 1s;
  bench.RunUntil([&] { return bench.clock.Mono() > turn; });
  Watched one, two;
  bench.BeginWatch(one);
  bench.BeginWatch(two);
  REQUIRE(bench.RunUntil([&] { return bench.requests.size() == 2; }));
  Call call = HttpBench::GetPod("x");
  call.timeout = 5s;
  CHECK(bench.Do(call).status == absl::OkStatus());
}

TEST_CASE("tls-server-name is what counts, and insecure counts nothing") {
  HttpBench bench;
  SECTION("another name that the certificate has") {
    auto pair = ServerPair(1h, "DNS:api.test");
    bench.server_options.certificate = pair.certificate;
    bench.server_options.key = pair.key;
    bench.config.tls_server_name = "api.test";
  }
  SECTION("insecure") {
    bench.config.ca_pem.clear();
    bench.config.insecure_skip_verify = true;
    auto pair = ServerPair(-1min, "DNS:other.test");
    bench.server_options.certificate = pair.certificate;
    bench.server_options.key = pair.key;
  }
  SECTION("the server's own certificate as the authority") {
    bench.config.ca_pem = bench.server_options.certificate;
  }
  bench.Start();
  CHECK(bench.Do(HttpBench::GetPod("x")).status == absl::OkStatus());
}
