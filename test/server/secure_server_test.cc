#include "server/secure_bench.h"
#include "server/tls.h"

namespace kubelet::server {
namespace {

struct Matrix {
  SecureBench bench;
  fakes::KeyPair alice = Person(bench.clients, "alice"), mallory = Person(bench.clients, "mallory"),
                 stranger = Person(bench.others, "alice"), nameless = Person(bench.clients, "");
};

// Every endpoint with its methods: what a denial names, and the answer to who is let in. Codes of
// documents are those of this test's.
struct Row {
  const char *method, *path, *verb, *subresources, *code;
};

TEST_CASE("who gets in, at every endpoint") {
  Matrix m;
  auto row = GENERATE(
      Row{"GET", "/healthz", "get", "healthz proxy", "200"},
      Row{"GET", "/healthz/ping", "get", "healthz proxy", "200"},
      Row{"GET", "/healthz/log", "get", "healthz proxy", "200"},
      Row{"GET", "/healthz/syncloop", "get", "healthz proxy", "200"},
      Row{"GET", "/pods", "get", "pods proxy", "200"},
      Row{"GET", "/runningpods/", "get", "pods proxy", "200"},
      Row{"GET", "/configz", "get", "configz proxy", "200"},
      Row{"GET", "/metrics", "get", "metrics", "200"},
      Row{"GET", "/metrics/cadvisor", "get", "metrics", nullptr},
      Row{"GET", "/metrics/resource", "get", "metrics", nullptr},
      Row{"GET", "/metrics/probes", "get", "metrics", nullptr},
      Row{"GET", "/metrics/slis", "get", "metrics", nullptr},
      Row{"GET", "/stats/summary", "get", "stats", nullptr},
      Row{"POST", "/stats/summary", "create", "stats", nullptr},
      Row{"GET", "/logs/", "get", "log", "200"},
      Row{"GET", "/logs/no-such-file-here", "get", "log", "404"},
      Row{"GET", "/statusz", "get", "statusz", "200"},
      Row{"GET", "/flagz", "get", "configz", "200"},
      Row{"POST", "/checkpoint/ns/p/c", "create", "checkpoint", "404"},
      Row{"GET", "/checkpoint/ns/p/c", "get", "checkpoint", "405"},
      Row{"GET", "/containerLogs/ns/p/c", "get", "proxy", "404"},
      Row{"POST", "/containerLogs/ns/p/c", "create", "proxy", "405"},
      Row{"GET", "/exec/ns/p/c?output=1", "get", "proxy", "404"},
      Row{"POST", "/exec/ns/p/c?output=1", "create", "proxy", "404"},
      Row{"POST", "/exec/ns/p/u/c?output=1", "create", "proxy", "404"},
      Row{"DELETE", "/exec/ns/p/c?output=1", "delete", "proxy", "405"},
      Row{"GET", "/attach/ns/p/c?output=1", "get", "proxy", "404"},
      Row{"POST", "/attach/ns/p/u/c?output=1", "create", "proxy", "404"},
      Row{"GET", "/portForward/ns/p", "get", "proxy", "404"},
      Row{"POST", "/portForward/ns/p/u", "create", "proxy", "404"},
      Row{"POST", "/run/ns/p/c?cmd=x", "create", "proxy", "404"},
      Row{"GET", "/run/ns/p/c", "get", "proxy", "405"},
      Row{"GET", "/debug/pprof/", "get", "proxy", "200"},
      Row{"GET", "/debug/pprof/heap", "get", "proxy", "200"},
      Row{"PATCH", "/debug/flags/v", "patch", "proxy", "406"},
      Row{"PUT", "/debug/flags/v", "update", "proxy", "400"},
      Row{"GET", "/nothing", "get", "proxy", "404"}, Row{"GET", "/", "get", "proxy", "404"},
      Row{"GET", "/livez", "get", "proxy", "404"}, Row{"GET", "/readyz", "get", "proxy", "404"});
  INFO(row.method << " " << row.path);
  auto ask = [&](const fakes::KeyPair* pair, const std::string& headers) {
    TlsClient client(m.bench, pair);
    REQUIRE(client.shaken);
    client.Send(std::string(row.method) + " " + row.path +
                " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n");
    client.Closes();
    return client.Received();
  };
  std::string answer = ask(nullptr, "");
  CHECK(Code(answer) == "401");
  CHECK(Body(answer) == "Unauthorized");
  CHECK(Code(ask(&m.stranger, "")) == "401");
  CHECK(Code(ask(&m.nameless, "")) == "401");
  CHECK(Code(ask(nullptr, "Authorization: Bearer nobodys\r\n")) == "401");
  CHECK(Code(ask(nullptr, "Authorization: Basic Ym9iOmJvYg==\r\n")) == "401");
  answer = ask(&m.mallory, "");
  CHECK(Code(answer) == "403");
  CHECK(Body(answer) == "Forbidden (user=mallory, verb=" + std::string(row.verb) +
                            ", resource=nodes, subresource(s)=[" + row.subresources + "])\n");
  for (const auto& good : {ask(&m.alice, ""), ask(nullptr, "Authorization: Bearer bobs\r\n")}) {
    CHECK(Code(good) != "401");
    CHECK(Code(good) != "403");
    if (row.code != nullptr) CHECK(Code(good) == row.code);
  }
}

TEST_CASE("what the endpoints answer to who may ask") {
  Matrix m;
  TlsClient client(m.bench, &m.alice);
  CHECK(client.Alpn() == "http/1.1");
  CHECK(Body(client.Get("/pods")) == "document /pods");
  CHECK(Body(client.Get("/stats/summary")) == "document /stats/summary");
  CHECK(Body(client.Get("/nothing")) == "404 page not found\n");
  std::string answer = client.Get("/run/ns/p/c");
  CHECK(Code(answer) == "405");
  CHECK(Body(answer) == "405: Method Not Allowed");
  CHECK(Body(client.Get("/containerLogs/ns/p/c")) == "pod \"p\" does not exist");
  CHECK(Body(client.Get("/exec/ns/p/c")) == "you must specify at least 1 of stdin, stdout, stderr");
  answer = client.Get("/exec/ns/p/c?output=1");
  CHECK(Code(answer) == "404");
  CHECK(Body(answer) == "pod does not exist");
  answer = client.Get("/pods", "", "HEAD");
  CHECK(Code(answer) == "405");
  CHECK(Body(answer).empty());
  CHECK(Body(client.Get("/pods")) == "document /pods");  // nothing of the one before has come
}

TEST_CASE("the API server away is no admission") {
  Matrix m;
  m.bench.api.Down();
  TlsClient client(m.bench, &m.alice);
  CHECK(Code(client.Get("/pods")) == "500");
  CHECK(Code(client.Get("/pods", "Authorization: Bearer bobs\r\n")) == "500");
  TlsClient token(m.bench);
  CHECK(Code(token.Get("/pods", "Authorization: Bearer bobs\r\n")) == "401");
}

TEST_CASE(
    "a new certificate is shown from the next handshake on; one that is none changes nothing") {
  Matrix m;
  TlsClient before(m.bench, &m.alice);
  CHECK(before.ServerName() == "node-1");
  m.bench.UseCertificate("node-2");
  TlsClient after(m.bench, &m.alice);
  CHECK(after.ServerName() == "node-2");
  CHECK(Code(before.Get("/pods")) == "200");
}

TEST_CASE("client CAs are those of today, also on connections that stand") {
  Matrix m;
  TlsClient client(m.bench, &m.alice), other(m.bench, &m.stranger);
  CHECK(Code(client.Get("/pods")) == "200");
  CHECK(Code(other.Get("/pods")) == "401");
  m.bench.material.client_ca_pem = m.bench.others.certificate();
  ++m.bench.material.generation;
  m.bench.server->SetTls(m.bench.material);
  CHECK(Code(client.Get("/pods")) == "401");
  CHECK(Code(other.Get("/pods")) == "200");
}

TEST_CASE("who comes before there is a certificate waits two seconds for it") {
  SecureBench bench;
  bench.server->SetTls({});
  TlsClient client(bench, nullptr, false);
  bench.Run();
  bench.Advance(1900ms);
  CHECK_FALSE(client.Closed());
  SECTION("it comes") {
    bench.UseCertificate("node-1");
    CHECK(client.Shakes());
    CHECK(client.ServerName() == "node-1");
  }
  SECTION("it does not") {
    bench.Advance(100ms);
    CHECK(client.Closes());
  }
  SECTION("what comes is none") {
    TlsMaterial none = bench.material;
    none.cert_pem = "no certificate";
    bench.server->SetTls(none);
    CHECK(client.Closes());
  }
}

TEST_CASE("silence, slowness and size have their limits") {
  Matrix m;
  SECTION("a handshake that is not begun") {
    TlsClient client(m.bench, nullptr, false);
    m.bench.Run();
    m.bench.Advance(10s);
    CHECK(client.Closes());
  }
  SECTION("a connection that says nothing") {
    TlsClient client(m.bench, &m.alice);
    m.bench.Advance(89s);
    CHECK_FALSE(client.Closed());
    m.bench.Advance(1s);
    CHECK(client.Closes());
  }
  SECTION("a header that comes byte by byte") {
    TlsClient client(m.bench, &m.alice);
    client.Send("GET / HTTP/1.1\r\n");
    for (int i = 0; i < 29; ++i) {
      m.bench.Advance(1s);
      client.Send("X");
      CHECK_FALSE(client.Closed());
    }
    m.bench.Advance(1s);
    CHECK(client.Closes());
  }
  SECTION("a header that has no end") {
    TlsClient client(m.bench, &m.alice);
    client.Send("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x'));
    CHECK(Code(client.Answer()) == "431");
  }
  SECTION("a body that is too long") {
    TlsClient client(m.bench, &m.alice);
    client.Send("POST /run/ns/p/c HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    CHECK(Code(client.Answer()) == "413");
  }
  SECTION("what is not HTTP, and a target that is none") {
    TlsClient client(m.bench, &m.alice);
    client.Send("hello\r\n\r\n");
    CHECK(Code(client.Answer()) == "400");
    TlsClient other(m.bench, &m.alice);
    CHECK(Code(other.Get("/%zz")) == "400");
  }
}

TEST_CASE("who has not shown who it is makes room for the next; who has, stays") {
  SecureServer::Options options;
  options.max_strangers = 3;
  SecureBench bench(options);
  auto alice = Person(bench.clients, "alice");
  TlsClient known(bench, &alice);
  CHECK(Code(known.Get("/pods")) == "200");
  std::vector<std::unique_ptr<TlsClient>> strangers;
  for (int i = 0; i < 4; ++i) strangers.push_back(std::make_unique<TlsClient>(bench));
  CHECK(strangers[0]->Closes());
  CHECK_FALSE(strangers[1]->Closed());
  CHECK(Code(known.Get("/pods")) == "200");
  TlsClient late(bench, &alice);
  CHECK(Code(late.Get("/pods")) == "200");
}

TEST_CASE("connections beyond the limit are closed at once") {
  SecureServer::Options options;
  options.max_connections = 1;
  SecureBench bench(options);
  auto alice = Person(bench.clients, "alice");
  auto one = std::make_unique<TlsClient>(bench, &alice);
  TlsClient two(bench, &alice);
  CHECK_FALSE(two.shaken);
  one.reset();
  bench.Run();
  TlsClient three(bench, &alice);
  CHECK(Code(three.Get("/pods")) == "200");
}

TEST_CASE("several requests in one write are answered in turn") {
  Matrix m;
  TlsClient client(m.bench, &m.alice);
  client.Send(
      "GET /pods HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\nConnection: "
      "close\r\n\r\n");
  CHECK(Body(client.Answer()) == "document /pods");
  CHECK(Body(client.Answer()) == "document /metrics");
  CHECK(client.Closes());
  CHECK(client.ended);
}

TEST_CASE("a document that is made while it is sent") {
  Matrix m;
  TlsClient client(m.bench, &m.alice);
  std::string wanted;
  for (char c = 'a'; c < 'f'; ++c) wanted += std::string(100'000, c);
  client.Send("GET /metrics/cadvisor?pieces=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  bool whole = false;
  std::string got;
  REQUIRE(m.bench.Until([&] {
    got = Unchunk(Body(client.Received()), &whole);
    return whole;
  }));
  CHECK(got == wanted);
  client.Received().clear();
  CHECK(Code(client.Get("/metrics/cadvisor?pieces=1", "", "HEAD")) == "200");
  CHECK(Body(client.Get("/pods")) == "document /pods");  // the connection goes on
}

TEST_CASE("cipher suites by the names of Go") {
  CHECK(CipherList({"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}) == "ECDHE-RSA-AES128-GCM-SHA256");
  CHECK(CipherList({"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"}) == "ECDHE-ECDSA-CHACHA20-POLY1305");
  CHECK(CipherList({"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"}) ==
        "ECDHE-ECDSA-CHACHA20-POLY1305");
  std::vector<std::string> left_out;
  CHECK(CipherList({"TLS_AES_128_GCM_SHA256", "nothing"}, &left_out).empty());
  CHECK(left_out == std::vector<std::string>{"nothing"});
}

TEST_CASE("suites that cannot be offered leave TLS 1.3 alone, not all the others") {
  auto newest = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  auto suite = GENERATE("TLS_AES_128_GCM_SHA256", "TLS_UNHEARD_OF");
  SecureServer::Options options;
  options.tls.ciphers = {suite};
  SecureBench bench(options);
  TlsClient client(bench, nullptr, true, newest);
  CHECK(client.shaken == (newest == TLS1_3_VERSION));
}

TEST_CASE("curves are those that were asked for") {
  SecureServer::Options options;
  options.tls.curves = {4588, 24};
  SecureBench bench(options);
  auto newest = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  auto shakes = [&](const char* groups) {
    TlsClient client(bench, nullptr, true, newest, groups);
    return client.shaken;
  };
  // P-256 is the certificate's, which TLS 1.2 looks for among the client's curves too.
  CHECK(shakes("P-256:P-384"));
  CHECK_FALSE(shakes("P-256:X25519"));
  SecureServer::LiveOptions live;
  SECTION("of which OpenSSL may have none") {
    auto alice = Person(bench.clients, "alice");
    // By TLS 1.3: below it OpenSSL wants the client's certificate to be on these curves as well.
    TlsClient standing(bench, &alice, true, TLS1_3_VERSION, "P-256:P-384");
    CHECK(Code(standing.Get("/pods")) == "200");
    live.tls.curves = {4587, 4589};
    bench.server->SetLive(live);
    CHECK_FALSE(shakes("P-256:P-384:P-521:X25519"));
    CHECK(Code(standing.Get("/pods")) == "200");
    live.tls.curves = {29};
    bench.server->SetLive(live);
    CHECK(shakes("P-256:X25519"));
    CHECK_FALSE(shakes("P-256:P-384"));
  }
}

TEST_CASE("TLS below the configured version is refused") {
  auto newest = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  SecureServer::Options options;
  options.tls.min_version = "VersionTLS13";
  SecureBench bench(options);
  TlsClient client(bench, nullptr, true, newest);
  CHECK(client.shaken == (newest == TLS1_3_VERSION));
}

TEST_CASE("without debugging handlers") {
  SecureServer::Options options;
  options.handlers.debugging = false;
  SecureBench bench(options);
  auto alice = Person(bench.clients, "alice");
  TlsClient client(bench, &alice);
  std::string answer = client.Get("/exec/ns/p/c");
  CHECK(Code(answer) == "405");
  CHECK(Body(answer) == "Debug endpoints are disabled.\n");
  CHECK(Code(client.Get("/pods")) == "200");
}

}  // namespace
}  // namespace kubelet::server
