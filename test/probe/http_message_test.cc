#include "probe/http_message.h"

#include "catch.h"
#include "kubelet/base/status.h"
#include "probe/url.h"

namespace kubelet::probe {
namespace {

TEST_CASE("request targets are what a URL can hold") {
  struct Row {
    const char *path, *target;
  };
  const Row rows[] = {
      {"", "/"},
      {"healthz", "/healthz"},
      {"/a b?x=ü#top", "/a%20b?x=%C3%BC"},
      {"/a%20b", "/a%20b"},
      {"/50%?x", "/50%25%3Fx"},
      {"?q=1", "/?q=1"},
      {"/\r\nX: y", "/%0D%0AX:%20y"},
  };
  for (const auto& row : rows) CHECK(RequestTarget(row.path) == row.target);
}

TEST_CASE("where a redirect leads") {
  const Url base{false, "10.0.0.1", 8080, "/a/b?q=1"};
  struct Row {
    const char *location, *url;  // null: nowhere
    bool absolute;
  };
  const Row rows[] = {
      {"/x", "http://10.0.0.1:8080/x", false},
      {"c?d", "http://10.0.0.1:8080/a/c?d", false},
      {"../../c", "http://10.0.0.1:8080/c", false},
      {"./", "http://10.0.0.1:8080/a/", false},
      {"?z", "http://10.0.0.1:8080/a/b?z", false},
      {"", "http://10.0.0.1:8080/a/b?q=1", false},
      {"https://10.0.0.1/s", "https://10.0.0.1:443/s", true},
      {"HTTP://other:81", "http://other:81/", true},
      {"//other/y", "http://other:80/y", true},
      {"http://user@h?x", "http://h:80/?x", true},
      {"http://[::1]:9/", "http://[::1]:9/", true},
      {"ftp://other/", nullptr, false},
      {"http://", nullptr, false},
      {"http://h:99999/", nullptr, false},
      {"http://[::1/", nullptr, false},
      {"/a:b", "http://10.0.0.1:8080/a:b", false},
  };
  for (const auto& row : rows) {
    INFO(row.location);
    auto next = Follow(base, row.location);
    REQUIRE(next.has_value() == (row.url != nullptr));
    if (!next) continue;
    CHECK(next->url.Text() == row.url);
    CHECK(next->absolute == row.absolute);
  }
}

TEST_CASE("the request a probe sends") {
  const Url url{false, "10.0.0.1", 80, "/x"};
  auto text = [&](Headers headers) {
    auto made = MakeGet(url, headers, "kube-probe/1.36");
    return made.ok() ? *made : "error: " + base::Message(made.status());
  };
  CHECK(text({}) ==
        "GET /x HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n");
  CHECK(text({{"host", "web.example"}, {"X-A", "1"}, {"X-A", "2"}}) ==
        "GET /x HTTP/1.1\r\nHost: web.example\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"
        "Connection: close\r\nX-A: 1\r\nX-A: 2\r\n\r\n");
  CHECK(text({{"User-Agent", "mine"}, {"accept", ""}, {"Content-Length", "9"}}) ==
        "GET /x HTTP/1.1\r\nHost: 10.0.0.1:80\r\nConnection: close\r\nUser-Agent: mine\r\n\r\n");
  CHECK(text({{"User-Agent", ""}}).find("User-Agent") == std::string::npos);
  CHECK(text({{"X", "a\r\nEvil: 1"}}) == "error: net/http: invalid header field value for \"X\"");
  CHECK(text({{"X Y", "a"}}) == "error: net/http: invalid header field name \"X Y\"");
}

// Whole, and byte by byte: the same.
ResponseReader Read(const std::string& bytes, bool end, absl::Status* status) {
  for (size_t step : {size_t{1}, bytes.size()}) {
    ResponseReader reader;
    *status = absl::OkStatus();
    for (size_t i = 0; i < bytes.size() && status->ok(); i += step) {
      *status = reader.Feed(std::string_view(bytes).substr(i, step));
    }
    if (end && status->ok() && !reader.done()) *status = reader.End();
    if (step == bytes.size()) return reader;
  }
  return {};
}

TEST_CASE("answers of tidy and of sloppy servers") {
  struct Row {
    const char* bytes;
    bool end;  // the connection then ends
    int status;
    const char* body;
    bool done;
  };
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, 200, "ok", true},
      {"HTTP/1.0 200\n\nhello", true, 200, "hello", true},
      {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", false, 503, "", true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=1\r\nok\r\n3\r\n!!!\r\n0\r\n\r\n",
       false, 200, "ok!!!", true},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", false, 204, "", true},
      {"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nok", true, 200, "ok", true},
      {"HTTP/1.1 200 OK\r\n\r\nfirst", false, 200, "first", false},
      {"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 1\r\n\r\nx", false, 200, "x", true},
  };
  for (const auto& row : rows) {
    INFO(row.bytes);
    absl::Status status;
    auto reader = Read(row.bytes, row.end, &status);
    CHECK(status.ok());
    CHECK(reader.head_done());
    CHECK(reader.status() == row.status);
    CHECK(reader.body() == row.body);
    CHECK(reader.done() == row.done);
  }
}

TEST_CASE("what is no answer") {
  struct Row {
    const char *bytes, *message;
  };
  const Row rows[] = {
      {"", "EOF"},
      {"HTTP/1.1 200 OK\r\nX: y\r\n", "unexpected EOF"},
      {"SSH-2.0-OpenSSH\r\n",
       "net/http: HTTP/1.x transport connection broken: malformed HTTP response "
       "\"SSH-2.0-OpenSSH\""},
      {"HTTP/1.1 abc\r\n",
       "net/http: HTTP/1.x transport connection broken: malformed HTTP status code \"abc\""},
      {"HTTX/1.1 200 OK\r\n",
       "net/http: HTTP/1.x transport connection broken: malformed HTTP version \"HTTX/1.1\""},
      {"\x15\x03\x01\n",
       "net/http: HTTP/1.x transport connection broken: malformed HTTP response "
       "\"\\x15\\x03\\x01\""},
  };
  for (const auto& row : rows) {
    INFO(row.bytes);
    ResponseReader reader;
    auto status = reader.Feed(row.bytes);
    if (status.ok()) status = reader.End();
    CHECK(base::Message(status) == row.message);
  }
}

TEST_CASE("a body that breaks off, and chunks that are none") {
  struct Row {
    const char *bytes, *message;
  };
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", "unexpected EOF"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "unexpected EOF"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "unexpected EOF"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nwhat\r\n",
       "invalid byte in chunk length"},
  };
  for (const auto& row : rows) {
    INFO(row.bytes);
    ResponseReader reader;
    auto status = reader.Feed(row.bytes);
    if (status.ok()) status = reader.End();
    CHECK(base::Message(status) == row.message);
    CHECK(reader.head_done());
    CHECK_FALSE(reader.done());
  }
}

TEST_CASE("a body is read up to ten KiB") {
  ResponseReader reader;
  REQUIRE(reader.Feed("HTTP/1.1 200 OK\r\n\r\n").ok());
  REQUIRE(reader.Feed(std::string(10 * 1024 - 1, 'a')).ok());
  CHECK_FALSE(reader.done());
  REQUIRE(reader.Feed("bcd").ok());
  CHECK(reader.done());
  CHECK(reader.body().size() == 10 * 1024);

  ResponseReader endless;
  absl::Status status;
  for (int i = 0; i < 2000 && status.ok(); ++i) status = endless.Feed(std::string(1024, 'x'));
  CHECK(absl::IsInvalidArgument(status));
}

}  // namespace
}  // namespace kubelet::probe
