#include <filesystem>

#include "server/child_output.h"
#include "server/node_log_query.h"
#include "server/secure_bench.h"

namespace kubelet::server {
namespace {

namespace fs = std::filesystem;

std::string Error(const Pairs& query) {
  auto parsed = ParseNodeLogQuery(query);
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

TEST_CASE("what a query for logs of the node means") {
  CHECK_FALSE(ParseNodeLogQuery({})->has_value());
  CHECK_FALSE(ParseNodeLogQuery({{"x", "y"}})->has_value());
  auto query = *ParseNodeLogQuery({{"query", "kubelet"},
                                   {"query", "foo@1.service"},
                                   {"tailLines", "10"},
                                   {"boot", "-1"},
                                   {"pattern", "a(b|c)[]x]\\("},
                                   {"sinceTime", "2026-01-02T03:04:05+01:00"}});
  REQUIRE(query);
  CHECK(query->services == std::vector<std::string>{"kubelet", "foo@1.service"});
  CHECK(JournalArguments(*query, query->services) ==
        std::vector<std::string>{"--utc", "--no-pager", "--output=short-precise",
                                 "--since=2026-01-02 02:04:05", "--pager-end", "--lines=10",
                                 "--unit=kubelet", "--unit=foo@1.service", "--grep=a(b|c)[]x]\\(",
                                 "--case-sensitive=false", "--boot", "-1"});
  CHECK((*ParseNodeLogQuery({{"query", "/foo.log"}}))->files ==
        std::vector<std::string>{"/foo.log"});
  CHECK(LogFileGuesses("a") == std::vector<std::string>{"a", "a.log", "a/a.log"});
}

TEST_CASE("queries that make no sense") {
  CHECK(Error({{"query", " "}}) == R"(query: Invalid value: [" "]: query cannot be empty)");
  CHECK(Error({{"query", "a"}, {"boot", "x"}}) ==
        R"(boot: Invalid value: "x": strconv.Atoi: parsing "x": invalid syntax)");
  CHECK(Error({{"query", "a"}, {"boot", "1"}}) == "boot: Invalid value: 1: must be less than 1");
  CHECK(Error({{"query", "a"}, {"tailLines", "100001"}}) ==
        "tailLines: Invalid value: 100001: must be between 0 and 100000, inclusive");
  CHECK(Error({{"query", "a"}, {"sinceTime", "yesterday"}}) ==
        R"(sinceTime: Invalid value: "yesterday": invalid time format)");
  CHECK(Error({{"query", "a"},
               {"sinceTime", "2026-01-02T00:00:00Z"},
               {"untilTime", "2026-01-01T00:00:00Z"}}) ==
        R"(untilTime: Invalid value: "2026-01-01T00:00:00Z": must be after `sinceTime`)");
  CHECK(Error({{"query", "a;b"}}) ==
        R"(query: Invalid value: "a;b": input contains unsupported characters)");
  CHECK(Error({{"query", std::string(257, 'a')}}).find("length must be less than 256") !=
        std::string::npos);
  CHECK(Error({{"query", "a"}, {"query", "b"}, {"query", "c"}, {"query", "d"}, {"query", "e"}}) ==
        "query: Too many: 5: must have at most 4 items");
  CHECK(Error({{"query", "a"}, {"query", "/b"}}).find("cannot specify a file and service") !=
        std::string::npos);
  CHECK(Error({{"query", "/a"}, {"query", "/b"}}) ==
        R"(query: Invalid value: ["/a","/b"]: cannot specify more than one file)");
  CHECK(Error({{"query", "/a"}, {"tailLines", "1"}}) ==
        R"(query: Invalid value: ["/a"]: cannot specify file with options)");
  CHECK(Error({{"tailLines", "1"}}) == "query: Required value: cannot be empty with options");
  for (const char* bad : {"(", ")", "[", "a\\", "[a", "(a))"}) {
    INFO(bad);
    CHECK(Error({{"query", "a"}, {"pattern", bad}}).find("error parsing regexp") !=
          std::string::npos);
  }
  CHECK(Error({{"query", "a"}, {"boot", "1"}, {"tailLines", "-1"}}).front() == '[');
}

struct Logs {
  explicit Logs(bool query = false) : dir(Make()), bench(OptionsFor(dir, query)) {}
  ~Logs() { fs::remove_all(dir); }
  static std::string Make() {
    std::string name = (fs::temp_directory_path() / "kubelet-var-XXXXXX").string();
    std::string root = mkdtemp(name.data());
    fs::create_directories(root + "/log/pods/a");
    Append(root + "/log/pods/a/0.log", "zero\n");
    Append(root + "/log/syslog", std::string(600'000, 's'));
    Append(root + "/log/a&b.log", "odd\n");
    Append(root + "/secret", "secret\n");
    fs::create_directory(root + "/log/containers");
    fs::create_symlink(root + "/log/pods/a/0.log", root + "/log/containers/a.log");
    fs::create_symlink("../pods/a/0.log", root + "/log/containers/relative.log");
    fs::create_symlink(root + "/secret", root + "/log/containers/evil.log");
    fs::create_symlink("../../secret", root + "/log/containers/evil2.log");
    fs::create_symlink("/proc/self/environ", root + "/log/environ");
    fs::create_symlink("loop", root + "/log/loop");
    return root;
  }
  static SecureServer::Options OptionsFor(const std::string& dir, bool query) {
    SecureServer::Options options;
    options.log_dir = dir + "/log";
    options.handlers.log_query = query;
    return options;
  }
  // Code and body.
  std::pair<std::string, std::string> Get(const std::string& path) {
    TlsClient client(bench, &alice);
    client.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.Closes();
    std::string answer = client.Received();
    bool chunked = answer.find("Transfer-Encoding: chunked") != std::string::npos, whole = true;
    std::string body = Body(answer);
    if (chunked) body = Unchunk(body, &whole);
    CHECK(whole);
    return {Code(answer), body};
  }
  std::string dir;
  SecureBench bench;
  fakes::KeyPair alice = Person(bench.clients, "alice");
};

TEST_CASE("the node's logs are listed and read") {
  Logs logs;
  auto [code, body] = logs.Get("/logs/");
  CHECK(code == "200");
  CHECK(body.find("<a href=\"pods/\">pods/</a>\n") != std::string::npos);
  CHECK(body.find("<a href=\"a&amp;b.log\">a&amp;b.log</a>\n") != std::string::npos);
  CHECK(logs.Get("/logs/pods/a/0.log") ==
        std::make_pair<std::string, std::string>("200", "zero\n"));
  CHECK(logs.Get("/logs/syslog").second == std::string(600'000, 's'));
  CHECK(logs.Get("/logs/none").first == "404");
  // Links within the directory are links, wherever they begin.
  CHECK(logs.Get("/logs/containers/a.log").second == "zero\n");
  CHECK(logs.Get("/logs/containers/relative.log").second == "zero\n");
}

TEST_CASE("nothing outside of the log directory is shown, whatever way leads there") {
  Logs logs;
  for (const char* path :
       {"/logs/../secret", "/logs/%2e%2e/secret", "/logs/..%2fsecret", "/logs//etc/passwd",
        "/logs/pods/../../secret", "/logs/containers/evil.log", "/logs/containers/evil2.log",
        "/logs/environ", "/logs/loop", "/logs/%2fetc%2fpasswd"}) {
    INFO(path);
    auto [code, body] = logs.Get(path);
    CHECK((code == "403" || code == "404"));
    CHECK(body.find("secret\n") == std::string::npos);
  }
}

TEST_CASE("logs of services and files by query") {
  Logs logs(true);
  CHECK(logs.Get("/logs/?query=/pods/a/0.log").second == "zero\n");
  CHECK(logs.Get("/logs/?query=/../secret").first == "406");
  CHECK(logs.Get("/logs/?query=/none").first == "406");
  CHECK(logs.Get("/logs/?query=a&tailLines=x").first == "400");
  CHECK(logs.Get("/logs/?query=a&boot=7").first == "406");
  // No such unit: a file of that name, or of one like it.
  CHECK(logs.Get("/logs/?query=syslog").second == std::string(600'000, 's'));
  CHECK(logs.Get("/logs/?query=no-such-thing-here").second ==
        "\nlog not found for no-such-thing-here\n");
  CHECK(logs.Get("/logs/?query=syslog&tailLines=1").second ==
        "\noptions present and query resolved to log files for [syslog]\ntry without specifying "
        "options\n");
  CHECK(logs.Get("/logs/pods/a/0.log").second == "zero\n");
  Logs off(false);
  CHECK(off.Get("/logs/?query=/pods/a/0.log").second.find("pods/") != std::string::npos);
}

TEST_CASE("a program's output comes as it is made, and it ends with its reader") {
  SecureBench bench;
  auto child = ChildOutput::Start(bench.io.get_executor(), "sh",
                                  {"-c", "echo out; echo err >&2; exec sleep 1000"});
  REQUIRE(child.ok());
  std::string text;
  bool done = false;
  base::TaskScope scope(bench.io.get_executor());
  auto read = [](std::shared_ptr<ChildOutput> c, base::BlockingPool* pool, std::string* out,
                 bool* ended) -> base::Task<void> {
    while (out->find("err\n") == std::string::npos) *out += co_await c->Read();
    co_await c->Finish(pool);
    std::string rest = co_await c->Read();
    *ended = rest.empty();
  };
  scope.Spawn("read", read(*child, &bench.pool, &text, &done));
  CHECK(bench.Until([&] { return done; }));
  CHECK(text == "out\nerr\n");
  CHECK(ChildOutput::Start(bench.io.get_executor(), "no-such-program-here", {}).status().code() ==
        absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace kubelet::server
