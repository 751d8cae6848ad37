#include "conformance/case.h"

#include <fstream>
#include <set>
#include <sstream>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

std::string Problem(const std::string& yaml) {
  auto cases = ParseCases("area.yaml", yaml);
  return cases.ok() ? "" : base::Message(cases.status());
}

constexpr char kHead[] = "- {name: a, requirement: r, field: f, ";

TEST_CASE("the built-in cases can be read, and are many", "[conformance]") {
  auto cases = BuiltInCases();
  INFO(base::Message(cases.status()));
  REQUIRE(cases.ok());
  CHECK(cases->size() >= 200);
  std::set<std::string> names;
  for (const Case& each : *cases) {
    INFO(each.name);
    CHECK(names.insert(each.name).second);
  }
}

TEST_CASE("every pod of the built-in cases is one", "[conformance]") {
  auto cases = BuiltInCases();
  REQUIRE(cases.ok());
  Vars vars{{"HTTP_PORT", "1"}, {"HTTPS_PORT", "2"}, {"GRPC_PORT", "3"}};
  for (const Case& each : *cases)
    for (const Json& step : each.steps) {
      const auto& member = *step.as_object().begin();
      if (member.key() != "pod" && member.key() != "static") continue;
      INFO(each.name);
      Json pod = ExpandPod(SubstituteIn(member.value(), vars), {"p", "ns", "n", "image", "/d"});
      api::core::Pod message;
      absl::Status read = api::DecodeJson(boost::json::serialize(pod), message, {.strict = true});
      CHECK(base::Message(read) == "");
    }
}

// A line of upstream.tsv: a test of Kubernetes, and which cases cover it or `- why` none does.
TEST_CASE("every test of upstream's node conformance is covered, or it is said why not",
          "[conformance]") {
  auto cases = BuiltInCases();
  REQUIRE(cases.ok());
  std::set<std::string> names;
  for (const Case& each : *cases) names.insert(each.name);
  std::ifstream in(std::string(CONFORMANCE_DIR) + "/upstream.tsv");
  int rows = 0, without = 0;
  for (std::string line; std::getline(in, line); ++rows) {
    INFO(line);
    size_t tab = line.find('\t');
    REQUIRE(tab != std::string::npos);
    std::istringstream words(line.substr(tab + 1));
    std::string word;
    words >> word;
    if (word == "-") {
      ++without;
      CHECK(words >> word);
      continue;
    }
    do {
      CHECK(names.count(word) == 1);
    } while (words >> word);
  }
  CHECK(rows == 465);
  CHECK(without < 33);
}

TEST_CASE("what is known of other kubelets is documented", "[conformance]") {
  std::ifstream in(std::string(CONFORMANCE_DIR) + "/../../deploy/docs/conformance.md");
  std::string page((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  auto cases = BuiltInCases();
  REQUIRE(cases.ok());
  for (const Case& each : *cases) {
    INFO(each.name);
    CHECK((page.find("| " + each.name + " |") != std::string::npos) == !each.difference.empty());
  }
}

TEST_CASE("a case that is wrong is refused by name", "[conformance]") {
  CHECK(Problem(std::string(kHead) + "spec: {}}") == "");
  CHECK(Problem(std::string(kHead) + "spec: {}, tomorrow: 1}").find("tomorrow") !=
        std::string::npos);
  CHECK(Problem(std::string(kHead) + "steps: [{dance: 1}]}").find("area.yaml: case a") == 0);
  CHECK(Problem(std::string(kHead) + "steps: [{until: ['phase ~ (']}]}") != "");
  CHECK(Problem(std::string(kHead) + "spec: {}, never: ['x > y']}") != "");
  CHECK(Problem("- {name: a, spec: {}}").find("requirement") != std::string::npos);
  CHECK(Problem(std::string(kHead) + "spec: {}}\n" + kHead + "spec: {}}").find("twice") !=
        std::string::npos);
  CHECK(Problem("a: b") != "");
}

TEST_CASE("patterns choose cases", "[conformance]") {
  CHECK(*Selected("env/a", {}, {}));
  CHECK(*Selected("env/a", {"^env/"}, {}));
  CHECK_FALSE(*Selected("env/a", {"^probes/", "b$"}, {}));
  CHECK_FALSE(*Selected("env/a", {"^env/"}, {"a$"}));
  CHECK_FALSE(Selected("env/a", {"("}, {}).ok());
}

TEST_CASE("what a pod leaves out is filled in", "[conformance]") {
  auto spec = ParseYaml("containers: [{sh: 'cat /case/x'}]");
  REQUIRE(spec.ok());
  Json pod = ExpandPod(*spec, {"p", "ns", "node", "image", "/dir"});
  CHECK(TextOf(*Find(pod, "spec.containers[0].command")) == R"(["sh","-c","cat /case/x"])");
  CHECK(TextOf(*Find(pod, "spec.containers[0].image")) == "image");
  CHECK(TextOf(*Find(pod, "spec.containers[0].name")) == "main");
  CHECK(TextOf(*Find(pod, "spec.volumes[case].hostPath.path")) == "/dir");
  CHECK(TextOf(*Find(pod, "spec.nodeName")) == "node");
  CHECK(TextOf(*Find(pod, "spec.restartPolicy")) == "Never");
  Json fixed = ExpandPod(*spec, {"p", "ns", "node", "image", "/dir", true});
  CHECK(Find(fixed, "spec.nodeName") == nullptr);
}

}  // namespace
}  // namespace kubelet::conformance
