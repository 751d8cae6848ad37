#include "source/url_source.h"

#include <unistd.h>

#include <fstream>

#include "http_server.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "source/checkpoint.h"
#include "source_bench.h"

namespace kubelet::source {
namespace {

std::string Item(const std::string& name, const std::string& image = "i",
                 const std::string& uid = "") {
  return R"({"metadata":{"name":")" + name + "\"" +
         (uid.empty() ? "" : ",\"uid\":\"" + uid + "\"") +
         R"(},"spec":{"containers":[{"name":"c","image":")" + image + R"("}]}})";
}
std::string List(const std::vector<std::string>& items) {
  std::string all;
  for (const auto& item : items) all += (all.empty() ? "" : ",") + item;
  return R"({"apiVersion":"v1","kind":"PodList","items":[)" + all + "]}";
}

struct UrlBench {
  Loop loop;
  TempDir dir;
  std::string answer = Ok(List({}));  // raw
  bool silent = false;
  std::unique_ptr<HttpServer> server;
  UrlSourceOptions options;
  std::vector<Snapshot> snapshots;
  int problem_changes = 0;
  std::unique_ptr<UrlSource> source;
  std::unique_ptr<base::TaskScope> stopper;

  explicit UrlBench(const TestTls* tls = nullptr) {
    auto handler = [this](const std::string&) -> std::optional<std::string> {
      if (silent) return std::nullopt;
      return answer;
    };
    server = std::make_unique<HttpServer>(loop.io.get_executor(), handler, tls);
    options.url =
        (tls ? "https" : "http") + std::string("://127.0.0.1:") + server->port() + "/pods?x=y";
    options.node_name = "node";
    options.proxy = client::ProxyEnvironment();
    if (tls) {
      WriteFile(dir.path + "/ca.pem", tls->ca);
      options.ca_file = dir.path + "/ca.pem";
    }
  }
  ~UrlBench() { Stop(); }
  void Start() {
    Launch();
    Fetched(1);
  }
  void Launch() {
    SourceDeps deps{loop.io.get_executor(), loop.clock, loop.pool, {}, {}};
    deps.on_snapshot = [this](const Snapshot& s) { snapshots.push_back(s); };
    deps.on_problem_change = [this] { ++problem_changes; };
    source = std::make_unique<UrlSource>(options, deps);
    source->Start();
  }
  void Fetched(uint64_t n) {
    loop.RunUntil([this, n] { return source->fetches() >= n; });
  }
  // The next periodic fetch.
  void Next() {
    uint64_t n = source->fetches() + 1;
    loop.io.restart();
    loop.io.poll();
    loop.clock.Advance(20s);
    Fetched(n);
  }
  void Next(const std::string& body) {
    answer = Ok(body);
    Next();
  }
  static base::Task<void> StopAndMark(UrlSource& source, bool& stopped) {
    co_await source.Stop();
    stopped = true;
  }
  void Stop() {
    if (!source) return;
    bool stopped = false;
    stopper = std::make_unique<base::TaskScope>(loop.io.get_executor());
    stopper->Spawn("stop", StopAndMark(*source, stopped));
    loop.RunUntil([&] { return stopped; });
    source.reset();
  }
  std::map<std::string, std::string> Uids() const {
    std::map<std::string, std::string> out;
    REQUIRE_FALSE(snapshots.empty());
    for (const auto& pod : snapshots.back().pods)
      out[pod->metadata().name()] = pod->metadata().uid();
    return out;
  }
  std::string Problems() const {
    std::string out;
    for (const auto& p : source->problems())
      out += "[" + p.pod + "] " + p.text + (p.kept ? " (kept)" : "") + "\n";
    return out;
  }
};

TEST_CASE("a pod or a list is fetched at once and then every period") {
  UrlBench b;
  b.options.headers = {{"X-B", "1"}, {"X-A", "2"}, {"X-B", "3"}};
  b.answer = Ok(Manifest("a"));
  b.Start();
  REQUIRE(b.snapshots.size() == 1);
  CHECK(b.snapshots[0].source == "http");
  CHECK(b.snapshots[0].complete);
  CHECK(b.Uids().contains("a-node"));
  REQUIRE(b.server->heads.size() == 1);
  CHECK(b.server->heads[0] ==
        "GET /pods?x=y HTTP/1.1\r\nHost: 127.0.0.1:" + b.server->port() +
            "\r\nUser-Agent: kubelet\r\nX-B: 1\r\nX-A: 2\r\nX-B: 3\r\nConnection: close\r\n\r\n");
  b.Next();
  CHECK(b.server->heads.size() == 2);
  CHECK(b.snapshots.size() == 1);
  b.Next(List({Item("a"), Item("b")}));
  CHECK(b.Uids().size() == 2);
  b.Next("apiVersion: v1\nkind: PodList\nitems: []\n");
  CHECK(b.Uids().empty());
  CHECK(b.Problems() == "");
}

TEST_CASE("bodies by chunks and until the end of the connection are read whole") {
  UrlBench b;
  std::string body = List({Item("a")});
  SECTION("chunks") {
    b.answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n" + body.substr(0, 1) + "\r\n";
    char size[20];
    snprintf(size, sizeof size, "%zx", body.size() - 1);
    b.answer += std::string(size) + "\r\n" + body.substr(1) + "\r\n0\r\n\r\n";
    b.Start();
    CHECK(b.Problems() == "");
    CHECK(b.Uids().size() == 1);
  }
  SECTION("end of connection") {
    b.answer = "HTTP/1.0 200 OK\r\n\r\n" + body;
    b.Start();
    CHECK(b.Uids().size() == 1);
  }
  SECTION("cut short") {
    b.answer =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size() + 1) + "\r\n\r\n" + body;
    b.Start();
    CHECK(b.snapshots.empty());
    CHECK(Contains(b.Problems(), "ended early"));
  }
  SECTION("too long") {
    b.answer = Ok(std::string(kMaxManifest + 1, '#'));
    b.Start();
    CHECK(b.snapshots.empty());
    CHECK(Contains(b.Problems(), "too long"));
  }
}

TEST_CASE("failures keep the last good set and are reported") {
  UrlBench b;
  b.answer = Ok(List({Item("a"), Item("b")}));
  b.Start();
  auto uids = b.Uids();
  struct Case {
    std::string answer, problem;
  };
  const Case cases[] = {
      {"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n", "status 500 Broken"},
      {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"},
      {Ok(""), "empty body"},
      {"garbage\r\n\r\n", "read the response"},
      {"", "ended early"},
      {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "redirect"},
  };
  for (const auto& c : cases) {
    INFO(c.answer);
    int changes = b.problem_changes;
    b.answer = c.answer;
    b.Next();
    CHECK(Contains(b.Problems(), c.problem));
    CHECK(Contains(b.Problems(), "(kept)"));
    CHECK(b.problem_changes == changes + 1);
    CHECK(b.snapshots.size() == 1);
  }
  b.Next("not a pod");
  CHECK(b.snapshots.size() == 1);
  CHECK(Contains(b.Problems(), "(kept)"));
  b.Next(List({Item("b"), Item("a")}));
  CHECK(b.Problems() == "");
  CHECK(b.Uids() == uids);
  CHECK(b.snapshots.size() == 1);
}

TEST_CASE("one bad item of a list keeps its own last good version and lets the others change") {
  UrlBench b;
  b.answer = Ok(List({Item("a"), Item("b"), Item("c")}));
  b.Start();
  auto uids = b.Uids();
  b.Next(List({Item("a", "new"), R"({"metadata":{"name":"b"},"spec":{"containers":3}})"}));
  auto now = b.Uids();
  CHECK(now.size() == 2);
  CHECK(now["a-node"] != uids["a-node"]);
  CHECK(now["b-node"] == uids["b-node"]);
  CHECK(Contains(b.Problems(), "[default/b-node] items[1]."));
  CHECK(Contains(b.Problems(), "(kept)"));
  // An item that cannot be named might be any of them.
  b.Next(List({Item("a", "new"), R"({"metadata":7})"}));
  CHECK(b.Uids() == now);
  b.Next(List({Item("a", "new"), Item("a", "twice")}));
  CHECK(b.Uids().size() == 1);
  CHECK(Contains(b.Problems(), "only the first counts"));
}

TEST_CASE("nothing is complete before every item was good once") {
  UrlBench b;
  b.answer = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";
  b.Start();
  CHECK(b.snapshots.empty());
  b.Next(List({Item("a"), R"({"metadata":{"name":"b"},"spec":{"containers":3}})"}));
  REQUIRE(b.snapshots.size() == 1);
  CHECK_FALSE(b.snapshots[0].complete);
  CHECK(b.Uids().size() == 1);
  b.Next(List({Item("a"), Item("b")}));
  CHECK(b.snapshots.back().complete);
  b.Next(List({Item("a"), R"({"metadata":{"name":"x"},"spec":{"containers":3}})"}));
  CHECK(b.snapshots.back().complete);
}

TEST_CASE("an unchanged pod stays the same object, and a fixed uid keeps config.seen") {
  UrlBench b;
  b.answer = Ok(List({Item("a"), Item("f", "i", "fixed")}));
  b.Start();
  auto first = b.snapshots.back().pods;
  b.Next(List({Item("f", "other", "fixed"), Item("a")}));
  auto second = b.snapshots.back().pods;
  REQUIRE(second.size() == 2);
  CHECK(second[0] == first[0]);
  CHECK(second[1] != first[1]);
  CHECK(second[1]->spec().containers(0).image() == "other");
  CHECK(api::Annotation(*second[1], api::kConfigSeen) ==
        api::Annotation(*first[1], api::kConfigSeen));
}

TEST_CASE("a silent server is given up after ten seconds") {
  UrlBench b;
  b.Start();
  b.silent = true;
  b.loop.clock.Advance(20s, [&] {
    b.loop.io.restart();
    b.loop.io.poll();
  });
  b.loop.RunUntil([&] { return b.server->open == 1; });
  b.loop.clock.Advance(9s);
  b.loop.io.restart();
  b.loop.io.poll();
  CHECK(b.source->fetches() == 1);
  b.loop.clock.Advance(1s);
  b.Fetched(2);
  CHECK(Contains(b.Problems(), "timed out"));
  b.loop.RunUntil([&] { return b.server->open == 0; });
  b.silent = false;
  b.loop.clock.Advance(10s);
  b.Fetched(3);
  CHECK(b.Problems() == "");
}

TEST_CASE("Stop ends a request under way") {
  UrlBench b;
  b.Start();
  b.silent = true;
  b.loop.clock.Advance(20s, [&] {
    b.loop.io.restart();
    b.loop.io.poll();
  });
  b.loop.RunUntil([&] { return b.server->open == 1; });
  b.Stop();
  b.loop.RunUntil([&] { return b.server->open == 0; });
  CHECK(b.snapshots.size() == 1);
}

TEST_CASE("an address where nobody listens is named") {
  UrlBench b;
  std::string port;
  {
    HttpServer gone(b.loop.io.get_executor(), [](const std::string&) { return std::nullopt; });
    port = gone.port();
  }
  b.loop.io.poll();
  b.options.url = "http://127.0.0.1:" + port + "/";
  b.Start();
  CHECK(Contains(b.Problems(), "dial tcp 127.0.0.1:" + port));
  CHECK(b.snapshots.empty());
}

TEST_CASE("redirects are followed; secrets stay with the first host") {
  UrlBench b;
  b.options.headers = {{"Authorization", "Bearer t"}, {"X-Own", "o"}};
  b.answer = Ok(List({Item("a")}));
  HttpServer first(
      b.loop.io.get_executor(), [&](const std::string& head) -> std::optional<std::string> {
        std::string to = "http://127.0.0.1:" + b.server->port() + "/there";
        if (head.rfind("GET /start ", 0) == 0) to = "next";
        if (head.rfind("GET /loop ", 0) == 0) to = "/loop";
        return "HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n";
      });
  SECTION("to another host") {
    b.options.url = "http://localhost:" + first.port() + "/start";
    b.Start();
    CHECK(b.Problems() == "");
    CHECK(b.Uids().size() == 1);
    REQUIRE(first.heads.size() == 2);
    CHECK(Contains(first.heads[1], "GET /next "));
    CHECK(Contains(first.heads[1], "Authorization: Bearer t"));
    REQUIRE(b.server->heads.size() == 1);
    CHECK(Contains(b.server->heads[0], "GET /there "));
    CHECK(Contains(b.server->heads[0], "X-Own: o"));
    CHECK_FALSE(Contains(b.server->heads[0], "Authorization"));
  }
  SECTION("for ever") {
    b.options.url = "http://127.0.0.1:" + first.port() + "/loop";
    b.Start();
    CHECK(Contains(b.Problems(), "stopped after 10 redirects"));
    CHECK(first.heads.size() == 11);
  }
}

TEST_CASE("user info becomes basic authorization and is shown nowhere") {
  UrlBench b;
  b.options.url = "http://u:secret@127.0.0.1:" + b.server->port() + "/";
  b.answer = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";
  b.Start();
  CHECK(Contains(b.server->heads[0], "Authorization: Basic dTpzZWNyZXQ=\r\n"));
  REQUIRE(b.source->problems().size() == 1);
  CHECK_FALSE(Contains(b.source->problems()[0].origin + b.Problems(), "secret"));
  b.Next("nonsense");
  CHECK_FALSE(Contains(b.source->problems()[0].origin + b.Problems(), "secret"));
}

TEST_CASE("TLS: the server's certificate is verified against name and authority") {
  TestTls tls = MakeTestTls("IP:127.0.0.1,DNS:localhost");
  UrlBench b(&tls);
  b.answer = Ok(List({Item("a")}));
  SECTION("good address") {
    b.Start();
    CHECK(b.Problems() == "");
    CHECK(b.Uids().size() == 1);
  }
  SECTION("good name") {
    b.options.url = "https://localhost:" + b.server->port() + "/";
    b.Start();
    CHECK(b.Problems() == "");
    CHECK(b.Uids().size() == 1);
  }
  SECTION("unknown authority") {
    b.options.ca_file.clear();
    b.Start();
    CHECK(b.snapshots.empty());
    CHECK(Contains(b.Problems(), "certificate"));
  }
  SECTION("no such file") {
    b.options.ca_file = b.dir.path + "/absent";
    b.Start();
    CHECK(Contains(b.Problems(), "absent: cannot be read"));
  }
}

TEST_CASE("TLS: a certificate for another name is refused") {
  TestTls tls = MakeTestTls("DNS:elsewhere.example");
  UrlBench b(&tls);
  b.answer = Ok(List({Item("a")}));
  b.Start();
  CHECK(b.snapshots.empty());
  CHECK(Contains(b.Problems(), "valid for elsewhere.example, not 127.0.0.1"));
}

TEST_CASE("a redirect from http to https is followed") {
  TestTls tls = MakeTestTls("IP:127.0.0.1");
  UrlBench b(&tls);
  b.answer = Ok(List({Item("a")}));
  std::string target = b.options.url;
  HttpServer first(b.loop.io.get_executor(), [&](const std::string&) -> std::optional<std::string> {
    return "HTTP/1.1 301 Moved\r\nLocation: " + target + "\r\nContent-Length: 0\r\n\r\n";
  });
  b.options.url = "http://127.0.0.1:" + first.port() + "/";
  b.Start();
  CHECK(b.Problems() == "");
  CHECK(b.Uids().size() == 1);
}

TEST_CASE("an http proxy gets the absolute URL, an https request a tunnel") {
  TestTls tls = MakeTestTls("DNS:pods.example");
  UrlBench b(&tls);
  b.answer = Ok(List({Item("a")}));
  bool plain = false;
  std::vector<std::string> heads;
  HttpServer proxy(b.loop.io.get_executor(), [&](const std::string&) -> std::optional<std::string> {
    if (plain) return Ok(List({Item("p")}));
    return "HTTP/1.1 200 Connection established\r\n\r\n";
  });
  SECTION("http") {
    plain = true;
    b.options.url = "http://pods.example/x";
    b.options.proxy.http = "http://u:p@127.0.0.1:" + proxy.port();
    b.Start();
    CHECK(b.Problems() == "");
    CHECK(b.Uids().contains("p-node"));
    REQUIRE(proxy.heads.size() == 1);
    CHECK(proxy.heads[0].rfind("GET http://pods.example/x HTTP/1.1\r\nHost: pods.example\r\n", 0) ==
          0);
    CHECK(Contains(proxy.heads[0], "Proxy-Authorization: Basic dTpw\r\n"));
  }
  SECTION("http, the proxy by https") {
    plain = true;
    TestTls front = MakeTestTls("IP:127.0.0.1");
    HttpServer secure(
        b.loop.io.get_executor(),
        [&](const std::string& head) -> std::optional<std::string> {
          heads.push_back(head);
          return Ok(List({Item("p")}));
        },
        &front);
    WriteFile(b.dir.path + "/front.pem", front.ca);
    b.options.ca_file = b.dir.path + "/front.pem";
    b.options.url = "http://pods.example/x";
    b.options.proxy.http = "https://127.0.0.1:" + secure.port();
    b.Start();
    CHECK(b.Problems() == "");
    CHECK(b.Uids().contains("p-node"));
    REQUIRE(heads.size() == 1);
    CHECK(heads[0].rfind("GET http://pods.example/x HTTP/1.1\r\nHost: pods.example\r\n", 0) == 0);
  }
  SECTION("https") {
    proxy.TunnelTo(b.server->port());
    b.options.url = "https://pods.example/x";
    b.options.proxy.https = "127.0.0.1:" + proxy.port();
    b.Start();
    CHECK(b.Problems() == "");
    CHECK(b.Uids().contains("a-node"));
    REQUIRE(proxy.heads.size() == 1);
    CHECK(proxy.heads[0].rfind("CONNECT pods.example:443 HTTP/1.1\r\n", 0) == 0);
    CHECK_FALSE(Contains(proxy.heads[0], "/x"));
  }
  SECTION("excluded") {
    b.options.url = "https://127.0.0.1:" + b.server->port();
    b.options.proxy.https = "127.0.0.1:" + proxy.port();
    b.Start();
    CHECK(proxy.heads.empty());
  }
}

TEST_CASE("pods of a URL outlive a restart of the kubelet while the URL is dead") {
  UrlBench b;
  b.options.state_dir = b.dir.path;
  b.answer = Ok(List({Item("a"), Item("b")}));
  b.Start();
  b.Next(List({Item("a", "new"), R"({"metadata":{"name":"b"},"spec":{"containers":7}})"}));
  auto uids = b.Uids();
  REQUIRE(uids.size() == 2);
  auto seen = api::Annotation(*b.snapshots.back().pods[0], api::kConfigSeen);
  b.Stop();
  b.snapshots.clear();
  b.loop.clock.Advance(1h);
  SECTION("it refuses") {
    b.server->Close();
    b.loop.io.poll();
    b.Start();
    REQUIRE(b.snapshots.size() == 1);
    CHECK(b.snapshots[0].complete);
    CHECK(b.Uids() == uids);
    CHECK(b.snapshots[0].pods[0]->spec().containers(0).image() == "new");
    CHECK(api::Annotation(*b.snapshots[0].pods[0], api::kConfigSeen) == seen);
    CHECK(b.source->problems().at(0).kept);
    b.Next();
    CHECK(b.snapshots.size() == 1);
  }
  SECTION("it answers with an error") {
    b.answer = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    b.Start();
    CHECK(b.Uids() == uids);
    // And what it says later counts again.
    b.Next(List({Item("a", "new")}));
    REQUIRE(b.snapshots.size() == 2);
    CHECK(b.Uids().size() == 1);
    CHECK(b.snapshots[1].pods[0] == b.snapshots[0].pods[0]);
  }
  SECTION("it is silent") {
    b.silent = true;
    b.Launch();
    b.loop.RunUntil([&] { return b.server->open == 1; });
    CHECK(b.snapshots.empty());
    b.loop.clock.Advance(1s);
    b.loop.RunUntil([&] { return !b.snapshots.empty(); });
    CHECK(b.Uids() == uids);
    b.loop.clock.Advance(9s);
    b.Fetched(1);
    CHECK(b.snapshots.size() == 1);
  }
  SECTION("it answers") {
    b.answer = Ok(List({Item("c")}));
    b.Start();
    b.loop.clock.Advance(5s);
    b.loop.io.restart();
    b.loop.io.poll();
    CHECK(b.snapshots.size() == 1);
    CHECK(b.Uids().size() == 1);
  }
}

TEST_CASE("what was kept of a URL is not used for another URL, another node, or when damaged") {
  UrlBench b;
  b.options.state_dir = b.dir.path;
  b.answer = Ok(List({Item("a")}));
  b.Start();
  b.Stop();
  b.snapshots.clear();
  b.server->Close();
  b.loop.io.poll();
  std::string directory = b.dir.path + "/static_pods";
  auto kept = LoadUrlPods(directory, b.options.url, "node");
  REQUIRE(kept.ok());
  REQUIRE_FALSE(kept->empty());
  SECTION("another URL") { b.options.url += "&y"; }
  SECTION("another node") { b.options.node_name = "other"; }
  SECTION("damaged") {
    auto listed = os::ListDirectory(directory);
    REQUIRE(listed.ok());
    REQUIRE(listed->names.size() == 1);
    WriteFile(directory + "/" + listed->names[0], "kubelet static pod checkpoint 1\nx: y\n\n");
  }
  b.Start();
  CHECK(b.snapshots.empty());
}

TEST_CASE("only the pods of the present URL are kept") {
  TempDir dir;
  REQUIRE(SaveUrlPods(dir.path, "http://a", "n", "A").ok());
  REQUIRE(SaveUrlPods(dir.path, "http://b", "n", "B").ok());
  CHECK(*LoadUrlPods(dir.path, "http://b", "n") == "B");
  CHECK(LoadUrlPods(dir.path, "http://a", "n")->empty());
  CHECK(LoadCheckpoints(dir.path)->good.empty());
}

TEST_CASE("repeated failures are logged three times, then once more, then only at V(4)") {
  UrlBench b;
  b.answer = "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n";
  auto before = base::LogErrorCount();
  b.Start();
  for (int i = 0; i < 9; ++i) b.Next();
  CHECK(base::LogErrorCount() - before == 4);
  b.Next(List({}));
  b.answer = "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n";
  b.Next();
  CHECK(base::LogErrorCount() - before == 5);
}

}  // namespace
}  // namespace kubelet::source
