#include "conformance/report.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "conformance/value.h"

namespace kubelet::conformance {
namespace {

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", seconds);
  return text;
}

// For XML and HTML alike; control characters, which XML has no form for, become blanks.
std::string Escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

std::string Indented(const std::string& text, const std::string& indent) {
  std::string out = indent;
  for (char c : text) {
    out += c;
    if (c == '\n') out += indent;
  }
  return out;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string Counts(const RunResult& run) {
  std::string out = std::to_string(run.Count(Outcome::kPassed)) + " passed, " +
                    std::to_string(run.Count(Outcome::kFailed)) + " failed, ";
  if (int known = run.Count(Outcome::kKnown)) out += std::to_string(known) + " known, ";
  return out + std::to_string(run.Count(Outcome::kSkipped)) + " skipped in " +
         Seconds(run.seconds) + " s";
}

std::string Area(const std::string& name) { return name.substr(0, name.find('/')); }

std::string HtmlCell(const CaseResult* result) {
  if (result == nullptr) return "<td class=\"none\">not run</td>";
  std::string cell = std::string("<td class=\"") + OutcomeName(result->outcome) + "\">" +
                     OutcomeName(result->outcome) + " <small>" + Seconds(result->seconds) +
                     " s</small>";
  if (!result->message.empty()) cell += "<br><code>" + Escaped(result->message) + "</code>";
  return cell + "</td>";
}

constexpr char kStyle[] =
    "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;width:100%}"
    "td,th{border:1px solid #ccc;padding:4px 8px;text-align:left;vertical-align:top}"
    "code{font-size:12px;white-space:pre-wrap}small{color:#666}"
    ".passed{background:#e4f5e4}.failed{background:#fbdcdc}.known{background:#fdf3d3}"
    ".skipped,.none{background:#f3f3f3}"
    "tr.differs td:first-child{border-left:5px solid #d80}";

}  // namespace

const char* OutcomeName(Outcome outcome) {
  return outcome == Outcome::kPassed   ? "passed"
         : outcome == Outcome::kFailed ? "failed"
         : outcome == Outcome::kKnown  ? "known"
                                       : "skipped";
}

int RunResult::Count(Outcome outcome) const {
  return static_cast<int>(
      std::count_if(cases.begin(), cases.end(),
                    [outcome](const CaseResult& each) { return each.outcome == outcome; }));
}

std::string Summary(const RunResult& run) {
  std::string out;
  for (Outcome outcome : {Outcome::kKnown, Outcome::kFailed}) {
    for (const CaseResult& each : run.cases) {
      if (each.outcome != outcome) continue;
      out += (outcome == Outcome::kFailed ? "FAILED " : "known ") + each.name +
             "\n  required: " + each.requirement + "\n  field: " + each.field + "\n" +
             Indented(each.message, "  ") + "\n";
      if (outcome == Outcome::kKnown) out += "  known: " + each.difference + "\n";
    }
  }
  std::map<std::string, int> reasons;
  for (const CaseResult& each : run.cases)
    if (each.outcome == Outcome::kSkipped) ++reasons[each.message];
  for (const auto& [reason, count] : reasons)
    out += "skipped " + std::to_string(count) + ": " + reason + "\n";
  return out + Counts(run) + "\n";
}

std::string Tap(const RunResult& run) {
  std::string out = "TAP version 13\n1.." + std::to_string(run.cases.size()) + "\n";
  int number = 0;
  for (const CaseResult& each : run.cases) {
    bool wrong = each.outcome == Outcome::kFailed || each.outcome == Outcome::kKnown;
    out += (wrong ? "not ok " : "ok ") + std::to_string(++number) + " - " + each.name;
    if (each.outcome == Outcome::kSkipped) out += " # SKIP " + OneLine(each.message);
    if (each.outcome == Outcome::kKnown) out += " # TODO known: " + OneLine(each.difference);
    out += "\n";
    if (wrong)
      out += "  ---\n  requirement: " + boost::json::serialize(Json(each.requirement)) +
             "\n  field: " + boost::json::serialize(Json(each.field)) +
             "\n  message: " + boost::json::serialize(Json(each.message)) + "\n  ...\n";
  }
  return out;
}

std::string JUnit(const RunResult& run) {
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"kubelet-conformance\""
      " tests=\"" +
      std::to_string(run.cases.size()) + "\" failures=\"" +
      std::to_string(run.Count(Outcome::kFailed)) + "\" skipped=\"" +
      std::to_string(run.Count(Outcome::kSkipped) + run.Count(Outcome::kKnown)) + "\" time=\"" +
      Seconds(run.seconds) + "\" timestamp=\"" + Escaped(run.started) + "\">\n";
  for (const CaseResult& each : run.cases) {
    out += "  <testcase classname=\"" + Escaped(Area(each.name)) + "\" name=\"" +
           Escaped(each.name) + "\" time=\"" + Seconds(each.seconds) + "\"";
    if (each.outcome == Outcome::kPassed) {
      out += "/>\n";
      continue;
    }
    std::string text = Escaped(each.message);
    if (each.outcome == Outcome::kSkipped)
      out += "><skipped message=\"" + text + "\"/></testcase>\n";
    else if (each.outcome == Outcome::kKnown)
      out += "><skipped message=\"known: " + Escaped(OneLine(each.difference)) + "\">" + text +
             "</skipped></testcase>\n";
    else
      out += ">\n    <failure message=\"" + Escaped(OneLine(each.message)) + "\">" +
             Escaped(each.requirement) + "\n" + Escaped(each.field) + "\n" + text +
             "</failure>\n  </testcase>\n";
  }
  return out + "</testsuite>\n";
}

std::string ToJson(const RunResult& run) {
  JsonArray cases;
  for (const CaseResult& each : run.cases)
    cases.push_back(JsonObject{{"name", each.name},
                               {"requirement", each.requirement},
                               {"field", each.field},
                               {"difference", each.difference},
                               {"outcome", OutcomeName(each.outcome)},
                               {"message", each.message},
                               {"seconds", Seconds(each.seconds)}});
  return boost::json::serialize(JsonObject{{"kubelet", run.kubelet},
                                           {"version", run.version},
                                           {"runtime", run.runtime},
                                           {"started", run.started},
                                           {"seconds", Seconds(run.seconds)},
                                           {"cases", cases}}) +
         "\n";
}

absl::StatusOr<RunResult> FromJson(const std::string& text) {
  auto parsed = ParseJson(text);
  if (!parsed.ok()) return parsed.status();
  const Json* cases = Find(*parsed, "cases");
  if (cases == nullptr || !cases->is_array())
    return absl::InvalidArgumentError("not the results of a run");
  const JsonObject& head = parsed->as_object();
  RunResult run{Text(head, "kubelet"),
                Text(head, "version"),
                Text(head, "runtime"),
                Text(head, "started"),
                std::atof(Text(head, "seconds").c_str()),
                {}};
  for (const Json& each : cases->as_array()) {
    if (!each.is_object()) return absl::InvalidArgumentError("a case is not an object");
    const JsonObject& from = each.as_object();
    CaseResult result{Text(from, "name"), Text(from, "requirement"), Text(from, "field"),
                      Text(from, "difference")};
    std::string outcome = Text(from, "outcome");
    result.outcome = outcome == "passed"   ? Outcome::kPassed
                     : outcome == "failed" ? Outcome::kFailed
                     : outcome == "known"  ? Outcome::kKnown
                                           : Outcome::kSkipped;
    result.message = Text(from, "message");
    result.seconds = std::atof(Text(from, "seconds").c_str());
    run.cases.push_back(std::move(result));
  }
  return run;
}

std::string CompareHtml(const RunResult& left, const RunResult& right) {
  std::map<std::string, std::pair<const CaseResult*, const CaseResult*>> rows;
  for (const CaseResult& each : left.cases) rows[each.name].first = &each;
  for (const CaseResult& each : right.cases) rows[each.name].second = &each;
  std::string differing, same;
  for (const auto& [name, row] : rows) {
    const CaseResult& any = row.first != nullptr ? *row.first : *row.second;
    bool differs =
        row.first == nullptr || row.second == nullptr || row.first->outcome != row.second->outcome;
    std::string text = std::string("<tr") + (differs ? " class=\"differs\"" : "") + "><td><b>" +
                       Escaped(name) + "</b><br>" + Escaped(any.requirement) + "<br><small>" +
                       Escaped(any.field) + "</small>";
    if (!any.difference.empty())
      text += "<br><small>known of other kubelets: " + Escaped(any.difference) + "</small>";
    text += "</td>" + HtmlCell(row.first) + HtmlCell(row.second) + "</tr>\n";
    (differs ? differing : same) += text;
  }
  auto head = [](const RunResult& run) {
    return "<th>" + Escaped(run.version) + "<br><small>" + Escaped(run.kubelet) + ", " +
           Escaped(run.runtime) + ", " + Escaped(run.started) + "</small><br>" + Counts(run) +
           "</th>";
  };
  return std::string("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">") +
         "<title>kubelet-conformance</title><style>" + kStyle +
         "</style></head><body><h1>Two kubelets</h1>\n<table><tr><th>case</th>" + head(left) +
         head(right) + "</tr>\n" + differing + same + "</table></body></html>\n";
}

}  // namespace kubelet::conformance
