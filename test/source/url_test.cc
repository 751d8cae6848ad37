#include "source/url.h"

#include "catch.h"

namespace kubelet::source {
namespace {

TEST_CASE("URLs are taken apart") {
  auto url = ParseUrl("HTTP://user:p%40ss@Host.Example:8080/a/b?c=d#frag");
  REQUIRE(url.ok());
  CHECK(url->scheme == "http");
  CHECK(url->host == "host.example");
  CHECK(url->port == "8080");
  CHECK(url->target == "/a/b?c=d");
  CHECK(url->user_info == "user:p@ss");
  CHECK(url->ToString() == "http://host.example:8080/a/b?c=d");
  CHECK(ParseUrl("https://h")->port == "443");
  CHECK(ParseUrl("https://h?q")->target == "/?q");
  CHECK(ParseUrl("http://[::1]:81/")->host == "::1");
  CHECK(ParseUrl("http://[::1]:81/")->HostHeader() == "[::1]:81");
  CHECK(ParseUrl("http://[::1]/")->HostHeader() == "[::1]");
  for (std::string bad :
       {"", "h", "ftp://h", "http://", "http:///x", "http://h:0/", "http://h:99999", "http://h:x/",
        "http://h/a b", "http://h/\r\nX: y", "http://[::1"}) {
    INFO(bad);
    CHECK_FALSE(ParseUrl(bad).ok());
  }
  CHECK(std::string(ParseUrl("http://user:secret@h:x/").status().message()).find("secret") ==
        std::string::npos);
}

TEST_CASE("redirects are resolved against their origin") {
  auto base = *ParseUrl("http://h:81/a/b?q");
  auto resolve = [&](const std::string& location) {
    return ResolveUrl(base, location)->ToString();
  };
  CHECK(resolve("https://other/x") == "https://other/x");
  CHECK(resolve("//other/x") == "http://other/x");
  CHECK(resolve("/x?y") == "http://h:81/x?y");
  CHECK(resolve("c") == "http://h:81/a/c");
  CHECK(resolve("?z") == "http://h:81/a/b?z");
  CHECK(resolve("/to?u=http://x/") == "http://h:81/to?u=http://x/");
  CHECK_FALSE(ResolveUrl(base, "").ok());
}

}  // namespace
}  // namespace kubelet::source
