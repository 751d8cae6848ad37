#include "kubelet/api/time.h"

#include <limits>
#include <random>

#include "catch.h"

namespace kubelet::api {
namespace {

TEST_CASE("RFC 3339 times are read with any offset", "[time]") {
  struct Row {
    const char* text;
    int64_t seconds;
    int32_t nanos;
  };
  const Row rows[] = {
      {"1970-01-01T00:00:00Z", 0, 0},
      {"2008-01-01T01:01:01Z", 1199149261, 0},
      {"2008-01-01T02:01:01+01:00", 1199149261, 0},
      {"2007-12-31T19:31:01-05:30", 1199149261, 0},
      {"2008-01-01T01:01:01.5Z", 1199149261, 500'000'000},
      {"2008-01-01T01:01:01,25Z", 1199149261, 250'000'000},
      {"2008-01-01T01:01:01.123456789Z", 1199149261, 123'456'789},
      {"2008-01-01T01:01:01.1234567899Z", 1199149261, 123'456'789},
      {"1969-12-31T23:59:59.25Z", -1, 250'000'000},
      {"2024-02-29T00:00:00Z", 1709164800, 0},
      {"0001-01-01T00:00:00Z", -62135596800, 0},
      {"9999-12-31T23:59:59Z", 253402300799, 0},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    absl::StatusOr<UnixTime> time = ParseRfc3339(row.text);
    REQUIRE(time.ok());
    CHECK(time->seconds == row.seconds);
    CHECK(time->nanos == row.nanos);
  }
}

TEST_CASE("what is not RFC 3339 is refused", "[time]") {
  for (const char* text : {"",
                           "null",
                           "2008-01-01",
                           "2008-01-01 01:01:01Z",
                           "2008-01-01t01:01:01Z",
                           "2008-01-01T01:01:01z",
                           "2008-01-01T01:01:01",
                           "2008-13-01T01:01:01Z",
                           "2008-00-01T01:01:01Z",
                           "2007-02-29T01:01:01Z",
                           "2008-01-32T01:01:01Z",
                           "2008-01-01T24:00:00Z",
                           "2008-01-01T01:60:01Z",
                           "2008-01-01T01:01:60Z",
                           "2008-01-01T1:01:01Z",
                           "08-01-01T01:01:01Z",
                           "2008-01-01T01:01:01.Z",
                           "2008-01-01T01:01:01+0100",
                           "2008-01-01T01:01:01+25:00",
                           "2008-01-01T01:01:01Zx",
                           " 2008-01-01T01:01:01Z",
                           "-008-01-01T01:01:01Z"}) {
    INFO(text);
    CHECK(ParseRfc3339(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("times print and read back", "[time]") {
  CHECK(FormatRfc3339({1199149261, 123'456'789}, 0) == "2008-01-01T01:01:01Z");
  CHECK(FormatRfc3339({1199149261, 123'456'789}, 6) == "2008-01-01T01:01:01.123456Z");
  CHECK(FormatRfc3339({-1, 5}, 9) == "1969-12-31T23:59:59.000000005Z");
  CHECK(FormatRfc3339({-62135596800, 0}, 0) == "0001-01-01T00:00:00Z");
  std::mt19937_64 random(11);
  std::uniform_int_distribution<int64_t> seconds(-62167219200, 253402300799);
  for (int i = 0; i < 5000; ++i) {
    UnixTime time{seconds(random), static_cast<int32_t>(random() % 1'000'000'000)};
    std::string text = FormatRfc3339(time, 9);
    INFO(text);
    absl::StatusOr<UnixTime> back = ParseRfc3339(text);
    REQUIRE(back.ok());
    REQUIRE(*back == time);
  }
}

TEST_CASE("Go durations are read", "[time]") {
  struct Row {
    const char* text;
    int64_t nanos;
  };
  const Row rows[] = {
      {"0", 0},
      {"+0", 0},
      {"-0", 0},
      {"0s", 0},
      {"5s", 5'000'000'000},
      {"1h30m", 5'400'000'000'000},
      {"1.5s", 1'500'000'000},
      {"-1.5s", -1'500'000'000},
      {"+5s", 5'000'000'000},
      {".5s", 500'000'000},
      {"5.s", 5'000'000'000},
      {"100ms", 100'000'000},
      {"3us", 3'000},
      {"3µs", 3'000},
      {"3μs", 3'000},
      {"7ns", 7},
      {"1.9ns", 1},
      {"1m0.000000001s", 60'000'000'001},
      {"39h9m14.425s", 140'954'425'000'000},
      {"1s1h", 3'601'000'000'000},
      {"0.3333333333333333333h", 1'200'000'000'000},
      {"0.100000000000000000000h", 360'000'000'000},
      {"2562047h47m16.854775807s", std::numeric_limits<int64_t>::max()},
      {"-2562047h47m16.854775808s", std::numeric_limits<int64_t>::min()},
      {"-9223372036854775808ns", std::numeric_limits<int64_t>::min()},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    absl::StatusOr<base::Nanos> duration = ParseGoDuration(row.text);
    REQUIRE(duration.ok());
    CHECK(duration->count() == row.nanos);
  }
}

TEST_CASE("what is no Go duration is refused", "[time]") {
  for (const char* text : {"",
                           "3",
                           "-",
                           "+",
                           "s",
                           ".",
                           "-.",
                           ".s",
                           "+.s",
                           "1d",
                           "1 s",
                           "1s ",
                           " 1s",
                           "1h-5m",
                           "1.2.3s",
                           "1S",
                           "5e3s",
                           "9223372036854775808ns",
                           "2562048h",
                           "-9223372036854775809ns",
                           "99999999999999999999s",
                           "1s5"}) {
    INFO(text);
    CHECK(ParseGoDuration(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("durations print as Go does and read back", "[time]") {
  std::mt19937_64 random(13);
  for (int i = 0; i < 5000; ++i) {
    // Go itself loses digits of fractions beyond 2^53; those of base::GoDuration have at most nine.
    base::Nanos duration(static_cast<int64_t>(random()) >> (random() % 64));
    std::string text = base::GoDuration(duration);
    INFO(text);
    absl::StatusOr<base::Nanos> back = ParseGoDuration(text);
    REQUIRE(back.ok());
    REQUIRE(*back == duration);
  }
}

TEST_CASE("messages and clocks agree", "[time]") {
  base::WallTime wall = base::WallFromUnixNanos(1'199'149'261'123'456'789);
  CHECK(ToTime(wall).seconds() == 1199149261);
  CHECK(ToTime(wall).nanos() == 0);
  CHECK(ToMicroTime(wall).nanos() == 123'456'000);
  CHECK(*ToWallTime(ToMicroTime(wall)) == base::WallFromUnixNanos(1'199'149'261'123'456'000));
  CHECK(!ToWallTime(meta::Time()).has_value());
  // The first second of 1970 is a time, not the absence of one.
  CHECK(ToWallTime(ToTime(base::WallTime())).has_value());
  CHECK(ToMicroTime(base::WallFromUnixNanos(-1)).seconds() == -1);
  CHECK(ToMicroTime(base::WallFromUnixNanos(-1)).nanos() == 999'999'000);
  meta::Time odd = ToTime(wall);
  odd.set_nanos(999);
  CHECK(*ToWallTime(odd) == base::WallFromUnixNanos(1'199'149'261'000'000'000));
  meta::Time far;
  far.set_seconds(253402300799);
  CHECK(*ToWallTime(far) == base::WallTime::max());
  CHECK(ToNanos(ToDuration(base::Nanos(42))) == base::Nanos(42));
}

}  // namespace
}  // namespace kubelet::api
