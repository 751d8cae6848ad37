#include "kubelet/server/http_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "catch.h"

namespace kubelet::server {
namespace {

using namespace std::chrono_literals;

struct Bench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  std::string dir;
  std::unique_ptr<HttpServer> server;

  base::Registry registry;
  LateHandler late;  // for those who set one

  explicit Bench(int max_connections = 256) {
    std::string name = (std::filesystem::temp_directory_path() / "kubelet-http-XXXXXX").string();
    dir = mkdtemp(name.data());
    HttpServer::Options options;
    options.unix_path = dir + "/s";
    options.max_connections = max_connections;
    options.posts = {"/form"};
    options.metrics = std::make_shared<HttpMetrics>(&registry, "readonly");
    LateHandler later = [this](const Request& r, std::function<void(Response)> respond) {
      return late && late(r, std::move(respond));
    };
    auto handler = [](const Request& r) {
      Response response;
      if (r.path == "/pieces") {
        response.pieces = [made = 0](std::string& out) mutable {
          out = made < 5 ? std::string(100'000, static_cast<char>('a' + made)) : "";
          return made++ < 5;
        };
        return response;
      }
      response.body = r.method + " " + r.path;
      for (const auto& [k, v] : r.query) response.body += " " + k + "=" + v;
      return response;
    };
    server = std::make_unique<HttpServer>(io, clock, options, handler, later);
    auto status = server->Start();
    INFO(status);
    REQUIRE(status.ok());
  }
  ~Bench() {
    server.reset();
    Run();
    std::filesystem::remove_all(dir);
  }
  void Run() {
    io.restart();
    io.poll();
  }
  std::string Path() const { return dir + "/s"; }
};

class Client {
 public:
  explicit Client(Bench& bench) : bench_(bench), fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, bench.Path().c_str());
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() { close(fd_); }
  // Sends, runs the server dry, and returns what came back.
  std::string Talk(const std::string& text) {
    for (size_t sent = 0; sent < text.size();) {
      ssize_t n = send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) break;
      if (n > 0) sent += static_cast<size_t>(n);
      bench_.Run();
    }
    return Read();
  }
  std::string Read() {
    std::string out;
    char buffer[65536];
    bench_.Run();
    for (;;) {
      ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      if (n == 0) closed = true;
      if (n <= 0) return out;
      out.append(buffer, static_cast<size_t>(n));
      bench_.Run();
    }
  }
  bool closed = false;

 private:
  Bench& bench_;
  int fd_;
};

std::string Get(const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n";
}
std::string Code(const std::string& reply) { return reply.substr(9, 3); }
std::string Body(const std::string& reply) { return reply.substr(reply.find("\r\n\r\n") + 4); }

// The body of an answer in chunks; what follows the last one is put into `rest`.
std::string Unchunked(const std::string& reply, std::string* rest) {
  std::string text = Body(reply), out;
  for (;;) {
    size_t end = text.find("\r\n");
    if (end == std::string::npos) return "cut off";
    size_t size = std::stoul(text.substr(0, end), nullptr, 16);
    out += text.substr(end + 2, size);
    if (text.substr(end + 2 + size, 2) != "\r\n") return "cut off";
    text.erase(0, end + 4 + size);
    if (size > 0) continue;
    *rest = text;
    return out;
  }
}

TEST_CASE("an answer that is made while it is sent") {
  Bench bench;
  Client client(bench);
  std::string whole, rest;
  for (char c = 'a'; c < 'f'; ++c) whole += std::string(100'000, c);

  std::string reply = client.Talk(Get("/pieces") + Get("/next"));
  CHECK(Code(reply) == "200");
  CHECK(reply.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(Unchunked(reply, &rest) == whole);
  CHECK(Body(rest) == "GET /next");  // the connection goes on
  CHECK_FALSE(client.closed);

  reply = client.Talk("HEAD /pieces HTTP/1.1\r\nHost: x\r\n\r\n" + Get("/next"));
  CHECK(Code(reply) == "200");
  CHECK(Body(Body(reply)) == "GET /next");

  reply = client.Talk("GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(reply.find("chunked") == std::string::npos);
  CHECK(Body(reply) == whole);
  CHECK(client.closed);
}

TEST_CASE("targets and their queries") {
  struct Row {
    const char *target, *path;
    std::map<std::string, std::string> query;
  };
  using Q = std::map<std::string, std::string>;
  auto row = GENERATE(Row{"/a", "/a", {}}, Row{"/a?", "/a", {}}, Row{"/a?x=1&y=2", "/a", Q{{"x", "1"}, {"y", "2"}}},
                      Row{"/a?x=1&x=2", "/a", Q{{"x", "2"}}}, Row{"/a?x", "/a", Q{{"x", ""}}},
                      Row{"/a?x=%41+b%2", "/a", Q{{"x", "A b%2"}}}, Row{"/a?=1&&x=a=b", "/a", Q{{"x", "a=b"}}});
  INFO(row.target);
  Request request = ParseTarget("GET", row.target);
  CHECK(request.path == row.path);
  CHECK(request.query == row.query);
}

TEST_CASE("one connection serves several requests, and closes when asked to") {
  Bench bench;
  Client client(bench);
  std::string reply = client.Talk(Get("/a?x=1"));
  CHECK(Code(reply) == "200");
  CHECK(Body(reply) == "GET /a x=1");
  CHECK(Body(client.Talk(Get("/b"))) == "GET /b");
  CHECK_FALSE(client.closed);
  reply = client.Talk(Get("/c", "Connection: close\r\n"));
  CHECK(Body(reply) == "GET /c");
  client.Read();
  CHECK(client.closed);
}

TEST_CASE("HEAD answers the length without the body; other methods are refused") {
  Bench bench;
  Client client(bench);
  std::string reply = client.Talk("HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(Code(reply) == "200");
  CHECK(reply.find("Content-Length: 9\r\n") != std::string::npos);
  CHECK(Body(reply).empty());
  CHECK(Code(client.Talk("DELETE /abc HTTP/1.1\r\nHost: x\r\n\r\n")) == "405");
}

TEST_CASE("a header or body beyond the limit is refused and the connection closed") {
  Bench bench;
  Client big(bench);
  CHECK(Code(big.Talk(Get("/", "X: " + std::string(70'000, 'x') + "\r\n"))) == "431");
  big.Read();
  CHECK(big.closed);
  Client body(bench);
  CHECK(Code(body.Talk("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nhello")) == "413");
  Client garbage(bench);
  garbage.Talk("\x16\x03\x01 no http\r\n\r\n");
  CHECK(garbage.closed);
}

TEST_CASE("a silent connection is closed after its time, a talking one is not") {
  Bench bench;
  Client silent(bench), talking(bench);
  auto idle = [&] { bench.Run(); };
  bench.Run();
  bench.clock.Advance(60s, idle);
  talking.Talk(Get("/"));
  bench.clock.Advance(40s, idle);
  silent.Read();
  CHECK(silent.closed);
  CHECK(Code(talking.Talk(Get("/"))) == "200");
}

TEST_CASE("whoever waits longest makes room, so that silent clients keep nobody out") {
  Bench bench(2);
  Client silent(bench), talking(bench);
  bench.Run();
  CHECK(Code(talking.Talk(Get("/"))) == "200");
  Client third(bench);
  CHECK(Code(third.Talk(Get("/"))) == "200");
  silent.Read();
  CHECK(silent.closed);
  CHECK(Code(talking.Talk(Get("/"))) == "200");
  std::vector<std::unique_ptr<Client>> many;
  for (int i = 0; i < 10; ++i) {
    many.push_back(std::make_unique<Client>(bench));
    CHECK(Code(many.back()->Talk(Get("/"))) == "200");
  }
  CHECK_FALSE(many[8]->closed);
  many[0]->Read();
  CHECK(many[0]->closed);
}

TEST_CASE("a client that is being answered keeps its place; one that does not take its answer loses it") {
  Bench bench(1);
  std::function<void(Response)> answer;
  bench.late = [&](const Request&, std::function<void(Response)> respond) {
    answer = std::move(respond);
    return true;
  };
  Client busy(bench);
  CHECK(busy.Talk(Get("/late")).empty());
  Client early(bench);
  early.Read();
  CHECK(early.closed);
  CHECK_FALSE(busy.closed);
  Response large;
  large.body = std::string(64 << 20, 'x');  // more than a socket takes
  answer(std::move(large));
  bench.Run();
  bench.late = nullptr;
  Client next(bench);
  CHECK(Code(next.Talk(Get("/"))) == "200");
}

TEST_CASE("POST where it is allowed, with a form that goes before the query") {
  Bench bench;
  Client client(bench);
  auto post = [&](const std::string& target, const std::string& type, const std::string& body) {
    return client.Talk("POST " + target + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + type +
                       "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  };
  const std::string form = "application/x-www-form-urlencoded";
  CHECK(Body(post("/form?x=1&y=2", form, "x=3")) == "POST /form x=3 y=2");
  CHECK(Body(post("/form?x=1", form + "; charset=utf-8", "x=3")) == "POST /form x=3");
  CHECK(Body(post("/form?x=1", "text/plain", "x=3")) == "POST /form x=1");
  CHECK(Body(post("/form", "", "")) == "POST /form");
  CHECK(Code(post("/other", form, "x=3")) == "405");
}

TEST_CASE("every request is counted, those that are answered later too") {
  Bench bench;
  std::function<void(Response)> answer;
  bench.late = [&](const Request& r, std::function<void(Response)> respond) {
    if (r.path == "/metrics/cadvisor") answer = std::move(respond);
    return r.path == "/metrics/cadvisor";
  };
  auto lines = [&](const std::string& name) {
    std::string out;
    std::istringstream text(bench.registry.Render());
    for (std::string line; std::getline(text, line);)
      if (line.rfind(name + "{", 0) == 0) out += line.substr(line.find("method")) + "\n";
    return out;
  };
  Client client(bench);
  client.Talk(Get("/pods"));
  client.Talk(Get("/metrics/cadvisor"));
  const std::string cadvisor =
      R"(method="GET",path="metrics/cadvisor",server_type="readonly",long_running="false"} )";
  const std::string pods =
      R"(method="GET",path="pods",server_type="readonly",long_running="false"} )";
  CHECK(lines("kubelet_http_requests_total") == cadvisor + "1\n" + pods + "1\n");
  CHECK(lines("kubelet_http_inflight_requests") == cadvisor + "1\n" + pods + "0\n");
  CHECK(lines("kubelet_http_requests_duration_seconds_count") == pods + "1\n");
  answer(Response{});
  CHECK(Code(client.Read()) == "200");
  CHECK(lines("kubelet_http_inflight_requests") == cadvisor + "0\n" + pods + "0\n");
  client.Talk("DELETE /pods HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(lines("kubelet_http_requests_total").find("DELETE") != std::string::npos);
}

TEST_CASE("the unix socket is its owner's alone, replaces a stale one, and goes at the end") {
  Bench bench;
  struct stat info {};
  REQUIRE(stat(bench.Path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  HttpServer::Options options;
  options.unix_path = bench.Path();
  HttpServer again(bench.io, bench.clock, options, [](const Request&) { return Response{}; });
  CHECK(again.Start().ok());
  again.Stop();
  CHECK(stat(bench.Path().c_str(), &info) != 0);
}

TEST_CASE("an address that is taken is unavailable, one that is none is invalid") {
  Bench bench;
  HttpServer::Options options;
  options.address = "127.0.0.1";
  HttpServer first(bench.io, bench.clock, options, [](const Request&) { return Response{}; });
  REQUIRE(first.Start().ok());
  CHECK(first.port() != 0);
  options.port = first.port();
  HttpServer second(bench.io, bench.clock, options, [](const Request&) { return Response{}; });
  CHECK(second.Start().code() == absl::StatusCode::kUnavailable);
  first.Stop();
  bench.Run();
  CHECK(second.Start().ok());
  options.address = "nowhere";
  HttpServer third(bench.io, bench.clock, options, [](const Request&) { return Response{}; });
  CHECK(third.Start().code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kubelet::server
