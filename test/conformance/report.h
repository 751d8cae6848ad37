// What a run came to, and its forms: summary, TAP 13, JUnit, JSON (to be compared later) and an
// HTML page of two runs side by side. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::conformance {

enum class Outcome { kPassed, kFailed, kSkipped };
const char* OutcomeName(Outcome outcome);  // passed, failed, skipped

struct CaseResult {
  std::string name, requirement, field, difference;
  Outcome outcome = Outcome::kFailed;
  std::string message;  // why it failed or was skipped
  double seconds = 0;
};

struct RunResult {
  std::string kubelet, version, runtime, started;  // program, what it calls itself, CRI runtime
  double seconds = 0;
  std::vector<CaseResult> cases;
  int Count(Outcome outcome) const;
};

// `210 passed, 2 failed, 3 skipped` and, below it, why cases failed or were skipped.
std::string Summary(const RunResult& run);
std::string Tap(const RunResult& run);
std::string JUnit(const RunResult& run);
std::string ToJson(const RunResult& run);
absl::StatusOr<RunResult> FromJson(const std::string& text);
// One table of all cases of either run; where they differ comes first.
std::string CompareHtml(const RunResult& left, const RunResult& right);

}  // namespace kubelet::conformance
