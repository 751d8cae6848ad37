#include "conformance/options.h"

#include <sstream>

#include "catch.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

absl::StatusOr<Options> Parse(std::vector<std::string> more) {
  std::vector<std::string> words{"--kubelet", "/k", "--cri=unix:///s", "--work-dir",
                                 "/nonexistent-conformance"};
  words.insert(words.end(), more.begin(), more.end());
  return ParseOptions(words);
}

std::string Problem(std::vector<std::string> more) {
  auto options = Parse(std::move(more));
  return options.ok() ? "" : base::Message(options.status());
}

TEST_CASE("numbers on the command line", "[conformance]") {
  auto options = Parse({"--parallel=3", "--patience", "2.5", "--time-limit=90", "--kubelet-v=4"});
  REQUIRE(options.ok());
  CHECK(options->run.parallel == 3);
  CHECK(options->run.patience == 2.5);
  CHECK(options->run.time_limit == std::chrono::seconds(90));
  CHECK(options->run.verbosity == 4);
}

TEST_CASE("half a place is none: numbers that cannot be meant are refused", "[conformance]") {
  CHECK(Problem({"--parallel", "0.5"}) == "--parallel: `0.5` is not a whole number above 0");
  for (std::string flag : {"--parallel", "--time-limit", "--kubelet-v", "--patience"})
    for (std::string value : {"0", "-1", "", "x", "1x", "nan", "inf", "99999999999999999999"}) {
      if (flag == "--patience" && value.size() > 5) continue;  // long, but a number
      INFO(flag + " " + value);
      CHECK(Problem({flag, value}).rfind(flag + ": `" + value + "` is not a", 0) == 0);
    }
}

TEST_CASE("other pods are ended only when that is asked for", "[conformance]") {
  CHECK_FALSE(Parse({})->run.end_other_pods);
  auto options = Parse({"--end-other-pods", "--focus", "^a/"});
  REQUIRE(options.ok());
  CHECK(options->run.end_other_pods);
  CHECK(options->focus == std::vector<std::string>{"^a/"});
}

TEST_CASE("the manual page has every flag of the usage text", "[conformance]") {
  std::istringstream usage(Usage());
  std::string page = ManPage();
  int flags = 0;
  for (std::string line; std::getline(usage, line);) {
    if (line.rfind("  --", 0) != 0) continue;
    INFO(line);
    std::string name = line.substr(4, line.find_first_of(" ", 4) - 4), wanted = "\n.B \\-\\-";
    for (char c : name) wanted += c == '-' ? std::string("\\-") : std::string(1, c);
    CHECK(page.find(wanted) != std::string::npos);
    ++flags;
  }
  CHECK(flags >= 15);
  CHECK(page.find(".SH EXIT STATUS\nExit code: 0 ") != std::string::npos);
  CHECK(page.find("\nkubelet\\-conformance \\-\\-list") != std::string::npos);
}

}  // namespace
}  // namespace kubelet::conformance
