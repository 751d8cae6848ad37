#include "server/node_log_query.h"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace kubelet::server {
namespace {

constexpr size_t kMaxService = 256, kMaxServices = 4, kMaxPattern = 4096;
constexpr int64_t kMaxTail = 100'000;

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string List(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? "," : "") + Quoted(item);
  return out + "]";
}

// field.ErrorList as one text: a single error as it is, several in brackets.
class Errors {
 public:
  void Invalid(const std::string& field, const std::string& value, const std::string& why) {
    list_.push_back(field + ": Invalid value: " + value + ": " + why);
  }
  void Add(const std::string& text) { list_.push_back(text); }
  bool empty() const { return list_.empty(); }
  std::string Text() const {
    if (list_.size() == 1) return list_.front();
    std::string out;
    for (const auto& item : list_) out += (out.empty() ? "" : ", ") + item;
    return "[" + out + "]";
  }

 private:
  std::vector<std::string> list_;
};

std::string First(const Pairs& query, const std::string& name) {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return "";
}

void ReadTime(const Pairs& query, const std::string& name, std::optional<api::UnixTime>& out,
              Errors& errors) {
  std::string text = First(query, name);
  if (text.empty()) return;
  auto time = api::ParseRfc3339(text);
  if (!time.ok()) return errors.Invalid(name, Quoted(text), "invalid time format");
  out = *time;
}

void ReadNumber(const Pairs& query, const std::string& name, std::optional<int64_t>& out,
                Errors& errors) {
  std::string text = First(query, name);
  if (text.empty()) return;
  int64_t value = 0;
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  auto [rest, ec] = std::from_chars(begin, text.data() + text.size(), value);
  if (ec != std::errc() || rest != text.data() + text.size()) {
    std::string why =
        ec == std::errc::result_out_of_range ? "value out of range" : "invalid syntax";
    return errors.Invalid(name, Quoted(text), "strconv.Atoi: parsing " + Quoted(text) + ": " + why);
  }
  out = value;
}

bool Blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

bool SafeService(const std::string& name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string("-_.:@").find(c) != std::string::npos;
  });
}

// What every dialect of regular expressions refuses; the rest is journalctl's to judge.
std::string PatternProblem(const std::string& pattern) {
  if (pattern.size() > kMaxPattern) return "expression too large";
  int open = 0;
  bool set = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\0') return "invalid character";
    if (c == '\\') {
      if (++i == pattern.size()) return "trailing backslash at end of expression: ``";
    } else if (set) {
      set = c != ']';
    } else if (c == '[') {
      set = true;
      // `]` as the first of a set is one of its characters.
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') ++i;
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') ++i;
    } else if (c == '(') {
      ++open;
    } else if (c == ')' && --open < 0) {
      return "unexpected ): `" + pattern + "`";
    }
  }
  if (set) return "missing closing ]: `" + pattern + "`";
  return open > 0 ? "missing closing ): `" + pattern + "`" : "";
}

bool Later(const api::UnixTime& a, const api::UnixTime& b) {
  return a.seconds != b.seconds ? a.seconds > b.seconds : a.nanos > b.nanos;
}

void ValidateServices(const NodeLogQuery& q, Errors& errors) {
  for (const auto& service : q.services) {
    if (service.size() > kMaxService) {
      errors.Invalid("query", Quoted(service), "length must be less than 256");
    } else if (!SafeService(service)) {
      errors.Invalid("query", Quoted(service), "input contains unsupported characters");
    }
  }
  if (q.services.size() > kMaxServices)
    errors.Add("query: Too many: " + std::to_string(q.services.size()) +
               ": must have at most 4 items");
}

void Validate(const NodeLogQuery& q, Errors& errors) {
  ValidateServices(q, errors);
  if (q.files.empty() && q.services.empty()) {
    errors.Add("query: Required value: cannot be empty with options");
  } else if (!q.files.empty() && !q.services.empty()) {
    errors.Invalid("query", Quoted(List(q.files) + ", " + List(q.services)),
                   "cannot specify a file and service");
  } else if (q.files.size() > 1) {
    errors.Invalid("query", List(q.files), "cannot specify more than one file");
  } else if (q.files.size() == 1 && q.HasOptions()) {
    errors.Invalid("query", List(q.files), "cannot specify file with options");
  }
  if (q.since && q.until && Later(*q.since, *q.until))
    errors.Invalid("untilTime", Quoted(api::FormatRfc3339(*q.until, 0)),
                   "must be after `sinceTime`");
  if (q.boot && *q.boot > 0) errors.Invalid("boot", std::to_string(*q.boot), "must be less than 1");
  if (q.tail_lines && (*q.tail_lines < 0 || *q.tail_lines > kMaxTail))
    errors.Invalid("tailLines", std::to_string(*q.tail_lines),
                   "must be between 0 and 100000, inclusive");
  std::string problem = PatternProblem(q.pattern);
  if (!problem.empty())
    errors.Invalid("pattern", Quoted(q.pattern), "error parsing regexp: " + problem);
}

// As journalctl wants it, in UTC.
std::string JournalTime(const api::UnixTime& time) {
  auto seconds = static_cast<time_t>(time.seconds);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  return std::string(text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts));
}

}  // namespace

absl::StatusOr<std::optional<NodeLogQuery>> ParseNodeLogQuery(const Pairs& query) {
  NodeLogQuery out;
  Errors errors;
  bool asked = false;
  std::vector<std::string> all;
  for (const auto& [name, value] : query) {
    if (name != "query") continue;
    asked = true;
    all.push_back(value);
    if (value.find_first_of("/\\") != std::string::npos) {
      out.files.push_back(value);
    } else if (!Blank(value)) {
      out.services.push_back(value);
    }
  }
  if (asked && out.files.empty() && out.services.empty())
    errors.Invalid("query", List(all), "query cannot be empty");
  ReadTime(query, "sinceTime", out.since, errors);
  ReadTime(query, "untilTime", out.until, errors);
  ReadNumber(query, "boot", out.boot, errors);
  ReadNumber(query, "tailLines", out.tail_lines, errors);
  out.pattern = First(query, "pattern");
  if (!errors.empty()) return absl::InvalidArgumentError(errors.Text());
  if (!asked && !out.HasOptions()) return std::optional<NodeLogQuery>();
  Validate(out, errors);
  if (!errors.empty()) return absl::FailedPreconditionError(errors.Text());
  return std::optional<NodeLogQuery>(std::move(out));
}

std::vector<std::string> JournalArguments(const NodeLogQuery& query,
                                          const std::vector<std::string>& services) {
  std::vector<std::string> out = {"--utc", "--no-pager", "--output=short-precise"};
  if (query.since) out.push_back("--since=" + JournalTime(*query.since));
  if (query.until) out.push_back("--until=" + JournalTime(*query.until));
  if (query.tail_lines) {
    out.push_back("--pager-end");
    out.push_back("--lines=" + std::to_string(*query.tail_lines));
  }
  for (const auto& service : services) out.push_back("--unit=" + service);
  if (!query.pattern.empty()) {
    out.push_back("--grep=" + query.pattern);
    out.push_back("--case-sensitive=false");
  }
  if (query.boot) {
    out.push_back("--boot");
    out.push_back(std::to_string(*query.boot));
  }
  return out;
}

std::vector<std::string> LogFileGuesses(const std::string& service) {
  return {service, service + ".log", service + "/" + service + ".log"};
}

}  // namespace kubelet::server
