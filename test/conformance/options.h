// The command line. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "conformance/runner.h"

namespace kubelet::conformance {

struct Options {
  RunOptions run;
  std::vector<std::string> focus, skip;
  std::string tap, junit, results, html, cases_file;
  std::vector<std::string> compare;  // two files of --results
  bool list = false, help = false, man = false;
};

std::string Usage();
// The same as a manual page of section 8, for troff (groff_man(7)).
std::string ManPage();
// InvalidArgument: a flag that is not known, has no value, or misses another.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& words);
// Cases of a file beside the built-in ones. Blocking.
absl::StatusOr<std::vector<Case>> CasesOf(const std::string& file);

}  // namespace kubelet::conformance
