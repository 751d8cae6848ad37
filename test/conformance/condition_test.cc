#include "conformance/condition.h"

#include "catch.h"
#include "conformance/inspect.h"

namespace kubelet::conformance {
namespace {

Json Pod(const std::string& yaml) {
  auto parsed = ParseYaml(yaml);
  REQUIRE(parsed.ok());
  return *parsed;
}

bool Says(const std::string& text, const Json* pod) {
  auto condition = ParseCondition(text);
  REQUIRE(condition.ok());
  return Holds(*condition, Observed(pod, condition->subject));
}

TEST_CASE("conditions look at phases, conditions and containers", "[conformance]") {
  Json pod = Pod(R"(
metadata: {name: p, annotations: {a.b/c: d}}
status:
  phase: Running
  conditions: [{type: Ready, status: "False", reason: ContainersNotReady}]
  containerStatuses:
  - name: main
    restartCount: 2
    state: {waiting: {reason: CrashLoopBackOff, message: back-off 10s}}
    lastState: {terminated: {exitCode: 7, reason: Error}}
  initContainerStatuses: [{name: i1, state: {terminated: {exitCode: 0}}}]
)");
  for (const char* text :
       {"phase == Running", "phase != Failed", "ready == False", "ready exists",
        "cond.Ready.reason == ContainersNotReady", "cond.Initialized absent",
        "c.main.state == waiting", "c[main].why == CrashLoopBackOff", "c.main.message ~ ^back-off",
        "c.main.message !~ 20s", "c.main.restartCount >= 2", "c.main.restartCount < 3",
        "c.main.last.exit == 7", "c.main.last.why == Error", "i.i1.exit == 0",
        "c.none.state absent", "metadata.annotations[a.b/c] == d", "gone absent",
        "p/phase == Running"}) {
    INFO(text);
    CHECK(Says(text, &pod));
  }
  for (const char* text : {"phase == Failed", "c.main.exit exists", "c.main.restartCount > 2",
                           "c.main.message < 3", "gone", "cond.Ready absent"}) {
    INFO(text);
    CHECK_FALSE(Says(text, &pod));
  }
}

TEST_CASE("of a pod that is gone nothing holds but that", "[conformance]") {
  CHECK(Says("gone", nullptr));
  CHECK(Says("phase absent", nullptr));
  CHECK_FALSE(Says("phase == Running", nullptr));
}

TEST_CASE("a quoted value has its blanks and line breaks", "[conformance]") {
  auto condition = ParseCondition(R"(log main == "a\nb ")");
  REQUIRE(condition.ok());
  CHECK(condition->subject == "log main");
  CHECK(Holds(*condition, "a\nb "));
  CHECK_FALSE(Holds(*condition, "a\nb"));
}

TEST_CASE("what cannot be read is refused", "[conformance]") {
  CHECK_FALSE(ParseCondition("phase ~ (").ok());
  CHECK_FALSE(ParseCondition("c.main.restartCount > many").ok());
  CHECK_FALSE(ParseCondition("").ok());
}

TEST_CASE("the pod before the slash is no part of a path", "[conformance]") {
  auto other = ParseCondition("second/log main == x");
  REQUIRE(other.ok());
  CHECK(other->pod == "second");
  CHECK(other->subject == "log main");
  auto path = ParseCondition("http /pods ~ x/y");
  REQUIRE(path.ok());
  CHECK(path->pod.empty());
  CHECK(path->subject == "http /pods");
}

TEST_CASE("placeholders are put in where they are known", "[conformance]") {
  Vars vars{{"NS", "space"}, {"HTTP_PORT", "8080"}};
  CHECK(Substitute("$NS/${NS}x $HOME ${HOME} $$NS $", vars) ==
        "space/spacex $HOME ${HOME} $space $");
  Json value = SubstituteIn(JsonObject{{"port", "$HTTP_PORT"}, {"text", "a$HTTP_PORT"}}, vars);
  CHECK(value.at("port").is_int64());
  CHECK(value.at("text").as_string() == "a8080");
}

TEST_CASE("events come late; what they tell is waited for as long as the case lasts",
          "[conformance]") {
  for (const char* text : {"event InspectFailed exists", "event-count BackOff >= 2"}) {
    auto condition = ParseCondition(text);
    REQUIRE(condition.ok());
    CHECK(Inspector::Queued(condition->subject));
  }
  CHECK_FALSE(Inspector::Queued("phase"));
  CHECK_FALSE(Inspector::Queued("c.main.why"));
}

}  // namespace
}  // namespace kubelet::conformance
