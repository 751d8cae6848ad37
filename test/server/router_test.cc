#include "server/router.h"

#include "catch.h"
#include "server/log_query.h"
#include "server/request.h"

namespace kubelet::server {
namespace {

TEST_CASE("where requests lead") {
  struct Row {
    const char *method, *path;
    Endpoint endpoint;
    const char *ns = "", *pod = "", *uid = "", *container = "";
  };
  auto row = GENERATE(
      Row{"GET", "/healthz", Endpoint::kDocument},
      Row{"POST", "/healthz/ping", Endpoint::kDocument}, Row{"GET", "/pods", Endpoint::kDocument},
      Row{"GET", "/pods/", Endpoint::kDocument}, Row{"POST", "/pods", Endpoint::kWrongMethod},
      Row{"GET", "/pods/x", Endpoint::kNotFound}, Row{"GET", "/metrics", Endpoint::kLateDocument},
      Row{"GET", "/metrics/cadvisor", Endpoint::kLateDocument},
      Row{"DELETE", "/metrics/slis", Endpoint::kLateDocument},
      Row{"GET", "/metrics/nothing", Endpoint::kNotFound},
      Row{"GET", "/runningpods/", Endpoint::kDocument}, Row{"GET", "/configz", Endpoint::kDocument},
      Row{"POST", "/stats/summary", Endpoint::kLateDocument},
      Row{"PUT", "/stats/summary", Endpoint::kWrongMethod}, Row{"GET", "/stats", Endpoint::kNotFound},
      Row{"GET", "/logs/", Endpoint::kNodeLogs},
      Row{"GET", "/logs/pods/a.log", Endpoint::kNodeLogs},
      Row{"POST", "/logs/", Endpoint::kWrongMethod},
      Row{"GET", "/logs/../etc/shadow", Endpoint::kNotFound},
      Row{"POST", "/checkpoint/ns/p/c", Endpoint::kCheckpoint, "ns", "p", "", "c"},
      Row{"GET", "/checkpoint/ns/p/c", Endpoint::kWrongMethod, "ns", "p", "", "c"},
      Row{"POST", "/checkpoint/ns/p/u/c", Endpoint::kNotFound},
      Row{"PUT", "/debug/flags/v", Endpoint::kVerbosity},
      Row{"GET", "/debug/flags/v", Endpoint::kVerbosity},
      Row{"GET", "/debug/flags/x", Endpoint::kNotFound},
      Row{"GET", "/debug/pprof/", Endpoint::kProfile},
      Row{"GET", "/debug/pprof/heap", Endpoint::kProfile},
      Row{"POST", "/debug/pprof/profile", Endpoint::kWrongMethod},
      Row{"GET", "/statusz", Endpoint::kDocument}, Row{"GET", "/flagz", Endpoint::kDocument},
      Row{"GET", "/livez", Endpoint::kNotFound}, Row{"GET", "/readyz", Endpoint::kNotFound},
       Row{"GET", "/", Endpoint::kNotFound},
      Row{"GET", "/nothing", Endpoint::kNotFound},
      Row{"GET", "/exec/ns/p/c", Endpoint::kExec, "ns", "p", "", "c"},
      Row{"POST", "/exec/ns/p/u/c", Endpoint::kExec, "ns", "p", "u", "c"},
      Row{"PUT", "/exec/ns/p/c", Endpoint::kWrongMethod, "ns", "p", "", "c"},
      Row{"GET", "/exec/ns/p", Endpoint::kNotFound},
      Row{"GET", "/exec/ns/p/u/c/x", Endpoint::kNotFound},
      Row{"POST", "/attach/ns/p/c", Endpoint::kAttach, "ns", "p", "", "c"},
      Row{"POST", "/run/ns/p/c", Endpoint::kRun, "ns", "p", "", "c"},
      Row{"GET", "/run/ns/p/c", Endpoint::kWrongMethod, "ns", "p", "", "c"},
      Row{"GET", "/portForward/ns/p", Endpoint::kPortForward, "ns", "p"},
      Row{"GET", "/portForward/ns/p/u", Endpoint::kPortForward, "ns", "p", "u"},
      Row{"GET", "/containerLogs/ns/p/c", Endpoint::kLogs, "ns", "p", "", "c"},
      Row{"GET", "/containerLogs/ns/p/u/c", Endpoint::kNotFound},
      Row{"POST", "/containerLogs/ns/p/c", Endpoint::kWrongMethod, "ns", "p", "", "c"},
      // Paths that mean something else once they are cleaned lead nowhere.
      Row{"GET", "//pods", Endpoint::kNotFound},
      Row{"GET", "/metrics/../pods", Endpoint::kNotFound},
      Row{"GET", "/./pods", Endpoint::kNotFound}, Row{"GET", "/exec/ns/../c", Endpoint::kNotFound});
  INFO(row.method << " " << row.path);
  Route route = RouteOf(row.method, row.path, {});
  CHECK(route.endpoint == row.endpoint);
  CHECK(route.pod.namespace_ == row.ns);
  CHECK(route.pod.name == row.pod);
  CHECK(route.pod.uid == row.uid);
  CHECK(route.container == row.container);
}

TEST_CASE("without the debugging handlers the streams and logs are off, the rest is not") {
  using Row = std::pair<const char*, Endpoint>;
  auto row =
      GENERATE(Row{"/exec/ns/p/c", Endpoint::kDisabled}, Row{"/exec/", Endpoint::kDisabled},
               Row{"/containerLogs/ns/p/c", Endpoint::kDisabled},
               Row{"/runningpods/", Endpoint::kDisabled}, Row{"/logs/", Endpoint::kDisabled},
               Row{"/debug/pprof/heap", Endpoint::kDisabled}, Row{"/configz", Endpoint::kNotFound},
               Row{"/pods", Endpoint::kDocument}, Row{"/healthz", Endpoint::kDocument});
  INFO(row.first);
  Handlers on;
  on.debugging = false;
  Route route = RouteOf("GET", row.first, on);
  CHECK(route.endpoint == row.second);
  CHECK(route.rest == (row.second == Endpoint::kDisabled ? "Debug endpoints are disabled.\n" : ""));
}

TEST_CASE("handlers that have switches of their own") {
  Handlers on;
  on.system_logs = on.profiling = on.debug_flags = false;
  on.checkpoint = on.statusz = on.flagz = false;
  auto rest = [&](const char* path) {
    Route route = RouteOf("GET", path, on);
    return route.endpoint == Endpoint::kDisabled ? route.rest : "";
  };
  CHECK(rest("/logs/x") == "logs endpoint is disabled.\n");
  CHECK(rest("/debug/pprof/heap") == "profiling endpoint is disabled.\n");
  CHECK(rest("/debug/flags/v") == "flags endpoint is disabled.\n");
  for (const char* path : {"/checkpoint/ns/p/c", "/statusz", "/flagz"}) {
    INFO(path);
    CHECK(RouteOf("POST", path, on).endpoint == Endpoint::kNotFound);
  }
  CHECK(RouteOf("GET", "/logs/a/b.log", {}).rest == "a/b.log");
  CHECK(RouteOf("GET", "/debug/pprof/profile", {}).rest == "profile");
}

TEST_CASE("targets and queries as Go reads them") {
  struct Row {
    const char *target, *path;
    Pairs query;
  };
  auto row = GENERATE(Row{"/a%2Fb?x=1&x=2", "/a/b", {{"x", "1"}, {"x", "2"}}},
                      Row{"/a+b?c=a+b%20c", "/a+b", {{"c", "a b c"}}},
                      Row{"/a?x;y=1&z=2", "/a", {{"z", "2"}}}, Row{"/a?x=%zz&y", "/a", {{"y", ""}}},
                      Row{"/a?&&=b", "/a", {{"", "b"}}}, Row{"/a?b=c=d", "/a", {{"b", "c=d"}}},
                      Row{"/a", "/a", {}});
  INFO(row.target);
  HttpRequest request;
  REQUIRE(ParseRequestTarget(row.target, request));
  CHECK(request.path == row.path);
  CHECK(request.query == row.query);
}

TEST_CASE("targets that are none") {
  auto target = GENERATE("", "a", "*", "/%", "/%2", "/%zz", "/a%00b", "?x");
  INFO(target);
  HttpRequest request;
  CHECK_FALSE(ParseRequestTarget(target, request));
}

TEST_CASE("headers and their lists") {
  HttpRequest request;
  request.headers = {
      {"connection", "keep-alive,  Upgrade "}, {"Upgrade", "SPDY/3.1"}, {"Connection", "x"}};
  CHECK(request.Header("CONNECTION") == "keep-alive,  Upgrade ");
  CHECK(request.HeaderHas("Connection", "upgrade"));
  CHECK(request.HeaderHas("Connection", "X"));
  CHECK_FALSE(request.HeaderHas("Connection", "up"));
  CHECK_FALSE(request.HeaderHas("Nothing", ""));
}

absl::StatusOr<LogQuery> Ask(const std::string& query, bool split = false) {
  return ParseLogQuery(ParseQuery(query), split,
                       base::WallFromUnixNanos(1'000'000'000'500'000'000));
}

TEST_CASE("what is asked of a log") {
  auto q = Ask("follow=true&previous=1&timestamps=yes&tailLines=5&limitBytes=7&sinceSeconds=10");
  REQUIRE(q.ok());
  CHECK((q->follow && q->previous && q->timestamps));
  CHECK(q->tail_lines == 5);
  CHECK(q->limit_bytes == 7);
  CHECK(q->since == api::UnixTime{999'999'990, 500'000'000});
  q = Ask("follow=False&previous=0&timestamps=&tail=all&tailLines=3");
  REQUIRE(q.ok());
  CHECK_FALSE((q->follow || q->previous));
  CHECK(q->timestamps);
  CHECK_FALSE(q->tail_lines);
  CHECK(Ask("tail=9&tailLines=3")->tail_lines == 9);
  CHECK(Ask("sinceTime=2001-09-09T01:46:40Z")->since == api::UnixTime{1'000'000'000, 0});
  CHECK_FALSE(Ask("")->since);
}

TEST_CASE("what cannot be asked of a log") {
  using Code = absl::StatusCode;
  using Row = std::pair<const char*, Code>;
  auto row = GENERATE(
      Row{"tailLines=x", Code::kInvalidArgument}, Row{"tailLines=", Code::kInvalidArgument},
      Row{"limitBytes=1.5", Code::kInvalidArgument}, Row{"sinceTime=noon", Code::kInvalidArgument},
      Row{"sinceSeconds=99999999999999999999", Code::kInvalidArgument},
      Row{"tailLines=-1", Code::kFailedPrecondition},
      Row{"limitBytes=0", Code::kFailedPrecondition},
      Row{"sinceSeconds=0", Code::kFailedPrecondition},
      Row{"sinceSeconds=1&sinceTime=2001-09-09T01:46:40Z", Code::kFailedPrecondition},
      Row{"stream=Stdout", Code::kOutOfRange});
  INFO(row.first);
  CHECK(Ask(row.first).status().code() == row.second);
}

TEST_CASE("streams may be chosen where the gate allows it") {
  auto q = Ask("stream=Stderr", true);
  REQUIRE(q.ok());
  CHECK_FALSE(q->out);
  CHECK(q->err);
  CHECK(Ask("stream=All&tailLines=1", true).ok());
  CHECK(Ask("stream=All").ok());
  CHECK(Ask("stream=Stdout&tailLines=1", true).status().code() ==
        absl::StatusCode::kFailedPrecondition);
  CHECK(Ask("stream=stdout", true).status().code() == absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace kubelet::server
