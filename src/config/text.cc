#include "config/text.h"

#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace kubelet::config {
namespace {

absl::Status Invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::Status NumberError(const std::string& function, const std::string& text,
                         const std::string& what) {
  return Invalid("strconv." + function + ": parsing " + Quote(text) + ": " + what);
}

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

struct BasePrefix {
  int base;
  size_t length;
};

BasePrefix DetectBase(const std::string& digits) {
  if (digits.size() < 2 || digits[0] != '0') return {10, 0};
  switch (std::tolower(static_cast<unsigned char>(digits[1]))) {
    case 'x':
      return {16, 2};
    case 'o':
      return {8, 2};
    case 'b':
      return {2, 2};
    default:
      return {8, 1};
  }
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsAlphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Letters, digits and `extra`, with a letter or digit at both ends.
bool IsBoundedName(const std::string& text, const std::string& extra) {
  if (text.empty() || !IsAlphanumeric(text.front()) || !IsAlphanumeric(text.back())) return false;
  for (char c : text) {
    if (!IsAlphanumeric(c) && extra.find(c) == std::string::npos) return false;
  }
  return true;
}

bool IsDnsSubdomain(const std::string& text) {
  if (text.empty() || text.size() > 253) return false;
  for (const std::string& label : Split(text, '.')) {
    if (!IsBoundedName(label, "-")) return false;
    for (char c : label) {
      if (c >= 'A' && c <= 'Z') return false;
    }
  }
  return true;
}

// A CPU number, or -1.
int64_t CpuNumber(const std::string& text) {
  if (text.empty() || text.size() > 9) return -1;
  for (char c : text) {
    if (!IsDigit(c)) return -1;
  }
  return std::atoll(text.c_str());
}

}  // namespace

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::vector<std::string> SplitFirst(const std::string& text, char separator) {
  size_t at = text.find(separator);
  if (at == std::string::npos) return {text};
  return {text.substr(0, at), text.substr(at + 1)};
}

std::string Join(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : separator) + parts[i];
  return text;
}

std::string Trim(const std::string& text) {
  const char* blank = " \t\r\n\v\f";
  size_t begin = text.find_first_not_of(blank);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

std::string Quote(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    unsigned char u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (u < 0x20 || u == 0x7f) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", u);
      out += hex;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

absl::StatusOr<bool> ParseBool(const std::string& text) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return NumberError("ParseBool", text, "invalid syntax");
}

absl::StatusOr<int64_t> ParseInt(const std::string& text, int bits) {
  bool negative = !text.empty() && text[0] == '-';
  std::string digits = !text.empty() && (text[0] == '-' || text[0] == '+') ? text.substr(1) : text;
  BasePrefix prefix = DetectBase(digits);
  if (digits.size() <= prefix.length) return NumberError("ParseInt", text, "invalid syntax");
  __int128 value = 0;
  __int128 limit = (static_cast<__int128>(1) << (bits - 1)) - (negative ? 0 : 1);
  bool overflow = false;
  bool last_was_digit = prefix.length > 0;
  for (size_t i = prefix.length; i < digits.size(); ++i) {
    // Underscores may stand between digits, and only where a base prefix is.
    if (digits[i] == '_' && prefix.length > 0 && last_was_digit && i + 1 < digits.size()) {
      last_was_digit = false;
      continue;
    }
    if (DigitValue(digits[i]) >= prefix.base)
      return NumberError("ParseInt", text, "invalid syntax");
    last_was_digit = true;
    if (!overflow) value = value * prefix.base + DigitValue(digits[i]);
    overflow = overflow || value > limit;
  }
  if (overflow) return NumberError("ParseInt", text, "value out of range");
  return static_cast<int64_t>(negative ? -value : value);
}

absl::StatusOr<uint32_t> ParseLevel(const std::string& text) {
  uint64_t value = 0;
  if (text.empty()) return NumberError("ParseUint", text, "invalid syntax");
  for (char c : text) {
    if (!IsDigit(c)) return NumberError("ParseUint", text, "invalid syntax");
    if (value <= std::numeric_limits<int32_t>::max())
      value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (value > std::numeric_limits<int32_t>::max())
    return NumberError("ParseUint", text, "value out of range");
  return static_cast<uint32_t>(value);
}

absl::StatusOr<double> ParsePercent(const std::string& text) {
  if (text.empty() || text.back() != '%') return Invalid(Quote(text) + " is not a percentage");
  std::string number = text.substr(0, text.size() - 1);
  char* end = nullptr;
  double value = std::strtod(number.c_str(), &end);
  bool blank = number.empty() || std::isspace(static_cast<unsigned char>(number[0]));
  if (blank || end != number.c_str() + number.size() || !std::isfinite(value)) {
    return Invalid(Quote(text) + " is not a percentage");
  }
  return value;
}

absl::StatusOr<std::vector<std::string>> ParseCsv(const std::string& text) {
  if (text.empty()) return std::vector<std::string>{};
  std::vector<std::string> fields(1);
  size_t i = 0;
  while (true) {
    if (i < text.size() && text[i] == '"') {
      for (++i;; ++i) {
        if (i >= text.size()) return Invalid("parse error: a quoted value has no closing quote");
        if (text[i] != '"') {
          fields.back() += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == '"') {
          fields.back() += text[i++];
        } else {
          break;
        }
      }
      ++i;
      if (i < text.size() && text[i] != ',' && text[i] != '\n') {
        return Invalid("parse error: text after the closing quote of a value");
      }
    }
    while (i < text.size() && text[i] != ',' && text[i] != '\n') {
      if (text[i] == '"') return Invalid("parse error: a quote inside a value that is not quoted");
      fields.back() += text[i++];
    }
    if (i >= text.size() || text[i] == '\n') return fields;
    fields.emplace_back();
    ++i;
  }
}

std::string QualifiedNameProblem(const std::string& text) {
  std::vector<std::string> parts = Split(text, '/');
  if (parts.size() > 2) return "has more than one slash";
  if (parts.size() == 2 && !IsDnsSubdomain(parts[0])) return "its prefix is not a DNS subdomain";
  const std::string& name = parts.back();
  if (name.empty()) return "its name is empty";
  if (name.size() > 63) return "its name is longer than 63 characters";
  if (!IsBoundedName(name, "-_.")) {
    return "its name must be letters, digits, '-', '_' or '.', with a letter or digit at both ends";
  }
  return "";
}

std::string LabelValueProblem(const std::string& text) {
  if (text.empty()) return "";
  if (text.size() > 63) return "is longer than 63 characters";
  if (!IsBoundedName(text, "-_.")) {
    return "must be letters, digits, '-', '_' or '.', with a letter or digit at both ends";
  }
  return "";
}

std::string CpuListProblem(const std::string& text) {
  for (const std::string& range : Split(text, ',')) {
    std::vector<std::string> ends = SplitFirst(range, '-');
    int64_t first = CpuNumber(ends[0]);
    int64_t last = CpuNumber(ends.back());
    if (first < 0 || last < 0) return Quote(range) + " is neither a CPU number nor a range";
    if (last < first) return "the range " + Quote(range) + " ends before it begins";
  }
  return "";
}

}  // namespace kubelet::config
