#include "source/go_quantity.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace kubelet::source {
namespace {

constexpr int32_t kNanoScale = 9;
constexpr int32_t kMilliScale = 3;
constexpr int32_t kMaxExponent = 1000;
constexpr int32_t kInt64Digits = 18;
constexpr char kDecimalSi[] = "DecimalSI";
constexpr char kBinarySi[] = "BinarySI";
constexpr char kDecimalExponent[] = "DecimalExponent";

using Wide = unsigned __int128;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

GoDecimal Decimal(uint64_t value, int32_t scale) {
  GoDecimal d;
  if (value != 0) d.words.push_back(value);
  d.scale = scale;
  return d;
}

// The remainder.
uint64_t Divide(std::vector<uint64_t>& words, uint64_t by) {
  Wide rest = 0;
  for (auto it = words.rbegin(); it != words.rend(); ++it) {
    rest = (rest << 64) | *it;
    *it = static_cast<uint64_t>(rest / by);
    rest %= by;
  }
  while (!words.empty() && words.back() == 0) words.pop_back();
  return static_cast<uint64_t>(rest);
}

}  // namespace

void GoDecimal::Multiply(uint64_t by) {
  Wide carry = 0;
  for (uint64_t& word : words) {
    carry += static_cast<Wide>(word) * by;
    word = static_cast<uint64_t>(carry);
    carry >>= 64;
  }
  if (carry != 0) words.push_back(static_cast<uint64_t>(carry));
}

void GoDecimal::Add(uint64_t value) {
  for (size_t i = 0; value != 0; ++i) {
    if (i == words.size()) words.push_back(0);
    words[i] += value;
    value = words[i] < value ? 1 : 0;
  }
}

void GoDecimal::Add(const GoDecimal& other) {
  GoDecimal right = other;
  Rescale(std::max(scale, other.scale));
  right.Rescale(scale);
  words.resize(std::max(words.size(), right.words.size()));
  Wide carry = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    carry += static_cast<Wide>(words[i]) + (i < right.words.size() ? right.words[i] : 0);
    words[i] = static_cast<uint64_t>(carry);
    carry >>= 64;
  }
  if (carry != 0) words.push_back(static_cast<uint64_t>(carry));
}

void GoDecimal::Rescale(int32_t to) {
  bool inexact = false;
  for (; scale < to; ++scale) Multiply(10);
  for (; scale > to; --scale) inexact |= Divide(words, 10) != 0;
  if (inexact) Add(1);
}

int GoDecimal::Compare(const GoDecimal& other) const {
  GoDecimal a = *this, b = other;
  a.Rescale(std::max(scale, other.scale));
  b.Rescale(a.scale);
  if (a.words.size() != b.words.size()) return a.words.size() < b.words.size() ? -1 : 1;
  for (size_t i = a.words.size(); i-- > 0;) {
    if (a.words[i] != b.words[i]) return a.words[i] < b.words[i] ? -1 : 1;
  }
  return 0;
}

struct GoQuantity::Number {
  std::string whole, fraction;  // digits; the whole without leading zeros, "0" when nothing is left
  int32_t exponent = 0;         // of two for BinarySI, else of ten
  const char* format = kDecimalSi;
};

bool GoQuantity::ReadSuffix(std::string_view suffix, Number& number) {
  if (suffix.empty()) return true;
  constexpr std::string_view kDecimals = "num kMGTPE", kBinaries = "KMGTPE";
  if (suffix.size() == 1) {
    size_t at = kDecimals.find(suffix[0]);
    number.exponent = static_cast<int32_t>(at) * 3 - 9;
    return at != std::string_view::npos && suffix[0] != ' ';
  }
  if (suffix.size() == 2 && suffix[1] == 'i') {
    size_t at = kBinaries.find(suffix[0]);
    number.exponent = static_cast<int32_t>(at + 1) * 10;
    number.format = kBinarySi;
    return at != std::string_view::npos;
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return false;
  suffix.remove_prefix(suffix[1] == '+' ? 2 : 1);
  number.format = kDecimalExponent;
  auto [end, error] =
      std::from_chars(suffix.data(), suffix.data() + suffix.size(), number.exponent);
  return error == std::errc() && end == suffix.data() + suffix.size() &&
         number.exponent <= kMaxExponent && number.exponent >= -kMaxExponent;
}

std::optional<GoQuantity::Number> GoQuantity::Split(std::string_view text) {
  Number number;
  size_t i = text[0] == '+' ? 1 : 0;
  bool digits = false;
  for (; i < text.size() && IsDigit(text[i]); ++i) {
    digits = true;
    if (text[i] != '0' || !number.whole.empty()) number.whole += text[i];
  }
  bool all = i == text.size();
  if (number.whole.empty()) number.whole = "0";
  if (!all && text[i] == '.') {
    digits = true;
    for (++i; i < text.size() && IsDigit(text[i]); ++i) number.fraction += text[i];
  }
  if (!digits || number.whole.size() + number.fraction.size() > kMaxExponent) return std::nullopt;
  if (!ReadSuffix(text.substr(i), number)) return std::nullopt;
  return number;
}

// What Go keeps as an int64 with a power of ten: up to 18 digits, and binary suffixes without a
// fraction. The text is remembered when it looks canonical.
bool GoQuantity::FastPath(std::string_view text, const Number& number) {
  bool binary = number.format == kBinarySi;
  auto length = static_cast<int32_t>(number.whole.size() + number.fraction.size());
  int32_t spare = kInt64Digits - length;
  if (binary) {
    if (!number.fraction.empty()) return false;
    spare = 15 - length - number.exponent * 3 / 10 - 1;
  }
  int32_t scale = (binary ? 0 : number.exponent) - static_cast<int32_t>(number.fraction.size());
  if (spare < 0 || scale < -kNanoScale) return false;
  std::string digits = number.whole + number.fraction;
  int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  int64_t shift = binary ? int64_t{1} << number.exponent : 1;
  if (__builtin_mul_overflow(value, shift, &value_)) return false;
  scale_ = scale;
  format_ = number.format;
  bool canonical =
      binary ? (value & 7) != 0 : scale % 3 == 0 && !digits.ends_with("000") && digits[0] != '0';
  if (canonical) text_ = text;
  return true;
}

void GoQuantity::SlowPath(const Number& number) {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  value_ = 0;
  format_ = number.format;
  GoDecimal d;
  for (char c : number.whole + number.fraction) {
    d.Multiply(10);
    d.Add(static_cast<uint64_t>(c - '0'));
  }
  d.scale = static_cast<int32_t>(number.fraction.size());
  if (number.format == kBinarySi) {
    d.Multiply(uint64_t{1} << number.exponent);
  } else {
    d.scale -= number.exponent;
  }
  if (!d.words.empty()) d.Rescale(kNanoScale);
  if (number.format == kBinarySi && d.Compare(Decimal(kMax, 0)) > 0) d = Decimal(kMax, 0);
  if (number.format == kBinarySi && !d.words.empty() && d.Compare(Decimal(1, 0)) < 0)
    format_ = kDecimalSi;
  decimal_ = std::move(d);
}

std::optional<GoQuantity> GoQuantity::Parse(std::string_view text) {
  GoQuantity q;
  if (text == "null") return q;
  if (text.empty()) return std::nullopt;
  if (text == "0") {
    q.format_ = kDecimalSi;
    q.text_ = text;
    return q;
  }
  auto number = Split(text);
  if (!number) return std::nullopt;
  if (!q.FastPath(text, *number)) q.SlowPath(*number);
  return q;
}

void GoQuantity::RoundUpToMilli() {
  if (decimal_) {
    text_.clear();
    decimal_->Rescale(kMilliScale);
    return;
  }
  if (scale_ >= -kMilliScale) return;
  text_.clear();
  GoDecimal rounded = Decimal(static_cast<uint64_t>(value_), -scale_);
  rounded.Rescale(kMilliScale);
  value_ = rounded.words.empty() ? 0 : static_cast<int64_t>(rounded.words[0]);
  scale_ = -kMilliScale;
}

void GoQuantity::ToDecimal() {
  if (decimal_) return;
  decimal_ = Decimal(static_cast<uint64_t>(value_), -scale_);
  value_ = 0;
  scale_ = 0;
}

void GoQuantity::Add(const GoQuantity& other) {
  text_.clear();
  bool zero = decimal_ ? decimal_->words.empty() : value_ == 0;
  if (zero) format_ = other.format_;
  if (!decimal_ && !other.decimal_) {
    if (other.value_ == 0) return;
    if (value_ == 0) {
      value_ = other.value_;
      scale_ = other.scale_;
      return;
    }
    int64_t left = value_, right = other.value_, sum = 0;
    bool fits = true;
    for (int32_t s = scale_; s > other.scale_ && fits; --s)
      fits = !__builtin_mul_overflow(left, 10, &left);
    for (int32_t s = other.scale_; s > scale_ && fits; --s)
      fits = !__builtin_mul_overflow(right, 10, &right);
    if (fits && !__builtin_add_overflow(left, right, &sum)) {
      value_ = sum;
      scale_ = std::min(scale_, other.scale_);
      return;
    }
  }
  GoQuantity right = other;
  right.ToDecimal();
  ToDecimal();
  decimal_->Add(*right.decimal_);
}

int GoQuantity::Compare(const GoQuantity& other) {
  GoQuantity left = *this, right = other;
  left.ToDecimal();
  right.ToDecimal();
  if (decimal_ || other.decimal_) ToDecimal();
  return left.decimal_->Compare(*right.decimal_);
}

std::string GoQuantity::Dump() const {
  std::string out = "{i:(resource.int64Amount){value:(int64)" + std::to_string(value_) +
                    " scale:(resource.Scale)" + std::to_string(scale_) +
                    "} d:(resource.infDecAmount){Dec:(*inf.Dec)";
  if (decimal_) {
    out += "{unscaled:(big.Int){neg:(bool)false abs:(big.nat)";
    for (size_t i = 0; i < decimal_->words.size(); ++i)
      out += (i == 0 ? "[" : " ") + std::to_string(decimal_->words[i]);
    out += decimal_->words.empty() ? "<nil>" : "]";
    out += "} scale:(inf.Scale)" + std::to_string(decimal_->scale) + "}";
  } else {
    out += "<nil>";
  }
  return out + "} s:(string)" + text_ + " Format:(resource.Format)" + format_ + "}";
}

}  // namespace kubelet::source
