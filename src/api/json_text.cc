#include "api/json_text.h"

#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "api/json_sax.h"

namespace kubelet::api {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes that cannot stand in a string as they are.
constexpr std::array<bool, 256> MakeSpecial() {
  std::array<bool, 256> special{};
  for (int c = 0; c < 0x20; ++c) special[c] = true;
  for (unsigned char c : {'"', '\\', '<', '>', '&'}) special[c] = true;
  for (int c = 0x80; c < 0x100; ++c) special[c] = true;
  return special;
}
constexpr std::array<bool, 256> kSpecial = MakeSpecial();

unsigned char At(std::string_view text, size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
}

// Length of the well-formed sequence at `i`, or 0 (Unicode table 3-7: no overlong forms, no
// surrogates).
size_t Utf8Length(std::string_view text, size_t i) {
  unsigned char a = At(text, i), b = At(text, i + 1), c = At(text, i + 2), d = At(text, i + 3);
  auto tail = [](unsigned char x) { return (x & 0xC0) == 0x80; };
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(b) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    bool second = a == 0xE0 ? b >= 0xA0 && b <= 0xBF : a == 0xED ? b >= 0x80 && b <= 0x9F : tail(b);
    return second && tail(c) ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    bool second = a == 0xF0 ? b >= 0x90 && b <= 0xBF : a == 0xF4 ? b >= 0x80 && b <= 0x8F : tail(b);
    return second && tail(c) && tail(d) ? 4 : 0;
  }
  return 0;
}

void AppendEscape(unsigned char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

// Appends the character at `i` and returns its length.
size_t AppendSpecial(std::string_view text, size_t i, std::string& out) {
  unsigned char c = At(text, i);
  if (c < 0x80) {
    AppendEscape(c, out);
    return 1;
  }
  size_t length = Utf8Length(text, i);
  if (length == 0) {
    out += "\\ufffd";
    return 1;
  }
  std::string_view sequence = text.substr(i, length);
  if (sequence == "\xE2\x80\xA8" || sequence == "\xE2\x80\xA9") {
    out += sequence[2] == '\xA8' ? "\\u2028" : "\\u2029";
  } else {
    out += sequence;
  }
  return length;
}

// Writes what it is told, with commas and colons in place.
class CompactHandler : public JsonSax<CompactHandler> {
 public:
  explicit CompactHandler(std::string& out) : out_(out) {}
  bool Begin(bool object) {
    Comma();
    out_ += object ? '{' : '[';
    comma_ = false;
    return true;
  }
  bool End(bool object) {
    out_ += object ? '}' : ']';
    return comma_ = true;
  }
  bool Key(std::string_view key) {
    Comma();
    AppendJsonString(key, out_);
    out_ += ':';
    comma_ = false;
    return true;
  }
  bool String(std::string_view value) {
    Comma();
    AppendJsonString(value, out_);
    return comma_ = true;
  }
  bool Number(const JsonNumber& number) { return Word(number.text); }
  bool Bool(bool value) { return Word(value ? "true" : "false"); }
  bool Null() { return Word("null"); }

 private:
  bool Word(std::string_view word) {
    Comma();
    out_ += word;
    return comma_ = true;
  }
  void Comma() {
    if (comma_) out_ += ',';
  }
  std::string& out_;
  bool comma_ = false;
};

// Four hex digits at `i`, or -1.
int Hex4(std::string_view text, size_t i) {
  if (i + 4 > text.size()) return -1;
  int value = 0;
  auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 4, value, 16);
  return error == std::errc() && end == text.data() + i + 4 ? value : -1;
}

}  // namespace

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  size_t from = 0;
  for (size_t i = 0; i < text.size();) {
    if (!kSpecial[static_cast<unsigned char>(text[i])]) {
      ++i;
      continue;
    }
    out.append(text, from, i - from);
    i += AppendSpecial(text, i, out);
    from = i;
  }
  out.append(text, from, text.size() - from);
  out += '"';
}

void AppendJsonDouble(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += '0';  // has no JSON form
    return;
  }
  double size = std::fabs(value);
  bool exponent = size != 0 && (size < 1e-6 || size >= 1e21);
  bool large = !exponent && size >= 1e15;
  char buffer[512];
  auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, value,
                    exponent || large ? std::chars_format::scientific : std::chars_format::fixed);
  (void)error;
  std::string text(buffer, end);
  // Go fills up the shortest digits of a large integer with zeros, to_chars writes all its digits.
  if (large) {
    size_t e = text.find('e');
    int digits = std::stoi(text.substr(e + 1)) + 1 + (value < 0);
    text.resize(e);
    if (size_t point = text.find('.'); point != std::string::npos) text.erase(point, 1);
    if (text.size() > static_cast<size_t>(digits)) {
      text.insert(digits, ".");
    } else {
      text.resize(digits, '0');
    }
  }
  // Go writes e-9 for e-09.
  if (size_t at = text.size();
      exponent && at >= 4 && text[at - 4] == 'e' && text[at - 3] == '-' && text[at - 2] == '0') {
    text.erase(at - 2, 1);
  }
  out += text;
}

bool AppendCompactJson(std::string_view json, std::string& out) {
  size_t before = out.size();
  std::string error;
  if (ParseJson<CompactHandler>(json, error, out)) return true;
  out.resize(before);
  return false;
}

std::string IndentJson(std::string_view compact) {
  std::string out;
  out.reserve(compact.size() * 2);
  int depth = 0;
  auto line = [&] { out.append(1, '\n').append(static_cast<size_t>(depth) * 2, ' '); };
  for (size_t i = 0; i < compact.size(); ++i) {
    char c = compact[i];
    if (c == '"') {
      size_t end = i + 1;
      while (compact[end] != '"') end += compact[end] == '\\' ? 2 : 1;
      out.append(compact, i, end + 1 - i);
      i = end;
    } else if (c == '{' || c == '[') {
      out += c;
      if (compact[i + 1] == '}' || compact[i + 1] == ']') {
        out += compact[++i];
      } else {
        ++depth;
        line();
      }
    } else if (c == '}' || c == ']') {
      --depth;
      line();
      out += c;
    } else {
      out += c;
      if (c == ',') line();
      if (c == ':') out += ' ';
    }
  }
  return out;
}

std::optional<std::string> MendUnicode(std::string_view json) {
  std::string out;
  size_t from = 0;
  auto replace = [&](size_t at, size_t length) {
    out.append(json, from, at - from).append(kReplacement);
    from = at + length;
  };
  for (size_t i = 0; i < json.size();) {
    if (json[i] != '\\') {
      size_t length = Utf8Length(json, i);
      if (length == 0) replace(i, 1);
      i += length == 0 ? 1 : length;
      continue;
    }
    int unit = At(json, i + 1) == 'u' ? Hex4(json, i + 2) : -1;
    if (unit < 0xD800 || unit > 0xDFFF) {
      // Only the two characters: what follows a backslash may itself be bad.
      i += i + 1 < json.size() && static_cast<unsigned char>(json[i + 1]) < 0x80 ? 2 : 1;
      continue;
    }
    int low = At(json, i + 6) == '\\' && At(json, i + 7) == 'u' ? Hex4(json, i + 8) : -1;
    bool pair = unit < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF;
    if (!pair) replace(i, 6);
    i += pair ? 12 : 6;
  }
  if (from == 0) return std::nullopt;
  out.append(json, from, json.size() - from);
  return out;
}

}  // namespace kubelet::api
