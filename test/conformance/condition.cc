#include "conformance/condition.h"

#include <cstdlib>
#include <regex>
#include <vector>

namespace kubelet::conformance {
namespace {

using Op = Condition::Op;

struct Operator {
  const char* text;
  Op op;
};
// Longer ones first: ` >= ` would be found as ` > ` otherwise.
constexpr Operator kOperators[] = {{" == ", Op::kEq}, {" != ", Op::kNe},      {" <= ", Op::kLe},
                                   {" >= ", Op::kGe}, {" !~ ", Op::kNoMatch}, {" < ", Op::kLt},
                                   {" > ", Op::kGt},  {" ~ ", Op::kMatch}};

bool CutEnd(std::string& text, const std::string& end) {
  if (text.size() < end.size() || text.compare(text.size() - end.size(), end.size(), end) != 0)
    return false;
  text.erase(text.size() - end.size());
  return true;
}

// A value in double quotes is a JSON string: it can have blanks at its ends and line breaks in it.
std::string Unquoted(const std::string& text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  auto value = ParseJson(text);
  return value.ok() && value->is_string() ? std::string(value->as_string()) : text;
}

std::optional<double> Number(const std::string& text) {
  if (text.empty()) return std::nullopt;
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  if (*end != '\0') return std::nullopt;
  return value;
}

bool Ordered(Op op) { return op == Op::kLt || op == Op::kLe || op == Op::kGt || op == Op::kGe; }

bool Compare(Op op, const std::string& actual, const std::string& wanted) {
  auto a = Number(actual), b = Number(wanted);
  if (!a || !b) return false;
  switch (op) {
    case Op::kLt:
      return *a < *b;
    case Op::kLe:
      return *a <= *b;
    case Op::kGt:
      return *a > *b;
    default:
      return *a >= *b;
  }
}

bool Found(const std::string& text, const std::string& pattern) {
  return std::regex_search(text,
                           std::regex(pattern, std::regex::ECMAScript | std::regex::multiline));
}

// The member of `running`, `waiting` or `terminated`, whichever it is.
std::optional<std::string> OfState(const Json& state, const std::string& what) {
  for (const char* kind : {"terminated", "waiting", "running"}) {
    const Json* found = Find(state, kind);
    if (found == nullptr) continue;
    if (what == "state") return kind;
    const char* member = what == "exit" ? "exitCode" : what == "why" ? "reason" : "message";
    const Json* value = Find(*found, member);
    return value == nullptr ? std::nullopt : std::optional<std::string>(TextOf(*value));
  }
  return std::nullopt;
}

std::optional<std::string> AtPath(const Json& root, const std::string& path) {
  const Json* found = Find(root, path);
  if (found == nullptr) return std::nullopt;
  return TextOf(*found);
}

std::optional<std::string> OfContainer(const Json& pod, const char* list,
                                       const std::string& subject) {
  size_t end = subject.find(subject[1] == '[' ? ']' : '.', 2);
  if (end == std::string::npos) end = subject.size();
  const Json* status =
      Find(pod, std::string("status.") + list + "[" + subject.substr(2, end - 2) + "]");
  if (status == nullptr) return std::nullopt;
  size_t member = subject[1] == '[' ? end + 2 : end + 1;
  std::string what = member <= subject.size() ? subject.substr(member) : "";
  std::string where = "state";
  if (what.rfind("last.", 0) == 0) {
    where = "lastState";
    what.erase(0, 5);
  }
  if (what == "state" || what == "exit" || what == "why" || what == "message") {
    const Json* state = Find(*status, where);
    return state == nullptr ? std::nullopt : OfState(*state, what);
  }
  return AtPath(*status, where == "lastState" ? "lastState." + what : what);
}

}  // namespace

absl::StatusOr<Condition> ParseCondition(const std::string& text) {
  Condition condition;
  condition.text = text;
  std::string rest = text;
  size_t first = std::string::npos;
  const Operator* chosen = nullptr;
  for (const Operator& candidate : kOperators) {
    size_t at = rest.find(candidate.text);
    if (at < first) {
      first = at;
      chosen = &candidate;
    }
  }
  if (chosen != nullptr) {
    condition.op = chosen->op;
    condition.value = Unquoted(rest.substr(first + std::string(chosen->text).size()));
    rest.erase(first);
  } else if (CutEnd(rest, " absent")) {
    condition.op = Op::kAbsent;
  } else {
    CutEnd(rest, " exists");
  }
  static const std::regex prefix("^([a-z][a-z0-9-]*)/(.*)$");
  std::smatch parts;
  if (std::regex_match(rest, parts, prefix)) {
    condition.pod = parts[1];
    condition.subject = parts[2];
  } else {
    condition.subject = rest;
  }
  if (condition.subject.empty()) return absl::InvalidArgumentError("no subject in `" + text + "`");
  // A placeholder is put in later.
  bool known = condition.value.find("$") == std::string::npos;
  if (Ordered(condition.op) && known && !Number(condition.value))
    return absl::InvalidArgumentError("not a number in `" + text + "`");
  if (condition.op == Op::kMatch || condition.op == Op::kNoMatch) {
    try {
      std::regex check(condition.value);
    } catch (const std::regex_error& error) {
      return absl::InvalidArgumentError("bad expression in `" + text + "`: " + error.what());
    }
  }
  return condition;
}

bool Holds(const Condition& condition, const std::optional<std::string>& actual) {
  switch (condition.op) {
    case Op::kExists:
      return actual.has_value();
    case Op::kAbsent:
      return !actual.has_value();
    case Op::kNe:
      return !actual || *actual != condition.value;
    case Op::kNoMatch:
      return !actual || !Found(*actual, condition.value);
    case Op::kEq:
      return actual && *actual == condition.value;
    case Op::kMatch:
      return actual && Found(*actual, condition.value);
    default:
      return actual && Compare(condition.op, *actual, condition.value);
  }
}

std::string FirstWord(const std::string& subject) { return subject.substr(0, subject.find(' ')); }

std::optional<std::string> Observed(const Json* pod, const std::string& subject) {
  if (subject == "gone") return pod == nullptr ? std::optional<std::string>("true") : std::nullopt;
  if (pod == nullptr) return std::nullopt;
  if (subject == "phase" || subject == "reason" || subject == "message")
    return AtPath(*pod, "status." + subject);
  if (subject == "ready") return AtPath(*pod, "status.conditions[Ready].status");
  if (subject.rfind("cond.", 0) == 0) {
    std::string type = subject.substr(5), member = "status";
    if (size_t dot = type.find('.'); dot != std::string::npos) {
      member = type.substr(dot + 1);
      type.erase(dot);
    }
    return AtPath(*pod, "status.conditions[" + type + "]." + member);
  }
  if (subject.size() > 2 && (subject[1] == '[' || subject[1] == '.')) {
    if (subject[0] == 'c') return OfContainer(*pod, "containerStatuses", subject);
    if (subject[0] == 'i') return OfContainer(*pod, "initContainerStatuses", subject);
    if (subject[0] == 'e') return OfContainer(*pod, "ephemeralContainerStatuses", subject);
  }
  return AtPath(*pod, subject);
}

}  // namespace kubelet::conformance
