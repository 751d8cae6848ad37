#include "kubelet/api/quantity.h"

#include <algorithm>
#include <limits>

namespace kubelet::api {
namespace {

using Wide = __int128;
using UWide = unsigned __int128;

constexpr int64_t kNano = 1'000'000'000;
constexpr int kDecimalDigits = 38;  // what an unsigned 128-bit number holds
// Half of the largest sum must fit.
constexpr Wide kMaxNanos = static_cast<Wide>(8'000'000'000'000'000'000) * 10'000'000'000 * kNano;
constexpr Wide kMaxBinaryNanos = static_cast<Wide>(std::numeric_limits<int64_t>::max()) * kNano;

Wide Clamp(Wide value) { return std::clamp(value, -kMaxNanos, kMaxNanos); }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string Decimal(Wide value) {
  UWide u = value < 0 ? -static_cast<UWide>(value) : static_cast<UWide>(value);
  std::string text;
  do {
    text.push_back(static_cast<char>('0' + static_cast<int>(u % 10)));
    u /= 10;
  } while (u != 0);
  if (value < 0) text.push_back('-');
  std::reverse(text.begin(), text.end());
  return text;
}

// Quotient rounded away from zero.
Wide DivideUp(Wide value, Wide by) {
  Wide quotient = value / by;
  if (value % by != 0) quotient += value < 0 ? -1 : 1;
  return quotient;
}

int64_t ClampInt64(Wide value) {
  constexpr Wide kMin = std::numeric_limits<int64_t>::min();
  constexpr Wide kMax = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::clamp(value, kMin, kMax));
}

// whole.fraction * 10^exponent in nano units, rounded up, at most kMaxNanos.
Wide DecimalNanos(std::string_view whole, std::string_view fraction, int64_t exponent) {
  UWide mantissa = 0;
  int digits = 0;
  bool sticky = false;
  int64_t scale = exponent + 9 - static_cast<int64_t>(fraction.size());
  auto take = [&](char c) {
    if (digits < kDecimalDigits) {
      mantissa = mantissa * 10 + static_cast<unsigned>(c - '0');
      if (mantissa != 0) ++digits;
    } else {
      sticky |= c != '0';
      ++scale;
    }
  };
  for (char c : whole) take(c);
  for (char c : fraction) take(c);
  if (mantissa == 0) return 0;
  for (; scale > 0; --scale) {
    if (mantissa > static_cast<UWide>(kMaxNanos) / 10) return kMaxNanos;
    mantissa *= 10;
  }
  for (; scale < 0 && mantissa != 0; ++scale) {
    sticky |= mantissa % 10 != 0;
    mantissa /= 10;
  }
  if (sticky) ++mantissa;
  return mantissa > static_cast<UWide>(kMaxNanos) ? kMaxNanos : static_cast<Wide>(mantissa);
}

// whole.fraction * 2^shift in nano units, rounded up, at most kMaxBinaryNanos. The fraction is
// taken as two numbers of 18 digits, so that every product fits; digits after those only round.
Wide BinaryNanos(std::string_view whole, std::string_view fraction, int shift) {
  constexpr UWide kE9 = 1'000'000'000;
  constexpr UWide kE18 = kE9 * kE9;
  constexpr UWide kE27 = kE18 * kE9;
  constexpr size_t kLimb = 18;
  UWide units = 0;
  for (char c : whole) {
    units = units * 10 + static_cast<unsigned>(c - '0');
    if ((units << shift) > static_cast<UWide>(std::numeric_limits<int64_t>::max()))
      return kMaxBinaryNanos;
  }
  UWide limbs[2] = {0, 0};
  for (size_t i = 0; i < 2 * kLimb; ++i) {
    unsigned digit = i < fraction.size() ? static_cast<unsigned>(fraction[i] - '0') : 0;
    limbs[i / kLimb] = limbs[i / kLimb] * 10 + digit;
  }
  bool sticky = fraction.size() > 2 * kLimb &&
                fraction.find_first_not_of('0', 2 * kLimb) != std::string_view::npos;
  UWide high = limbs[0] << shift;
  UWide low = (high % kE9) * kE18 + (limbs[1] << shift);
  UWide nanos = (units << shift) * kE9 + high / kE9 + low / kE27;
  if (low % kE27 != 0 || sticky) ++nanos;
  return nanos > static_cast<UWide>(kMaxBinaryNanos) ? kMaxBinaryNanos : static_cast<Wide>(nanos);
}

absl::Status BadQuantity(std::string_view text, const char* what) {
  return absl::InvalidArgumentError("quantity \"" + std::string(text) + "\": " + what);
}

}  // namespace

struct Quantity::Suffix {
  Format format = Format::kDecimalSI;
  int64_t exponent = 0;  // of ten, or of two for kBinarySI
};

Quantity Quantity::FromInt(int64_t value) {
  Quantity q;
  q.nanos_ = static_cast<Wide>(value) * kNano;
  return q;
}

Quantity Quantity::FromMilli(int64_t value) {
  Quantity q;
  q.nanos_ = static_cast<Wide>(value) * (kNano / 1000);
  return q;
}

Quantity Quantity::FromBytes(int64_t value) {
  Quantity q = FromInt(value);
  q.format_ = Format::kBinarySI;
  return q;
}

bool Quantity::ParseSuffix(std::string_view text, Suffix& out) {
  if (text.empty()) return true;
  constexpr std::string_view kDecimals = "num kMGTPE";
  if (text.size() == 1) {
    size_t at = text[0] == ' ' ? std::string_view::npos : kDecimals.find(text[0]);
    if (at == std::string_view::npos) return false;
    out.exponent = (static_cast<int64_t>(at) - 3) * 3;
    return true;
  }
  if (text.size() == 2 && text[1] == 'i') {
    size_t at = std::string_view("KMGTPE").find(text[0]);
    if (at == std::string_view::npos) return false;
    out = {Format::kBinarySI, 10 * (static_cast<int64_t>(at) + 1)};
    return true;
  }
  if (text[0] != 'e' && text[0] != 'E') return false;
  size_t i = 1;
  bool negative = text[i] == '-';
  if (text[i] == '-' || text[i] == '+') ++i;
  if (i == text.size()) return false;
  int64_t exponent = 0;
  for (; i < text.size(); ++i) {
    if (!IsDigit(text[i])) return false;
    exponent = exponent * 10 + (text[i] - '0');
    if (exponent > std::numeric_limits<int32_t>::max()) return false;
  }
  out = {Format::kDecimalExponent, negative ? -exponent : exponent};
  return true;
}

absl::StatusOr<Quantity> Quantity::Parse(std::string_view text) {
  size_t i = 0;
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) ++i;
  size_t whole_at = i;
  while (i < text.size() && IsDigit(text[i])) ++i;
  std::string_view whole = text.substr(whole_at, i - whole_at);
  std::string_view fraction;
  bool point = i < text.size() && text[i] == '.';
  if (point) {
    size_t fraction_at = ++i;
    while (i < text.size() && IsDigit(text[i])) ++i;
    fraction = text.substr(fraction_at, i - fraction_at);
  }
  // A point alone is zero upstream.
  if (whole.empty() && !point) return BadQuantity(text, "must start with a number");
  Suffix suffix;
  if (!ParseSuffix(text.substr(i), suffix)) {
    return BadQuantity(
        text, "unknown suffix; use one of n u m k M G T P E Ki Mi Gi Ti Pi Ei or an exponent");
  }
  Quantity q;
  q.format_ = suffix.format;
  if (suffix.format == Format::kBinarySI) {
    q.nanos_ = BinaryNanos(whole, fraction, static_cast<int>(suffix.exponent));
    if (q.nanos_ > 0 && q.nanos_ < kNano) q.format_ = Format::kDecimalSI;
  } else {
    q.nanos_ = DecimalNanos(whole, fraction, suffix.exponent);
  }
  if (negative) q.nanos_ = -q.nanos_;
  return q;
}

Quantity Quantity::From(const resource::Quantity& message) {
  absl::StatusOr<Quantity> parsed = Parse(message.string());
  return parsed.ok() ? *parsed : Quantity();
}

std::string Quantity::ToString() const {
  if (nanos_ == 0) return "0";
  Wide size = nanos_ < 0 ? -nanos_ : nanos_;
  if (format_ == Format::kBinarySI && size % kNano == 0 && size / kNano >= 1024) {
    Wide value = nanos_ / kNano;
    int power = 0;
    for (; power < 6 && value % 1024 == 0; ++power) value /= 1024;
    std::string text = Decimal(value);
    if (power > 0) text += std::string(1, "KMGTPE"[power - 1]) + "i";
    return text;
  }
  Wide value = nanos_;
  int step = 0;  // thousands above nano
  bool exponential = format_ == Format::kDecimalExponent;
  while ((step < 9 || exponential) && value % 1000 == 0) {
    value /= 1000;
    ++step;
  }
  std::string text = Decimal(value);
  if (step == 3) return text;
  if (exponential) return text + "e" + std::to_string(3 * step - 9);
  return text + "num kMGTPE"[step];
}

resource::Quantity Quantity::ToMessage() const {
  resource::Quantity message;
  message.set_string(ToString());
  return message;
}

int64_t Quantity::Value() const { return ClampInt64(DivideUp(nanos_, kNano)); }

int64_t Quantity::MilliValue() const { return ClampInt64(DivideUp(nanos_, kNano / 1000)); }

double Quantity::AsDouble() const {
  return static_cast<double>(static_cast<long double>(nanos_) / kNano);
}

int Quantity::Sign() const { return nanos_ == 0 ? 0 : nanos_ < 0 ? -1 : 1; }

Quantity Quantity::Plus(__int128 nanos, const Quantity& other) const {
  Quantity sum;
  sum.nanos_ = Clamp(nanos_ + nanos);
  sum.format_ = nanos_ == 0 ? other.format_ : format_;
  return sum;
}

Quantity Quantity::operator+(const Quantity& other) const { return Plus(other.nanos_, other); }

Quantity Quantity::operator-(const Quantity& other) const { return Plus(-other.nanos_, other); }

bool IsPlainlyCanonicalQuantity(std::string_view text) {
  if (text == "0") return true;
  if (text.empty() || text[0] < '1' || text[0] > '9') return false;
  size_t digits = 0;
  uint64_t value = 0;
  for (; digits < text.size() && IsDigit(text[digits]); ++digits) {
    if (digits == 15) return false;
    value = value * 10 + static_cast<uint64_t>(text[digits] - '0');
  }
  std::string_view suffix = text.substr(digits);
  if (suffix.empty() || suffix == "m" || suffix == "k" || suffix == "M" || suffix == "G")
    return value % 1000 != 0;
  if (suffix == "Ki" || suffix == "Mi") return value % 1024 != 0 && digits <= 12;
  return suffix == "Gi" && value % 1024 != 0 && digits <= 9;
}

absl::StatusOr<std::string> CanonicalQuantity(std::string_view text) {
  if (IsPlainlyCanonicalQuantity(text)) return std::string(text);
  absl::StatusOr<Quantity> parsed = Quantity::Parse(text);
  if (!parsed.ok()) return parsed.status();
  return parsed->ToString();
}

}  // namespace kubelet::api
