#include "app/health_checks.h"
#include "app/zpages.h"
#include "catch.h"

namespace kubelet::app {
namespace {

server::Response Ask(const HealthChecks& checks, const std::string& target) {
  return checks.Answer(server::ParseTarget("GET", target));
}

TEST_CASE("named health checks") {
  HealthChecks checks;
  absl::Status loop;
  checks.Add("ping", [] { return absl::OkStatus(); });
  checks.Add("syncloop", [&] { return loop; });
  CHECK(Ask(checks, "/healthz").body == "ok");
  CHECK(Ask(checks, "/healthz/").body == "ok");
  CHECK(Ask(checks, "/healthz/ping").body == "ok");
  CHECK(Ask(checks, "/healthz?verbose").body ==
        "[+]ping ok\n[+]syncloop ok\nhealthz check passed\n");
  CHECK(Ask(checks, "/healthz/other").code == 404);
  CHECK(Ask(checks, "/healthy").code == 404);
  loop = absl::UnavailableError("it stands still");
  auto answer = Ask(checks, "/healthz");
  CHECK(answer.code == 500);
  CHECK(answer.body == "[+]ping ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n");
  answer = Ask(checks, "/healthz/syncloop");
  CHECK(answer.code == 500);
  CHECK(answer.body == "internal server error: it stands still\n");
  CHECK(Ask(checks, "/healthz/ping").code == 200);
  CHECK(Ask(checks, "/healthz?exclude=syncloop").body == "ok");
  CHECK(Ask(checks, "/healthz?exclude=syncloop&exclude=x&exclude=y&verbose").body ==
        "[+]ping ok\n[+]syncloop excluded: ok\nwarn: some health checks cannot be excluded: no "
        "matches for \"x\",\"y\"\nhealthz check passed\n");
}

TEST_CASE("the healthz port only says that somebody listens") {
  CHECK(AnswerPing(server::ParseTarget("GET", "/healthz")).body == "ok");
  CHECK(AnswerPing(server::ParseTarget("GET", "/healthz/ping")).code == 200);
  CHECK(AnswerPing(server::ParseTarget("GET", "/healthz/syncloop")).code == 404);
}

const std::map<std::string, std::string> kFlags = {{"v", "2"}, {"node-ip", "a\"b"}};

TEST_CASE("flags as text and as an object") {
  auto text = Flagz(kFlags, "");
  CHECK(text.code == 200);
  CHECK(text.content_type == "text/plain; charset=utf-8");
  CHECK(text.body ==
        "\nkubelet flagz\nWarning: This endpoint is not meant to be machine parseable, has no "
        "formatting compatibility guarantees and is for debugging purposes only.\nnode-ip=a\"b\n"
        "v=2\n");
  CHECK(Flagz(kFlags, "*/*").body == text.body);
  CHECK(Flagz(kFlags, "application/json, text/plain").body == text.body);
  auto object = Flagz(kFlags, "application/json;as=Flagz;v=v1beta1;g=config.k8s.io, */*");
  CHECK(object.content_type == "application/json");
  CHECK(object.body ==
        R"({"kind":"Flagz","apiVersion":"config.k8s.io/v1beta1","metadata":{"name":"kubelet"},)"
        R"("flags":{"node-ip":"a\"b","v":"2"}})"
        "\n");
  CHECK(object.headers.empty());
  auto old = Flagz(kFlags, "application/yaml; as=Flagz; v=v1alpha1; g=config.k8s.io");
  CHECK(old.code == 200);
  REQUIRE(old.headers.size() == 1);
  CHECK(old.headers[0].first == "Warning");
  for (const char* none :
       {"application/json", "application/json;as=Statusz;v=v1beta1;g=config.k8s.io",
        "application/vnd.kubernetes.protobuf", "image/png"}) {
    INFO(none);
    CHECK(Flagz(kFlags, none).code == 406);
  }
}

TEST_CASE("the status of the process") {
  ProcessStatus status;
  status.started = base::WallFromUnixNanos(1'700'000'000'000'000'000);
  status.now = status.started + std::chrono::seconds(3 * 3600 + 4 * 60 + 5);
  status.version = "v1.36.2";
  status.toolchain = "C++";
  auto text = Statusz(status, "").body;
  CHECK(text.find("\nStarted: Tue Nov 14 22:13:20 UTC 2023\nUp: 3 hr 04 min 05 sec\n") !=
        std::string::npos);
  CHECK(text.find("\nBinary version: 1.36.2\nEmulation version: 1.36\nPaths: /configz") !=
        std::string::npos);
  auto object = Statusz(status, "application/json;as=Statusz;v=v1beta1;g=config.k8s.io").body;
  CHECK(object.find(R"("startTime":"2023-11-14T22:13:20Z","uptimeSeconds":11045,)") !=
        std::string::npos);
}

}  // namespace
}  // namespace kubelet::app
