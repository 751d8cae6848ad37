#include "api/validation_text.h"

#include <arpa/inet.h>

#include <algorithm>

namespace kubelet::api {
namespace {

constexpr size_t kLabelMax = 63;
constexpr size_t kSubdomainMax = 253;
constexpr size_t kSignerMax = kSubdomainMax + 1 + kLabelMax + 1 + kSubdomainMax;

bool Digit(char c) { return c >= '0' && c <= '9'; }
bool LowerAlnum(char c) { return (c >= 'a' && c <= 'z') || Digit(c); }
bool Alnum(char c) { return LowerAlnum(c) || (c >= 'A' && c <= 'Z'); }

template <typename Predicate>
bool All(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool IsDnsLabel(std::string_view text) {
  return !text.empty() && LowerAlnum(text.front()) && LowerAlnum(text.back()) &&
         All(text, [](char c) { return LowerAlnum(c) || c == '-'; });
}

bool IsSearchLabel(std::string_view text) {
  if (!text.empty() && text.front() == '_') text.remove_prefix(1);
  return !text.empty() && LowerAlnum(text.front()) && LowerAlnum(text.back()) &&
         All(text, [](char c) { return LowerAlnum(c) || c == '-' || c == '_'; });
}

template <typename Predicate>
bool AllLabels(std::string_view text, Predicate predicate) {
  std::vector<std::string> labels = Split(text, '.');
  return std::all_of(labels.begin(), labels.end(), predicate);
}

bool IsNamePart(std::string_view text) {
  return !text.empty() && Alnum(text.front()) && Alnum(text.back()) &&
         All(text, [](char c) { return Alnum(c) || c == '-' || c == '_' || c == '.'; });
}

void LimitLength(std::string_view text, size_t max, const std::string& what, Problems& problems) {
  if (text.size() <= max) return;
  problems.push_back(what + "must be no more than " + std::to_string(max) + " characters");
}

void RefuseDots(std::string_view text, Problems& problems) {
  if (text == ".") {
    problems.push_back("must not be '.'");
  } else if (text == "..") {
    problems.push_back("must not be '..'");
  } else if (StartsWith(text, "..")) {
    problems.push_back("must not start with '..'");
  }
}

constexpr char kLabelRule[] =
    "an RFC 1123 label holds only lower case letters, digits and '-', and starts and ends with a "
    "letter or digit";
constexpr char kSubdomainRule[] =
    "an RFC 1123 subdomain holds only lower case letters, digits, '-' and '.', and each part "
    "starts and ends with a letter or digit";
constexpr char kSearchRule[] =
    "a search domain holds only lower case letters, digits, '_', '-' and '.', and each part "
    "starts and ends with a letter or digit";
constexpr char kNameRule[] =
    "must hold only letters, digits, '-', '_' and '.', and start and end with a letter or digit";

}  // namespace

Problems DnsLabelProblems(std::string_view text) {
  Problems problems;
  LimitLength(text, kLabelMax, "", problems);
  if (IsDnsLabel(text)) return problems;
  bool dotted = AllLabels(text, [](const std::string& label) { return IsDnsLabel(label); });
  problems.push_back(dotted ? "must not contain dots" : kLabelRule);
  return problems;
}

Problems DnsSubdomainProblems(std::string_view text) {
  Problems problems;
  LimitLength(text, kSubdomainMax, "", problems);
  if (!AllLabels(text, [](const std::string& label) { return IsDnsLabel(label); })) {
    problems.push_back(kSubdomainRule);
  }
  return problems;
}

Problems DnsSearchProblems(std::string_view text) {
  Problems problems;
  LimitLength(text, kSubdomainMax, "", problems);
  if (!AllLabels(text, [](const std::string& label) { return IsSearchLabel(label); })) {
    problems.push_back(kSearchRule);
  }
  return problems;
}

Problems QualifiedNameProblems(std::string_view text) {
  Problems problems;
  std::vector<std::string> parts = Split(text, '/');
  if (parts.size() > 2) {
    problems.push_back(
        "must be a name with an optional DNS subdomain and '/' before it, such as "
        "example.com/MyName");
    return problems;
  }
  if (parts.size() == 2 && parts[0].empty()) {
    problems.push_back("prefix part must be non-empty");
  } else if (parts.size() == 2) {
    for (const std::string& problem : DnsSubdomainProblems(parts[0])) {
      problems.push_back("prefix part " + problem);
    }
  }
  const std::string& name = parts.back();
  if (name.empty()) problems.push_back("name part must be non-empty");
  LimitLength(name, kLabelMax, "name part ", problems);
  if (!IsNamePart(name)) problems.push_back(std::string("name part ") + kNameRule);
  return problems;
}

Problems LabelValueProblems(std::string_view text) {
  Problems problems;
  LimitLength(text, kLabelMax, "", problems);
  if (!text.empty() && !IsNamePart(text)) {
    problems.push_back(std::string("a label value may be empty; else it ") + kNameRule);
  }
  return problems;
}

Problems PortNameProblems(std::string_view text) {
  Problems problems;
  LimitLength(text, 15, "", problems);
  if (text.empty() || !All(text, [](char c) { return LowerAlnum(c) || c == '-'; })) {
    problems.push_back("must hold only lower case letters, digits and '-'");
  }
  if (std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
    problems.push_back("must contain at least one letter (a-z)");
  }
  if (text.find("--") != text.npos) problems.push_back("must not contain consecutive hyphens");
  if (!text.empty() && (text.front() == '-' || text.back() == '-')) {
    problems.push_back("must not begin or end with a hyphen");
  }
  return problems;
}

Problems EnvNameProblems(std::string_view text) {
  if (text.empty()) return {"environment variable name must be non-empty"};
  if (All(text, [](char c) { return c >= 0x20 && c < 0x7f && c != '='; })) return {};
  return {"an environment variable name holds only printable ASCII characters other than '='"};
}

Problems ConfigKeyProblems(std::string_view text) {
  Problems problems;
  LimitLength(text, kSubdomainMax, "", problems);
  auto allowed = [](char c) { return Alnum(c) || c == '-' || c == '_' || c == '.'; };
  if (text.empty() || !All(text, allowed)) {
    problems.push_back("a config key holds only letters, digits, '-', '_' and '.'");
  }
  RefuseDots(text, problems);
  return problems;
}

Problems HeaderNameProblems(std::string_view text) {
  if (!text.empty() && All(text, [](char c) { return Alnum(c) || c == '-'; })) return {};
  return {"an HTTP header name holds only letters, digits and '-'"};
}

Problems IpProblems(const std::string& text) {
  bool whole = text.find('\0') == text.npos;
  in_addr v4;
  // inet_pton refuses leading zeros, as Go's strict parser does.
  if (whole && inet_pton(AF_INET, text.c_str(), &v4) == 1) return {};
  in6_addr v6;
  if (!whole || inet_pton(AF_INET6, text.c_str(), &v6) != 1) {
    return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
  }
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return {"must not be an IPv4-mapped IPv6 address"};
  return {};
}

Problems SignerNameProblems(const std::string& text) {
  std::vector<std::string> parts = Split(text, '/');
  if (parts.size() != 2) {
    return {"must be a fully qualified domain and a path, such as example.com/signer-name"};
  }
  Problems problems;
  LimitLength(parts[0], kSubdomainMax, "domain part ", problems);
  std::vector<std::string> labels = Split(parts[0], '.');
  for (const std::string& label : labels) {
    Problems wrong = DnsLabelProblems(label);
    for (const std::string& problem : wrong)
      problems.push_back("domain part '" + label + "': " + problem);
    if (!wrong.empty()) break;
  }
  if (labels.size() < 2) problems.push_back("domain part should have at least two segments");
  for (const std::string& segment : Split(parts[1], '.')) {
    Problems wrong = DnsSubdomainProblems(segment);
    for (const std::string& problem : wrong)
      problems.push_back("path part '" + segment + "': " + problem);
    if (!wrong.empty()) break;
  }
  LimitLength(text, kSignerMax, "", problems);
  return problems;
}

bool IsSysctlName(std::string_view text) {
  if (text.empty() || text.size() > kSubdomainMax) return false;
  bool segment_open = false;  // the last character ends a segment properly
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    bool separator = c == '.' || c == '/';
    bool inner = c == '-' || c == '_';
    if (!separator && !inner && !LowerAlnum(c)) return false;
    bool first = i == 0 || text[i - 1] == '.' || text[i - 1] == '/';
    if (first && !LowerAlnum(c)) return false;
    if (separator && !segment_open) return false;
    segment_open = LowerAlnum(c);
  }
  return segment_open;
}

bool HasBackstep(std::string_view path) {
  std::vector<std::string> parts = Split(path, '/');
  return std::find(parts.begin(), parts.end(), "..") != parts.end();
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0;;) {
    size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end == text.npos ? end : end - begin));
    if (end == text.npos) return parts;
    begin = end + 1;
  }
}

}  // namespace kubelet::api
