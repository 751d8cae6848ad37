#include "catch.h"
#include "kubelet/auth/authorizer.h"

namespace kubelet::auth {
namespace {

using Names = std::vector<std::string>;

TEST_CASE("what is asked of the API server for each path of the kubelet") {
  struct Row {
    const char* path;
    Names subresources;
  };
  auto row =
      GENERATE(Row{"/attach/ns/pod/c", {"proxy"}}, Row{"/attach/ns/pod/uid/c", {"proxy"}},
               Row{"/checkpoint/ns/pod/c", {"checkpoint"}}, Row{"/configz", {"configz", "proxy"}},
               Row{"/flagz", {"configz"}}, Row{"/statusz", {"statusz"}},
               Row{"/containerLogs/ns/pod/c", {"proxy"}}, Row{"/debug/flags/v", {"proxy"}},
               Row{"/debug/pprof/heap", {"proxy"}}, Row{"/exec/ns/pod/c", {"proxy"}},
               Row{"/healthz", {"healthz", "proxy"}}, Row{"/healthz/ping", {"healthz", "proxy"}},
               Row{"/logs", {"log"}}, Row{"/logs/", {"log"}}, Row{"/logs/a/b", {"log"}},
               Row{"/metrics", {"metrics"}}, Row{"/metrics/cadvisor", {"metrics"}},
               Row{"/pods", {"pods", "proxy"}}, Row{"/pods/", {"pods", "proxy"}},
               Row{"/portForward/ns/pod", {"proxy"}}, Row{"/run/ns/pod/c", {"proxy"}},
               Row{"/runningpods/", {"pods", "proxy"}}, Row{"/runningpods", {"pods", "proxy"}},
               Row{"/stats/summary", {"stats"}}, Row{"/stats", {"stats"}},
               // Names that only begin alike are something else.
               Row{"/podsx", {"proxy"}}, Row{"/metricsx", {"proxy"}}, Row{"/logsx/y", {"proxy"}},
               Row{"/", {"proxy"}}, Row{"/x/pods", {"proxy"}});
  INFO(row.path);
  CHECK(AttributesOf("GET", row.path).subresources == row.subresources);
}

TEST_CASE("verbs by method") {
  using Row = std::pair<const char*, const char*>;
  auto row = GENERATE(Row{"GET", "get"}, Row{"POST", "create"}, Row{"PUT", "update"},
                      Row{"PATCH", "patch"}, Row{"DELETE", "delete"}, Row{"HEAD", ""},
                      Row{"OPTIONS", ""}, Row{"get", ""});
  INFO(row.first);
  CHECK(AttributesOf(row.first, "/pods").verb == row.second);
}

TEST_CASE("where a token may stand") {
  struct Row {
    const char *authorization, *protocols, *token;
  };
  auto row = GENERATE(
      Row{"Bearer abc", "", "abc"}, Row{"bearer abc", "", "abc"}, Row{"  Bearer abc ", "", "abc"},
      Row{"Bearer   abc", "", ""}, Row{"Bearer abc def", "", "abc"}, Row{"Basic abc", "", ""},
      Row{"Bearer", "", ""}, Row{"Bearer ", "", ""}, Row{"", "", ""}, Row{"abc", "", ""},
      Row{"", "base64url.bearer.authorization.k8s.io.YWJj", "abc"},
      Row{"", "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YQ", "a"},
      Row{"", "base64url.bearer.authorization.k8s.io.!", ""}, Row{"", "v4.channel.k8s.io", ""});
  INFO(row.authorization << " / " << row.protocols);
  Claim claim;
  claim.authorization = row.authorization;
  claim.websocket_protocols = row.protocols;
  CHECK(TokenOf(claim) == row.token);
}

}  // namespace
}  // namespace kubelet::auth
