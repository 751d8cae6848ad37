#include "source/url.h"

#include <cstdlib>

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

TEST_CASE("proxies are chosen as net/http does") {
  ProxySettings s;
  s.http = "proxy:3128";
  s.https = "http://user:pw@secure:3129";
  auto proxy = [&](const std::string& url) -> std::string {
    auto chosen = ProxyFor(*ParseUrl(url), s);
    REQUIRE(chosen.ok());
    return *chosen ? (*chosen)->host + ":" + (*chosen)->port : "";
  };
  CHECK(proxy("http://example.com/") == "proxy:3128");
  CHECK(proxy("https://example.com/") == "secure:3129");
  for (std::string local :
       {"http://localhost/", "http://127.0.0.1/", "http://127.9.9.9:81/", "http://[::1]/"}) {
    CHECK(proxy(local) == "");
  }
  s.no_proxy = "example.com, .sub.org ,10.0.0.0/8,192.168.1.1,fd00::/8,port.net:8080,*.star.io";
  struct Case {
    std::string url;
    bool bypass;
  };
  const Case cases[] = {{"http://example.com/", true},     {"http://a.example.com/", true},
                        {"http://notexample.com/", false}, {"http://sub.org/", false},
                        {"http://a.sub.org/", true},       {"http://10.1.2.3/", true},
                        {"http://11.1.2.3/", false},       {"http://192.168.1.1/", true},
                        {"http://192.168.1.2/", false},    {"http://[fd00::1]/", true},
                        {"http://[fe00::1]/", false},      {"http://port.net:8080/", true},
                        {"http://port.net/", false},       {"http://a.star.io/", true},
                        {"http://star.io/", false},        {"http://[::ffff:10.0.0.1]/", true}};
  for (const auto& c : cases) {
    INFO(c.url);
    CHECK((proxy(c.url) == "") == c.bypass);
  }
  s.no_proxy = "*";
  CHECK(proxy("https://example.com/") == "");
  s.no_proxy = "";
  s.http = "socks5://x";
  CHECK(absl::IsInvalidArgument(ProxyFor(*ParseUrl("http://example.com"), s).status()));
  s.http = "";
  CHECK(proxy("http://example.com/") == "");
  CHECK(BasicAuthorization("Aladdin:open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST_CASE("upper-case proxy variables go first, empty ones count as absent") {
  struct Saved {
    const char* name;
    std::string value;
    bool set;
  };
  std::vector<Saved> saved;
  for (const char* name :
       {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}) {
    const char* value = std::getenv(name);
    saved.push_back({name, value ? value : "", value != nullptr});
    ::unsetenv(name);
  }
  ::setenv("HTTP_PROXY", "", 1);
  ::setenv("http_proxy", "low", 1);
  ::setenv("HTTPS_PROXY", "up", 1);
  ::setenv("https_proxy", "low", 1);
  ::setenv("no_proxy", "n", 1);
  auto s = ProxySettings::FromEnvironment();
  CHECK(s.http == "low");
  CHECK(s.https == "up");
  CHECK(s.no_proxy == "n");
  for (const auto& v : saved) {
    if (v.set) {
      ::setenv(v.name, v.value.c_str(), 1);
    } else {
      ::unsetenv(v.name);
    }
  }
}

}  // namespace
}  // namespace kubelet::source
