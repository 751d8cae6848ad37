#include "kubelet/base/time.h"

#include <cstdio>
#include <ctime>

namespace kubelet::base {
namespace {

// `value` in units of `unit` nanoseconds with up to `digits` fraction digits, trailing zeros dropped.
std::string Fraction(uint64_t value, uint64_t unit, int digits) {
  std::string text = std::to_string(value / unit);
  uint64_t rest = value % unit;
  if (rest == 0) return text;
  std::string fraction = std::to_string(rest);
  fraction.insert(0, digits - fraction.size(), '0');
  while (fraction.back() == '0') fraction.pop_back();
  return text + "." + fraction;
}

std::string Calendar(WallTime t, bool nanos) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(t);
  std::time_t unix = seconds.time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&unix, &tm);
  char buffer[64];
  size_t n = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &tm);
  if (nanos) {
    n += std::snprintf(buffer + n, sizeof buffer - n, ".%09lld", static_cast<long long>((t - seconds).count()));
  }
  return std::string(buffer, n) + "Z";
}

}  // namespace

std::string GoDuration(Nanos d) {
  int64_t n = d.count();
  if (n == 0) return "0s";
  uint64_t u = n < 0 ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
  std::string sign = n < 0 ? "-" : "";
  if (u < 1'000) return sign + std::to_string(u) + "ns";
  if (u < 1'000'000) return sign + Fraction(u, 1'000, 3) + "µs";
  if (u < 1'000'000'000) return sign + Fraction(u, 1'000'000, 6) + "ms";
  uint64_t minutes = u / 60'000'000'000;
  std::string text = Fraction(u % 60'000'000'000, 1'000'000'000, 9) + "s";
  if (minutes > 0) text = std::to_string(minutes % 60) + "m" + text;
  if (minutes >= 60) text = std::to_string(minutes / 60) + "h" + text;
  return sign + text;
}

std::string Rfc3339(WallTime t) { return Calendar(t, false); }
std::string Rfc3339Nano(WallTime t) { return Calendar(t, true); }

}  // namespace kubelet::base
