#include "kubelet/os/watchdog.h"

#include <charconv>
#include <cstring>

namespace kubelet::os {
namespace {

constexpr base::Nanos kLeast = std::chrono::seconds(1);

std::optional<int64_t> Positive(const char* text) {
  int64_t value = 0;
  const char* last = text + std::strlen(text);
  auto [end, error] = std::from_chars(text, last, value);
  if (error != std::errc() || end != last || value <= 0) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<std::optional<base::Nanos>> WatchdogTimeout(const char* usec, const char* pid,
                                                           int64_t self) {
  std::optional<base::Nanos> none;
  if (usec == nullptr || *usec == '\0') return none;
  auto micros = Positive(usec);
  // Far more than any watchdog, and safe from overflow.
  if (!micros || *micros > int64_t{1} << 50)
    return absl::InvalidArgumentError(std::string("WATCHDOG_USEC: is `") + usec +
                                      "`, must be a positive number of microseconds");
  if (pid != nullptr && *pid != '\0') {
    auto whom = Positive(pid);
    if (!whom) {
      return absl::InvalidArgumentError(std::string("WATCHDOG_PID: is `") + pid +
                                        "`, must be a process id");
    }
    if (*whom != self) return none;
  }
  base::Nanos timeout = std::chrono::microseconds(*micros);
  if (timeout <= kLeast) {
    return absl::InvalidArgumentError("WATCHDOG_USEC: watchdog timeout " +
                                      base::GoDuration(timeout) +
                                      " is too small, must be more than 1s (WatchdogSec=)");
  }
  return std::optional<base::Nanos>(timeout);
}

Watchdog::Watchdog(base::Clock& clock, base::Nanos timeout, std::function<void()> alive)
    : clock_(clock), period_(timeout / 2), alive_(std::move(alive)) {
  timer_ = clock_.After(base::Nanos(0), [this] { Tick(); });
}

Watchdog::~Watchdog() { clock_.Cancel(timer_); }

void Watchdog::Tick() {
  alive_();
  timer_ = clock_.After(period_, [this] { Tick(); });
}

}  // namespace kubelet::os
