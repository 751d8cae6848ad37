#include "api/yaml_forms.h"

namespace kubelet::api {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool IsYamlTimestamp(std::string_view text) {
  size_t i = 0;
  auto number = [&](size_t least, size_t most, int low, int high) {
    int value = 0;
    size_t count = 0;
    for (; count < most && i < text.size() && IsDigit(text[i]); ++count)
      value = value * 10 + (text[i++] - '0');
    return count >= least && value >= low && value <= high ? value : -1;
  };
  auto skip = [&](char c) { return i < text.size() && text[i] == c && ++i; };
  int year = number(4, 4, 0, 9999);
  if (year < 0 || !skip('-')) return false;
  int month = number(1, 2, 1, 12);
  if (month < 0 || !skip('-')) return false;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (number(1, 2, 1, kDays[month - 1] + (month == 2 && leap ? 1 : 0)) < 0) return false;
  if (i == text.size()) return true;
  bool zone = text[i] == 'T' || text[i] == 't';
  if (!zone && text[i] != ' ') return false;
  ++i;
  if (number(1, 2, 0, 23) < 0 || !skip(':') || number(1, 2, 0, 59) < 0 || !skip(':') ||
      number(1, 2, 0, 59) < 0) {
    return false;
  }
  if (skip('.')) {
    size_t from = i;
    while (i < text.size() && IsDigit(text[i])) ++i;
    if (i == from) return false;
  }
  if (!zone) return i == text.size();
  if (skip('Z')) return i == text.size();
  if (!skip('+') && !skip('-')) return false;
  return number(2, 2, 0, 24) >= 0 && skip(':') && number(2, 2, 0, 60) >= 0 && i == text.size();
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  int padding = 0;
  for (char c : text) {
    if (c == '\n' || c == '\r') continue;
    int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : IsDigit(c)           ? c - '0' + 52
                : c == '+'             ? 62
                : c == '/'             ? 63
                                       : -1;
    if (c == '=' && count % 4 >= 2) {
      ++padding;
      digit = 0;
    }
    if (digit < 0 || (c != '=' && padding > 0)) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(digit);
    if (++count % 4 == 0) {
      for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift & 0xff);
      bits = 0;
    }
  }
  if (count % 4 != 0 || padding > 2) return std::nullopt;
  out.resize(out.size() - padding);
  return out;
}

}  // namespace kubelet::api
