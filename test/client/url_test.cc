#include "kubelet/client/url.h"

#include <cstdlib>

#include "catch.h"
#include "kubelet/client/proxy.h"

using namespace kubelet::client;

TEST_CASE("server URLs are read as client-go reads them") {
  struct Row {
    std::string text, shown, authority, prefix;
  };
  for (const Row& row : {
           Row{"https://10.0.0.1:6443", "https://10.0.0.1:6443", "10.0.0.1:6443", ""},
           Row{"https://api.example/", "https://api.example:443", "api.example", ""},
           Row{"HTTPS://API.Example/k8s/clusters/c1/", "https://api.example:443", "api.example",
               "/k8s/clusters/c1"},
           Row{"https://[fd00::1]:6443", "https://[fd00::1]:6443", "[fd00::1]:6443", ""},
           Row{"https://[fd00::1]", "https://[fd00::1]:443", "[fd00::1]", ""},
           Row{"http://localhost:8080", "http://localhost:8080", "localhost:8080", ""},
           Row{"api:6443", "https://api:6443", "api:6443", ""},
       }) {
    CAPTURE(row.text);
    auto url = ParseServerUrl(row.text, true);
    REQUIRE(url.ok());
    CHECK(url->ToString() == row.shown);
    CHECK(url->Authority() == row.authority);
    CHECK(url->prefix == row.prefix);
  }
  CHECK(ParseServerUrl("api:6443", false)->ToString() == "http://api:6443");
  for (const char* bad : {"", "https://", "ftp://a", "https://a:0", "https://a:99999",
                          "https://a b", "https://a:x", "https://user:secret@a", "https://[::1"}) {
    CAPTURE(bad);
    auto url = ParseServerUrl(bad, true);
    REQUIRE_FALSE(url.ok());
    CHECK(url.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(url.status().ToString().find("secret") == std::string::npos);
  }
}

TEST_CASE("queries are percent-encoded") {
  CHECK(EncodeQuery({{"fieldSelector", "spec.nodeName=n 1"}, {"watch", "true"}}) ==
        "fieldSelector=spec.nodeName%3Dn%201&watch=true");
  CHECK(EncodeQuery({}).empty());
  CHECK(BasicAuthorization("user:pass") == "Basic dXNlcjpwYXNz");
}

namespace {

// `host:port` of the proxy, `-` for none, `!` for an error.
std::string Chosen(const std::string& server, const std::string& proxy_url,
                   const ProxyEnvironment& environment) {
  auto proxy = ChooseProxy(*ParseServerUrl(server, true), proxy_url, environment);
  if (!proxy.ok()) return "!";
  return *proxy ? JoinHostPort((*proxy)->host, (*proxy)->port) : "-";
}

}  // namespace

TEST_CASE("NO_PROXY excludes hosts, domains, addresses, networks and ports") {
  struct Row {
    std::string no_proxy, server;
    bool proxied;
  };
  for (const Row& row : {
           Row{"", "https://api.example", true},
           Row{"*", "https://api.example", false},
           Row{"example", "https://api.example", false},
           Row{"example", "https://example", false},
           Row{".example", "https://example", true},
           Row{".example", "https://api.example", false},
           Row{"*.example", "https://api.example", false},
           Row{"pi.example", "https://api.example", true},
           Row{"API.Example", "https://api.example", false},
           Row{"other, api.example", "https://api.example", false},
           Row{"api.example:443", "https://api.example", false},
           Row{"api.example:6443", "https://api.example", true},
           Row{"10.0.0.0/8", "https://10.1.2.3:6443", false},
           Row{"10.0.0.0/8", "https://11.1.2.3:6443", true},
           Row{"10.1.2.3", "https://10.1.2.3:6443", false},
           Row{"10.1.2.3:6443", "https://10.1.2.3:6443", false},
           Row{"10.1.2.3:443", "https://10.1.2.3:6443", true},
           Row{"fd00::/8", "https://[fd00::7]:6443", false},
           Row{"fd00::/8", "https://[fe80::7]:6443", true},
           Row{"", "https://127.0.0.1:6443", false},
           Row{"", "https://127.9.9.9:6443", false},
           Row{"", "https://localhost:6443", false},
           Row{"", "https://[::1]:6443", false},
           Row{"", "https://[::ffff:127.0.0.1]:6443", false},
           Row{"10.0.0.0/8", "https://[::ffff:10.0.0.1]:6443", false},
           Row{"*.example", "https://example", true},
           Row{"example", "https://notexample", true},
       }) {
    CAPTURE(row.no_proxy, row.server);
    ProxyEnvironment environment{"", "http://proxy:3128", row.no_proxy};
    CHECK((Chosen(row.server, "", environment) == "proxy:3128") == row.proxied);
  }
}

TEST_CASE("the kubeconfig's proxy goes before the environment's") {
  ProxyEnvironment environment{"http://plain", "http://secure", "*"};
  CHECK(Chosen("https://a", "http://own:1", environment) == "own:1");
  CHECK(Chosen("https://127.0.0.1", "http://own:1", environment) == "own:1");
  environment.no_proxy = "";
  CHECK(Chosen("https://a", "", environment) == "secure:80");
  CHECK(Chosen("http://a", "", environment) == "plain:80");
  environment.https = "proxy:8080";
  CHECK(Chosen("https://a", "", environment) == "proxy:8080");
  CHECK(Chosen("https://a", "socks5://s", environment) == "s:1080");
  CHECK(Chosen("https://a", "https://s", environment) == "s:443");
  auto with_user = ChooseProxy(*ParseServerUrl("https://a", true), "http://u%40x:p%3a@h:1", {});
  CHECK((*with_user)->user_info == "u@x:p:");
  for (const char* bad : {"ftp://h", "http://", "https://", "http://h:0", "http://a b"}) {
    CAPTURE(bad);
    CHECK(Chosen("https://a", bad, environment) == "!");
  }
  auto refused = ChooseProxy(*ParseServerUrl("https://a", true), "ftp://u:secret@h", {});
  CHECK(refused.status().ToString().find("secret") == std::string::npos);
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
  auto environment = ProxyEnvironment::FromProcess();
  CHECK(environment.http == "low");
  CHECK(environment.https == "up");
  CHECK(environment.no_proxy == "n");
  for (const auto& v : saved) {
    if (v.set) {
      ::setenv(v.name, v.value.c_str(), 1);
    } else {
      ::unsetenv(v.name);
    }
  }
}
