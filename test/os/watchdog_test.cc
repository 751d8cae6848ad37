#include "kubelet/os/watchdog.h"

#include "catch.h"

namespace kubelet::os {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("a watchdog is ours when the variables say so") {
  auto timeout = WatchdogTimeout("30000000", "42", 42);
  REQUIRE(timeout.ok());
  REQUIRE(timeout->has_value());
  CHECK(**timeout == seconds(30));
  CHECK(**WatchdogTimeout("30000000", nullptr, 42) == seconds(30));
  CHECK(**WatchdogTimeout("1000001", "", 42) == std::chrono::microseconds(1000001));
  CHECK_FALSE(WatchdogTimeout(nullptr, nullptr, 42)->has_value());
  CHECK_FALSE(WatchdogTimeout("", "42", 42)->has_value());
  CHECK_FALSE(WatchdogTimeout("30000000", "41", 42)->has_value());
}

TEST_CASE("a watchdog that cannot be meant is an error") {
  for (const char* usec : {"0", "-1", "1e6", "30s", " 1", "1000000", "999999999999999999999"}) {
    INFO(usec);
    auto timeout = WatchdogTimeout(usec, nullptr, 42);
    REQUIRE_FALSE(timeout.ok());
    CHECK(timeout.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(timeout.status().message()).find("WATCHDOG_USEC") != std::string::npos);
  }
  CHECK_FALSE(WatchdogTimeout("30000000", "me", 42).ok());
}

TEST_CASE("the sign of life comes at once and every half timeout, from the loop's clock alone") {
  base::ManualClock clock;
  int signs = 0;
  {
    Watchdog watchdog(clock, seconds(30), [&] { ++signs; });
    CHECK(signs == 0);  // not from inside the constructor: the loop does not run yet
    clock.Advance(milliseconds(1));
    CHECK(signs == 1);
    clock.Advance(milliseconds(14998));
    CHECK(signs == 1);
    clock.Advance(milliseconds(1));
    CHECK(signs == 2);
    clock.Advance(seconds(60));
    CHECK(signs == 6);
  }
  clock.Advance(seconds(60));
  CHECK(signs == 6);
}

}  // namespace
}  // namespace kubelet::os
