#include "api/yaml_resolve.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "api/json_text.h"
#include "api/yaml_forms.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

using Kind = YamlValue::Kind;
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

YamlValue StringValue(std::string text) {
  YamlValue value;
  value.kind = Kind::kString;
  value.text = std::move(text);
  return value;
}

YamlValue FloatValue(double number) {
  YamlValue value;
  value.kind = Kind::kFloat;
  value.number = number;
  return value;
}

// `word`, `Word` or `WORD`.
bool IsWord(std::string_view text, std::string_view word) {
  if (text.size() != word.size()) return false;
  auto equal = [&](size_t from, bool upper) {
    for (size_t i = from; i < word.size(); ++i) {
      if (text[i] != (upper ? toupper(word[i]) : word[i])) return false;
    }
    return true;
  };
  bool capital = text[0] == toupper(word[0]);
  return equal(0, false) || (capital && (equal(1, false) || equal(1, true)));
}

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view w) { return IsWord(text, w); });
}

std::optional<YamlValue> SpecialWord(std::string_view text) {
  YamlValue value;
  if (text.empty() || text == "~" || IsWord(text, "null")) return value;
  bool yes = IsOneOf(text, {"y", "yes", "true", "on"});
  if (yes || IsOneOf(text, {"n", "no", "false", "off"})) {
    value.kind = Kind::kBool;
    value.boolean = yes;
    return value;
  }
  // NaN is the one word whose middle spelling has two capitals.
  if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    return FloatValue(std::numeric_limits<double>::quiet_NaN());
  }
  bool sign = text[0] == '-' || text[0] == '+';
  std::string_view rest = text.substr(sign ? 1 : 0);
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF") {
    double infinity = std::numeric_limits<double>::infinity();
    return FloatValue(text[0] == '-' ? -infinity : infinity);
  }
  return std::nullopt;
}

// Digits in `base` over the whole text, or nothing when they do not fit.
std::optional<uint64_t> ParseDigits(std::string_view digits, int base) {
  uint64_t value = 0;
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<YamlValue> SignedValue(uint64_t magnitude, bool negative) {
  YamlValue value;
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  if (magnitude < kLimit || (negative && magnitude == kLimit)) {
    value.kind = Kind::kInt;
    value.integer = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
    return value;
  }
  if (negative) return std::nullopt;
  value.kind = Kind::kUint;
  value.natural = magnitude;
  return value;
}

// Go's strconv.ParseInt with base 0, and ParseUint for what is above int64 (that one takes no
// sign).
std::optional<YamlValue> ParseInteger(std::string_view text) {
  bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  bool negative = sign && text[0] == '-';
  std::string_view digits = text.substr(sign ? 1 : 0);
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    char mark = static_cast<char>(digits[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    digits.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  }
  std::optional<uint64_t> magnitude = ParseDigits(digits, base);
  if (!magnitude) {
    // go-yaml reads its own 0b form once more, and there a sign may stand behind the prefix.
    if (text.size() < 3 || text.substr(0, 2) != "0b" || (text[2] != '+' && text[2] != '-'))
      return std::nullopt;
    magnitude = ParseDigits(text.substr(3), 2);
    if (!magnitude) return std::nullopt;
    std::optional<YamlValue> value = SignedValue(*magnitude, text[2] == '-');
    return value && value->kind == Kind::kInt ? value : std::nullopt;
  }
  std::optional<YamlValue> value = SignedValue(*magnitude, negative);
  if (value && value->kind == Kind::kUint && sign) return std::nullopt;
  return value;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool IsFloatText(std::string_view text) {
  size_t i = 0;
  auto digits = [&] {
    size_t from = i;
    while (i < text.size() && IsDigit(text[i])) ++i;
    return i - from;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  size_t whole = digits();
  size_t fraction = 0;
  if (i < text.size() && text[i] == '.') {
    ++i;
    fraction = digits();
  }
  if (whole + fraction == 0) return false;
  if (i < text.size() && (text[i] | 0x20) == 'e') {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

// Nothing when it is no float or out of range: go-yaml then leaves the text a string.
std::optional<YamlValue> ParseFloat(std::string_view text) {
  if (!IsFloatText(text)) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) {
    // from_chars says the same for too large and too small; Go reads the latter as zero.
    number = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(number)) return std::nullopt;
  } else if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return FloatValue(number);
}

// strconv.ParseFloat allows an underscore between two digits.
bool UnderscoresSeparateDigits(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') continue;
    if (i == 0 || i + 1 == text.size() || !IsDigit(text[i - 1]) || !IsDigit(text[i + 1]))
      return false;
  }
  return true;
}

YamlValue ResolvePlain(const std::string& text) {
  if (std::optional<YamlValue> word = SpecialWord(text)) return *std::move(word);
  char first = text[0];
  if (first != '.' && first != '+' && first != '-' && !IsDigit(first)) return StringValue(text);
  std::string digits = text;
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  std::optional<YamlValue> value;
  if (first == '.') {
    if (UnderscoresSeparateDigits(text)) value = ParseFloat(digits);
  } else {
    value = ParseInteger(digits);
    if (!value) value = ParseFloat(digits);
  }
  return value ? *std::move(value) : StringValue(text);
}

const char* KindName(Kind kind) {
  constexpr const char* kNames[] = {"!!null", "!!bool", "!!int", "!!int", "!!float", "!!str"};
  return kNames[static_cast<int>(kind)];
}

absl::StatusOr<YamlValue> ResolveTagged(std::string_view type, const std::string& text) {
  if (type == "timestamp" && IsYamlTimestamp(text)) return StringValue(text);
  YamlValue value = ResolvePlain(text);
  bool fits = KindName(value.kind) == "!!" + std::string(type);
  if (type == "float" && value.kind == Kind::kInt)
    return FloatValue(static_cast<double>(value.integer));
  if (fits) return value;
  return absl::InvalidArgumentError(std::string("cannot decode ") + KindName(value.kind) + " `" +
                                    text + "` as a !!" + std::string(type));
}

// Shortest digits of a finite number.
struct Decimal {
  bool negative = false;
  std::string digits;  // without the point, at least one
  int exponent = 0;    // of the first digit
};

template <typename Float>
Decimal ShortestDecimal(Float number) {
  std::array<char, 40> buffer;
  auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                              std::chars_format::scientific);
  std::string_view text(buffer.data(), result.ptr - buffer.data());
  Decimal decimal;
  size_t e = text.find('e');
  for (char c : text.substr(0, e)) {
    if (IsDigit(c)) decimal.digits += c;
  }
  decimal.negative = text[0] == '-';
  decimal.exponent = std::stoi(std::string(text.substr(e + 1)));
  return decimal;
}

std::string FixedNotation(const Decimal& decimal) {
  std::string out = decimal.digits;
  int point = decimal.exponent + 1;
  if (point <= 0) {
    out = "0." + std::string(-point, '0') + out;
  } else if (point >= static_cast<int>(out.size())) {
    out.append(point - out.size(), '0');
  } else {
    out.insert(point, ".");
  }
  return (decimal.negative ? "-" : "") + out;
}

std::string ScientificNotation(const Decimal& decimal) {
  std::string out = decimal.digits;
  if (out.size() > 1) out.insert(1, ".");
  std::string exponent = std::to_string(std::abs(decimal.exponent));
  if (exponent.size() < 2) exponent.insert(0, "0");
  return (decimal.negative ? "-" : "") + out + "e" + (decimal.exponent < 0 ? "-" : "+") + exponent;
}

// strconv.FormatFloat with %g and the shortest digits, and YAML's words.
template <typename Float>
std::string FloatText(Float number) {
  if (std::isnan(number)) return ".nan";
  if (std::isinf(number)) return number < 0 ? "-.inf" : ".inf";
  Decimal decimal = ShortestDecimal(number);
  if (number == 0 || (decimal.exponent >= -4 && decimal.exponent < 6))
    return FixedNotation(decimal);
  return ScientificNotation(decimal);
}

}  // namespace

absl::StatusOr<YamlValue> ResolveYamlScalar(std::string_view tag, bool plain,
                                            const std::string& text) {
  if (tag.empty()) return plain ? ResolvePlain(text) : StringValue(text);
  if (tag.substr(0, kTagPrefix.size()) != kTagPrefix) return StringValue(text);
  std::string_view type = tag.substr(kTagPrefix.size());
  if (type == "binary") {
    std::optional<std::string> bytes = DecodeBase64(text);
    if (!bytes) return absl::InvalidArgumentError("!!binary value contains invalid base64 data");
    return StringValue(*std::move(bytes));
  }
  for (std::string_view known : {"bool", "int", "float", "null", "timestamp"}) {
    if (type == known) return ResolveTagged(type, text);
  }
  return StringValue(text);
}

std::string YamlFloat(double number) { return FloatText(number); }

bool ReadsAsString(const std::string& text) {
  return ResolvePlain(text).kind == Kind::kString && !IsYamlTimestamp(text);
}

absl::StatusOr<std::string> YamlKey(const YamlValue& value) {
  switch (value.kind) {
    case Kind::kNull:
      return absl::InvalidArgumentError("unsupported map key: null");
    case Kind::kBool:
      return std::string(value.boolean ? "true" : "false");
    case Kind::kInt:
      return std::to_string(value.integer);
    case Kind::kUint:
      return absl::InvalidArgumentError("unsupported map key: " + std::to_string(value.natural));
    case Kind::kFloat:
      // As in sigs.k8s.io/yaml: with the digits of a 32-bit float.
      return FloatText(static_cast<float>(value.number));
    case Kind::kString:
      break;
  }
  return value.text;
}

absl::Status AppendJson(std::string& out, const YamlValue& value) {
  switch (value.kind) {
    case Kind::kNull:
      out += "null";
      break;
    case Kind::kBool:
      out += value.boolean ? "true" : "false";
      break;
    case Kind::kInt:
      out += std::to_string(value.integer);
      break;
    case Kind::kUint:
      out += std::to_string(value.natural);
      break;
    case Kind::kFloat:
      if (!std::isfinite(value.number))
        return absl::InvalidArgumentError("JSON has no infinity and no NaN");
      AppendJsonDouble(value.number, out);
      break;
    case Kind::kString:
      AppendJsonString(value.text, out);
      break;
  }
  return absl::OkStatus();
}

}  // namespace kubelet::api
