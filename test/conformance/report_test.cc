#include "conformance/report.h"

#include "catch.h"
#include "conformance/options.h"

namespace kubelet::conformance {
namespace {

RunResult Sample() {
  RunResult run{
      "/bin/kubelet", "Kubernetes v1.36.2", "containerd 2.0", "2026-01-02T03:04:05Z", 12.34, {}};
  run.cases.push_back({"env/a", "needs <a>", "spec.a", "", Outcome::kPassed, "", 1.5});
  run.cases.push_back({"env/b", "needs b", "spec.b", "", Outcome::kFailed, "is \"x\"\n& y", 2});
  run.cases.push_back({"env/c", "needs c", "spec.c", "", Outcome::kSkipped, "no root", 0});
  return run;
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("the summary counts and says why", "[conformance]") {
  std::string text = Summary(Sample());
  CHECK(Has(text, "1 passed, 1 failed, 1 skipped in 12.3 s\n"));
  CHECK(Has(text, "FAILED env/b\n  required: needs b\n  field: spec.b\n  is \"x\"\n  & y\n"));
  CHECK(Has(text, "skipped 1: no root"));
}

TEST_CASE("TAP has a plan, a line for each case and the reason of a failure", "[conformance]") {
  std::string text = Tap(Sample());
  CHECK(text.rfind("TAP version 13\n1..3\nok 1 - env/a\nnot ok 2 - env/b\n", 0) == 0);
  CHECK(Has(text, "ok 3 - env/c # SKIP no root\n"));
  CHECK(Has(text, R"(  message: "is \"x\"\n& y")"));
}

TEST_CASE("JUnit is escaped and counts", "[conformance]") {
  std::string text = JUnit(Sample());
  CHECK(Has(text, R"(tests="3" failures="1" skipped="1" time="12.3")"));
  CHECK(Has(text, R"(<testcase classname="env" name="env/a" time="1.5"/>)"));
  CHECK(Has(text, "is &quot;x&quot; &amp; y"));
  CHECK(Has(text, R"(<skipped message="no root"/>)"));
}

TEST_CASE("what is known of another kubelet is told and counted apart", "[conformance]") {
  RunResult run = Sample();
  CHECK_FALSE(run.Own());
  run.cases[1].difference = "bug 1";
  run.cases[1].outcome = Outcome::kKnown;
  std::string text = Summary(run);
  CHECK(Has(text, "1 passed, 0 failed, 1 known, 1 skipped in 12.3 s\n"));
  CHECK(Has(text, "known env/b\n  required: needs b\n"));
  CHECK(Has(text, "  & y\n  known: bug 1\n"));
  CHECK(Has(Tap(run), "not ok 2 - env/b # TODO known: bug 1\n  ---\n"));
  CHECK(Has(JUnit(run), R"(failures="0" skipped="2")"));
  CHECK(Has(JUnit(run), R"(<skipped message="known: bug 1">is &quot;x&quot;)"));
  CHECK(Has(CompareHtml(run, run), "known of other kubelets: bug 1"));
  CHECK(FromJson(ToJson(run))->cases[1].outcome == Outcome::kKnown);
  run.version = "Kubernetes v1.36.2+cpp.1";
  CHECK(run.Own());
}

TEST_CASE("results are read back as they were written", "[conformance]") {
  auto back = FromJson(ToJson(Sample()));
  REQUIRE(back.ok());
  CHECK(ToJson(*back) == ToJson(Sample()));
  CHECK_FALSE(FromJson("[]").ok());
  CHECK_FALSE(FromJson("{").ok());
}

TEST_CASE("two runs side by side begin with where they differ", "[conformance]") {
  RunResult other = Sample();
  other.version = "Another v2";
  other.cases[1].outcome = Outcome::kPassed;
  other.cases.pop_back();
  std::string page = CompareHtml(Sample(), other);
  CHECK(Has(page, "Kubernetes v1.36.2"));
  CHECK(Has(page, "Another v2"));
  CHECK(Has(page, "needs &lt;a&gt;"));
  CHECK(Has(page, "not run"));
  CHECK(page.find("<b>env/b</b>") < page.find("<b>env/a</b>"));
  CHECK(page.find("<b>env/c</b>") < page.find("<b>env/a</b>"));
}

TEST_CASE("flags are read and checked", "[conformance]") {
  auto good = ParseOptions({"--kubelet", "/k", "--cri=unix:///s", "--focus", "a", "--focus=b",
                            "--parallel", "3", "--work-dir=/no/such/dir"});
  REQUIRE(good.ok());
  CHECK(good->run.kubelet == "/k");
  CHECK(good->run.endpoint == "unix:///s");
  CHECK(good->focus == std::vector<std::string>{"a", "b"});
  CHECK(good->run.parallel == 3);
  CHECK(ParseOptions({"--list"}).ok());
  CHECK(ParseOptions({"--compare", "a", "b"})->compare.size() == 2);
  for (std::vector<std::string> bad : {std::vector<std::string>{},
                                       {"--kubelet=/k"},
                                       {"--cri=x"},
                                       {"--none=1", "--list"},
                                       {"--kubelet=/k", "--kubeconfig=/c", "--cri=x"},
                                       {"--kubeconfig=/c", "--cri=x"},
                                       {"--kubelet=/k", "--cri=x", "--parallel=0"},
                                       {"--compare", "a"},
                                       {"word"}})
    CHECK_FALSE(ParseOptions(bad).ok());
}

}  // namespace
}  // namespace kubelet::conformance
