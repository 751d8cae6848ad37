// Probes by HTTP and HTTPS over real sockets: what the answers mean, redirects, timeouts.
#include "catch.h"
#include "fakes/certificates.h"
#include "fakes/http2_server.h"
#include "kubelet/probe/network_prober.h"
#include "loopback.h"
#include "prober_bench.h"

namespace kubelet::probe {
namespace {

TEST_CASE("http: what the answers mean") {
  struct Row {
    const char *answer, *outcome;  // @ is the server's address
    bool closes = true;
  };
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "success"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "success", false},
      {"HTTP/1.1 399 Odd\r\nContent-Length: 0\r\n\r\n",
       "warning: Probe terminated redirects, Response body: "},
      {"HTTP/1.1 400 Bad\r\n\r\nsecret", "failure: HTTP probe failed with statuscode: 400"},
      {"HTTP/1.1 500 Oops\r\n\r\n", "failure: HTTP probe failed with statuscode: 500"},
      {"HTTP/1.1 101 Switching\r\n\r\n", "failure: HTTP probe failed with statuscode: 101"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "unknown: unexpected EOF"},
      {"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nhalf", "unknown: unexpected EOF"},
      {"", "failure: Get \"http://@/\": EOF"},
      {"HTTP/1.1 2", "failure: Get \"http://@/\": unexpected EOF"},
      {"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/x\r\n\r\nmoved",
       "warning: Probe terminated redirects, Response body: moved"},
      {"HTTP/1.1 302 Found\r\n\r\nmoved",
       "warning: Probe terminated redirects, Response body: moved"},
  };
  for (const auto& row : rows) {
    INFO(row.answer);
    ProberBench b;
    Loopback server(b.io, [&](Loopback::Session& s) {
      if (!Whole(s.in)) return;
      s.Write(row.answer);
      if (row.closes) s.Close();
    });
    std::string want = Replace(row.outcome, "@", "127.0.0.1:" + std::to_string(server.port()));
    CHECK(Text(b.Do(b.Http(server.port()))) == want);
  }
}

TEST_CASE("http: the request, and redirects within the host") {
  ProberBench b;
  std::vector<std::string> asked;
  Loopback server(b.io, [&](Loopback::Session& s) {
    if (!Whole(s.in)) return;
    asked.push_back(s.in);
    std::string port = std::to_string(server.port());
    std::string location = asked.size() == 1 ? "/second?x" : "http://127.0.0.1:" + port + "/third";
    s.Write(asked.size() < 3 ? "HTTP/1.1 301 Moved\r\nLocation: " + location + "\r\n\r\n"
                             : "HTTP/1.1 200 OK\r\n\r\n");
    s.Close();
  });
  auto action = b.Http(server.port(), "/first");
  action.headers = {{"Host", "web"}, {"X-Test", "1"}};
  CHECK(Text(b.Do(action)) == "success");
  REQUIRE(asked.size() == 3);
  CHECK(asked[0] ==
        "GET /first HTTP/1.1\r\nHost: web\r\nUser-Agent: kube-probe/1.36\r\nAccept: "
        "*/*\r\nConnection: close\r\nX-Test: 1\r\n\r\n");
  CHECK(asked[1].find("GET /second?x HTTP/1.1\r\nHost: web\r\n") == 0);
  CHECK(asked[2].find("GET /third HTTP/1.1\r\nHost: 127.0.0.1:") == 0);
}

TEST_CASE("http: redirects in a circle end") {
  ProberBench b;
  int asked = 0;
  Loopback server(b.io, [&](Loopback::Session& s) {
    if (!Whole(s.in)) return;
    ++asked;
    s.Write("HTTP/1.1 307 Again\r\nLocation: /round\r\n\r\n");
    s.Close();
  });
  CHECK(Text(b.Do(b.Http(server.port()))) == "failure: Get \"/round\": stopped after 10 redirects");
  CHECK(asked == 10);
}

TEST_CASE("http: nobody listens, by address and by name, IPv6") {
  ProberBench b;
  uint16_t port = 0;
  { port = Loopback(b.io).port(); }
  b.Poll();
  std::string at = "127.0.0.1:" + std::to_string(port);
  CHECK(Text(b.Do(b.Http(port))) ==
        "failure: Get \"http://" + at + "/\": dial tcp " + at + ": connect: connection refused");
  auto action = b.Http(port);
  action.host = "localhost";
  CHECK(Text(b.Do(action)).find("connect: connection refused") != std::string::npos);
  action.host = "no such host";
  CHECK(Text(b.Do(action)).find("dial tcp: lookup no such host: ") != std::string::npos);
  Loopback v6(
      b.io,
      [&](Loopback::Session& s) {
        s.Write("HTTP/1.1 200 OK\r\n\r\n");
        s.Close();
      },
      "::1");
  action.host = "::1";
  action.port = v6.port();
  CHECK(Text(b.Do(action)) == "success");
}

TEST_CASE("http: the timeout counts from the request on") {
  ProberBench b;
  Loopback server(b.io);
  b.Begin(b.Http(server.port()), 3s);
  b.Until([&] { return !server.sessions().empty() && Whole(server.sessions().back()->in); });
  b.clock.Advance(2'999ms, [&] { b.Poll(); });
  CHECK_FALSE(b.outcome);
  b.clock.Advance(1ms, [&] { b.Poll(); });
  b.Until([&] { return b.outcome.has_value(); });
  CHECK(Text(*b.outcome) ==
        "failure: Get \"http://127.0.0.1:" + std::to_string(server.port()) +
            "/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
}

TEST_CASE("http: a body that does not come is asked for three times and then says nothing") {
  ProberBench b;
  Loopback server(b.io, [&](Loopback::Session& s) {
    s.Write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow");
  });
  b.Begin(b.Http(server.port()));
  for (int tries = 1; tries <= 3; ++tries) {
    b.Poll();
    CHECK_FALSE(b.outcome);
    CHECK(server.sessions().size() == static_cast<size_t>(tries));
    b.clock.Advance(1s, [&] { b.Poll(); });
  }
  b.Until([&] { return b.outcome.has_value(); });
  CHECK(Text(*b.outcome) ==
        "unknown: context deadline exceeded (Client.Timeout or context cancellation while reading "
        "body)");
}

TEST_CASE("a late loop: the answer was there in time, so the probe has not failed") {
  ProberBench b;
  Loopback server(b.io);
  b.Begin(b.Http(server.port()));
  b.Until([&] { return !server.sessions().empty() && Whole(server.sessions().back()->in); });
  server.sessions().back()->Write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  // Nobody looks at the sockets for ten seconds; the timer comes first.
  b.clock.Advance(10s);
  b.Until([&] { return b.outcome.has_value(); });
  CHECK(Text(*b.outcome) == "success");
}

TEST_CASE("https: nobody is verified; a server that speaks http is named") {
  ProberBench b;
  fakes::CertificateAuthority ca;
  fakes::CertificateOptions wrong;
  wrong.common_name = "somebody else";
  wrong.valid_until = -std::chrono::minutes(1);
  auto pair = ca.Issue(wrong);
  fakes::HttpServerOptions options;
  options.certificate = pair.certificate;
  options.key = pair.key;
  std::vector<fakes::HttpRequest> asked;
  fakes::HttpServer server(b.io.get_executor(), options, [&](const auto& request, auto responder) {
    asked.push_back(request);
    responder->Reply(request.path == "/bad" ? 503 : 200, "text/plain", std::string(20'000, 'x'));
  });
  auto action = b.Http(server.port(), "/fine");
  action.https = true;
  CHECK(Text(b.Do(action)) == "success");
  action.path = "/bad";
  CHECK(Text(b.Do(action)) == "failure: HTTP probe failed with statuscode: 503");
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].headers.at("user-agent") == "kube-probe/1.36");

  Loopback plain(b.io, [&](Loopback::Session& s) {
    s.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
    s.Close();
  });
  action.port = plain.port();
  std::string at = "127.0.0.1:" + std::to_string(plain.port());
  CHECK(Text(b.Do(action)) ==
        "failure: Get \"https://" + at + "/bad\": http: server gave HTTP response to HTTPS client");
  Loopback garbage(b.io, [&](Loopback::Session& s) { s.Write("SSH-2.0-x\r\n"); });
  action.port = garbage.port();
  CHECK(Text(b.Do(action)).find("\": tls: ") != std::string::npos);
}

}  // namespace
}  // namespace kubelet::probe
