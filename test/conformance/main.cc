// kubelet-conformance: does a kubelet do what Kubernetes asks of it?
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>

#include "conformance/options.h"
#include "conformance/runner.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

bool Write(const std::string& file, const std::string& text) {
  if (file.empty()) return true;
  std::ofstream out(file);
  out << text;
  out.close();
  if (!out) std::cerr << "kubelet-conformance: cannot write " << file << "\n";
  return bool(out);
}

absl::StatusOr<RunResult> ReadResults(const std::string& file) {
  std::ifstream in(file);
  if (!in) return absl::NotFoundError("cannot read " + file);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  auto run = FromJson(text);
  if (!run.ok()) return base::Annotate(run.status(), file);
  return run;
}

int Fail(const absl::Status& status) {
  std::cerr << "kubelet-conformance: " << base::Message(status) << "\n";
  return 2;
}

int Compare(const Options& options) {
  auto left = ReadResults(options.compare[0]);
  if (!left.ok()) return Fail(left.status());
  auto right = ReadResults(options.compare[1]);
  if (!right.ok()) return Fail(right.status());
  std::string page = CompareHtml(*left, *right);
  if (options.html.empty()) std::cout << page;
  return Write(options.html, page) ? 0 : 2;
}

int List(const std::vector<Case>& cases) {
  for (const Case& each : cases) {
    std::cout << each.name << (each.serial ? " [serial]" : "") << "\n    " << each.requirement
              << "\n    " << each.field << "\n";
    if (!each.difference.empty())
      std::cout << "    known of other kubelets: " << each.difference << "\n";
  }
  std::cout << cases.size() << " cases\n";
  return 0;
}

void Tell(const CaseResult& result, size_t done, size_t all) {
  std::cout << "[" << done << "/" << all << "] " << OutcomeName(result.outcome) << " "
            << result.name << " (" << static_cast<int>(result.seconds + 0.5) << " s)";
  if (!result.message.empty()) std::cout << ": " << result.message;
  if (result.outcome == Outcome::kKnown) std::cout << " (known: " << result.difference << ")";
  std::cout << std::endl;
}

int Main(const Options& options) {
  if (!options.compare.empty()) return Compare(options);
  auto all = options.cases_file.empty() ? BuiltInCases() : CasesOf(options.cases_file);
  if (!all.ok()) return Fail(all.status());
  std::vector<Case> cases;
  for (Case& each : *all) {
    auto selected = Selected(each.name, options.focus, options.skip);
    if (!selected.ok()) return Fail(selected.status());
    if (*selected) cases.push_back(std::move(each));
  }
  if (options.list) return List(cases);
  if (cases.empty()) return Fail(absl::NotFoundError("no case is called so"));
  // What our own clients say of an outage that we made is nobody's concern.
  base::SetLogFd(open("/dev/null", O_WRONLY | O_CLOEXEC));
  RunResult result;
  absl::Status status = RunCases(options.run, cases, Tell, result);
  // What could not begin has no results.
  if (result.cases.empty()) return Fail(status);
  std::cout << "\n" << Summary(result);
  bool written = Write(options.tap, Tap(result)) && Write(options.junit, JUnit(result)) &&
                 Write(options.results, ToJson(result));
  if (!options.html.empty()) written = Write(options.html, CompareHtml(result, result)) && written;
  if (!status.ok()) return Fail(status);
  if (!written) return 2;
  return result.Count(Outcome::kFailed) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace kubelet::conformance

int main(int argc, char** argv) {
  using namespace kubelet::conformance;
  auto options = ParseOptions(std::vector<std::string>(argv + 1, argv + argc));
  if (!options.ok()) {
    std::cerr << "kubelet-conformance: " << kubelet::base::Message(options.status()) << "\n"
              << Usage();
    return 2;
  }
  if (options->help) {
    std::cout << Usage();
    return 0;
  }
  if (options->man) {
    std::cout << ManPage();
    return 0;
  }
  return Main(*options);
}
