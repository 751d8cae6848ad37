// What a run came to, and its forms: summary, TAP 13, JUnit, JSON (to be compared later) and an
// HTML page of two runs side by side. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::conformance {

// kKnown: failed, on another kubelet than this project's, in a way that the case says is known: a
// bug of that kubelet or a documented difference. Told like a failure, and counted apart.
enum class Outcome { kPassed, kFailed, kKnown, kSkipped };
const char* OutcomeName(Outcome outcome);  // passed, failed, known, skipped

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
  // This project's kubelet, by what it calls itself: no failure of it is known.
  bool Own() const { return version.find("+cpp") != std::string::npos; }
};

// Why cases failed or were skipped, and `210 passed, 2 failed, 1 known, 3 skipped in 700.0 s`.
std::string Summary(const RunResult& run);
std::string Tap(const RunResult& run);
std::string JUnit(const RunResult& run);
std::string ToJson(const RunResult& run);
absl::StatusOr<RunResult> FromJson(const std::string& text);
// One table of all cases of either run; where they differ comes first.
std::string CompareHtml(const RunResult& left, const RunResult& right);

}  // namespace kubelet::conformance
