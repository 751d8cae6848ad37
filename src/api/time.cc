#include "kubelet/api/time.h"

#include <algorithm>
#include <cstdio>
#include <limits>

namespace kubelet::api {
namespace {

constexpr int64_t kNano = 1'000'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes `count` digits off the front of `text`.
bool TakeNumber(std::string_view& text, size_t count, int& out) {
  if (text.size() < count) return false;
  out = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!IsDigit(text[i])) return false;
    out = out * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

// A fraction needs a digit; Go takes a comma for the point.
bool TakeFraction(std::string_view& text, int32_t& nanos) {
  nanos = 0;
  if (text.empty() || (text[0] != '.' && text[0] != ',')) return true;
  text.remove_prefix(1);
  if (text.empty() || !IsDigit(text[0])) return false;
  int32_t unit = kNano / 10;
  for (; !text.empty() && IsDigit(text[0]); text.remove_prefix(1), unit /= 10)
    nanos += (text[0] - '0') * unit;
  return true;
}

bool TakeOffset(std::string_view& text, int64_t& seconds) {
  seconds = 0;
  if (TakeChar(text, 'Z')) return true;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
  int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  int hours = 0;
  int minutes = 0;
  if (!TakeNumber(text, 2, hours) || !TakeChar(text, ':') || !TakeNumber(text, 2, minutes))
    return false;
  seconds = sign * (hours * 3600 + minutes * 60);
  return hours <= 24 && minutes <= 60;  // Go's bounds
}

bool ParseRfc3339(std::string_view text, UnixTime& out) {
  int year, month, day, hour, minute, second;
  if (!TakeNumber(text, 4, year) || !TakeChar(text, '-') || !TakeNumber(text, 2, month) ||
      !TakeChar(text, '-') || !TakeNumber(text, 2, day) || !TakeChar(text, 'T') ||
      !TakeNumber(text, 2, hour) || !TakeChar(text, ':') || !TakeNumber(text, 2, minute) ||
      !TakeChar(text, ':') || !TakeNumber(text, 2, second)) {
    return false;
  }
  int64_t offset = 0;
  if (!TakeFraction(text, out.nanos) || !TakeOffset(text, offset) || !text.empty()) return false;
  std::chrono::year_month_day date{std::chrono::year(year),
                                   std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return false;
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  out.seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset;
  return true;
}

// Nanoseconds in the unit that `text` starts with, and the unit's length; 0 when there is none.
int64_t DurationUnit(std::string_view text, size_t& length) {
  struct Unit {
    std::string_view name;
    int64_t nanos;
  };
  // Longer names first; the two micro signs are U+00B5 and U+03BC.
  static constexpr Unit kUnits[] = {
      {"ns", 1},         {"us", 1'000}, {"\xc2\xb5s", 1'000}, {"\xce\xbcs", 1'000},
      {"ms", 1'000'000}, {"s", kNano},  {"m", 60 * kNano},    {"h", 3600 * kNano},
  };
  length = 0;
  while (length < text.size() && text[length] != '.' && !IsDigit(text[length])) ++length;
  for (const Unit& unit : kUnits) {
    if (text.substr(0, length) == unit.name) return unit.nanos;
  }
  return 0;
}

constexpr uint64_t kMaxMagnitude = uint64_t{1} << 63;

// One `1.5h` off the front, added to `total`.
bool TakeDurationPart(std::string_view& text, uint64_t& total) {
  uint64_t whole = 0;
  size_t digits = 0;
  for (; !text.empty() && IsDigit(text[0]); text.remove_prefix(1), ++digits) {
    if (whole > (kMaxMagnitude - static_cast<uint64_t>(text[0] - '0')) / 10) return false;
    whole = whole * 10 + static_cast<uint64_t>(text[0] - '0');
  }
  uint64_t fraction = 0;
  double scale = 1;
  if (TakeChar(text, '.')) {
    for (; !text.empty() && IsDigit(text[0]); text.remove_prefix(1), ++digits) {
      if (fraction >= kMaxMagnitude / 10) continue;  // digits that cannot count
      fraction = fraction * 10 + static_cast<uint64_t>(text[0] - '0');
      scale *= 10;
    }
  }
  size_t length = 0;
  int64_t unit = DurationUnit(text, length);
  if (digits == 0 || unit == 0) return false;
  text.remove_prefix(length);
  if (whole > kMaxMagnitude / static_cast<uint64_t>(unit)) return false;
  whole *= static_cast<uint64_t>(unit);
  whole +=
      static_cast<uint64_t>(static_cast<double>(fraction) * (static_cast<double>(unit) / scale));
  if (whole > kMaxMagnitude || total > kMaxMagnitude - whole) return false;
  total += whole;
  return true;
}

base::WallTime Wall(int64_t seconds, int32_t nanos) {
  __int128 total = static_cast<__int128>(seconds) * kNano + nanos;
  constexpr __int128 kMin = std::numeric_limits<int64_t>::min();
  constexpr __int128 kMax = std::numeric_limits<int64_t>::max();
  return base::WallFromUnixNanos(static_cast<int64_t>(std::clamp(total, kMin, kMax)));
}

}  // namespace

absl::StatusOr<UnixTime> ParseRfc3339(std::string_view text) {
  UnixTime out;
  if (ParseRfc3339(text, out)) return out;
  return absl::InvalidArgumentError("\"" + std::string(text) + "\" is not an RFC 3339 time");
}

std::string FormatRfc3339(const UnixTime& time, int fraction_digits) {
  std::chrono::sys_seconds at{std::chrono::seconds(time.seconds)};
  auto days = std::chrono::floor<std::chrono::days>(at);
  std::chrono::year_month_day date(days);
  std::chrono::hh_mm_ss clock(at - days);
  char buffer[64];
  int n = std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d",
                        static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                        static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                        static_cast<int>(clock.minutes().count()),
                        static_cast<int>(clock.seconds().count()));
  std::string text(buffer, static_cast<size_t>(n));
  if (fraction_digits > 0) {
    std::snprintf(buffer, sizeof buffer, ".%09d", time.nanos);
    text.append(buffer, static_cast<size_t>(fraction_digits) + 1);
  }
  return text + "Z";
}

absl::StatusOr<base::Nanos> ParseGoDuration(std::string_view text) {
  absl::Status bad = absl::InvalidArgumentError("\"" + std::string(text) +
                                                "\" is not a duration such as 1h30m or 1.5s");
  std::string_view rest = text;
  bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  if (rest == "0") return base::Nanos(0);
  if (rest.empty()) return bad;
  uint64_t total = 0;
  while (!rest.empty()) {
    if (!TakeDurationPart(rest, total)) return bad;
  }
  if (total == kMaxMagnitude && !negative) return bad;
  return base::Nanos(static_cast<int64_t>(negative ? 0 - total : total));
}

std::optional<base::WallTime> ToWallTime(const meta::Time& time) {
  if (!time.has_seconds() && !time.has_nanos()) return std::nullopt;
  return Wall(time.seconds(), 0);
}

std::optional<base::WallTime> ToWallTime(const meta::MicroTime& time) {
  if (!time.has_seconds() && !time.has_nanos()) return std::nullopt;
  return Wall(time.seconds(), time.nanos());
}

meta::Time ToTime(base::WallTime time) {
  meta::Time message;
  message.set_seconds(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
  message.set_nanos(0);
  return message;
}

meta::MicroTime ToMicroTime(base::WallTime time) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  auto micros = std::chrono::floor<std::chrono::microseconds>(time - seconds);
  meta::MicroTime message;
  message.set_seconds(seconds.time_since_epoch().count());
  message.set_nanos(static_cast<int32_t>(micros.count() * 1000));
  return message;
}

meta::Duration ToDuration(base::Nanos duration) {
  meta::Duration message;
  message.set_duration(duration.count());
  return message;
}

}  // namespace kubelet::api
