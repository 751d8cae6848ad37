// What a case expects, as one line: `SUBJECT OPERATOR VALUE`. Pure.
//
//   phase == Running                     exit codes, reasons, numbers: ==, !=, <, <=, >, >=
//   log main ~ "^hello"                  ~ and !~: a regular expression is found (ECMAScript,
//   lines) event Failed exists                  exists, absent; a bare subject means exists
//   second/phase == Pending              of another pod of the case
//
// Subjects that are read out of the pod's object (Observed):
//   phase, reason, ready                 status.phase, status.reason, the condition Ready
//   cond.TYPE, cond.TYPE.reason          a condition's status, or another member of it
//   c.NAME, i.NAME, e.NAME               status of a container, init container, ephemeral container
//     (or c[NAME], ...); of it
//     c.NAME.state                       running, waiting or terminated
//     c.NAME.exit / .why / .message      exit code, reason and message of the state it is in
//     c.NAME.last.exit ...               the same of lastState
//   gone                                 the object was removed
//   anything else                        a path into the object (value.h)
// All other subjects are in probe.h (logs, events, files, the runtime, HTTP).
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "conformance/value.h"

namespace kubelet::conformance {

struct Condition {
  enum class Op { kExists, kAbsent, kEq, kNe, kLt, kLe, kGt, kGe, kMatch, kNoMatch };
  std::string text;     // as written
  std::string pod;      // whose it is; empty: the case's only one
  std::string subject;  // without the pod
  Op op = Op::kExists;
  std::string value;
};

// InvalidArgument: a regular expression or number that is none.
absl::StatusOr<Condition> ParseCondition(const std::string& text);
bool Holds(const Condition& condition, const std::optional<std::string>& actual);

// First word of a subject: decides who answers it.
std::string FirstWord(const std::string& subject);

// `pod`: null when there is no such object any more or yet.
std::optional<std::string> Observed(const Json* pod, const std::string& subject);

}  // namespace kubelet::conformance
