#include "kubelet/api/quantity.h"

#include <cstdint>
#include <limits>
#include <random>

#include "catch.h"

namespace kubelet::api {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

Quantity Q(const std::string& text) {
  absl::StatusOr<Quantity> parsed = Quantity::Parse(text);
  INFO(text);
  REQUIRE(parsed.ok());
  return *parsed;
}

TEST_CASE("quantities print in canonical form", "[quantity]") {
  struct Row {
    const char* in;
    const char* out;
  };
  const Row rows[] = {
      {"0", "0"},
      {"0Ki", "0"},
      {"-0", "0"},
      {"0.000", "0"},
      {"0e7", "0"},
      {".", "0"},
      {"0e2147483647", "0"},
      {"1", "1"},
      {"+5", "5"},
      {"-5", "-5"},
      {"007", "7"},
      {"1.", "1"},
      {".5", "500m"},
      {"1.G", "1G"},
      {"100m", "100m"},
      {"1000m", "1"},
      {"1500m", "1500m"},
      {"0.5", "500m"},
      {"1.5", "1500m"},
      {"0.001", "1m"},
      {"1000", "1k"},
      {"1500", "1500"},
      {"1.500k", "1500"},
      {"1000k", "1M"},
      {"1001k", "1001k"},
      {"0.0005k", "500m"},
      {"2000000", "2M"},
      {"1G", "1G"},
      {"5T", "5T"},
      {"2P", "2P"},
      {"12E", "12E"},
      {"5000E", "5000E"},
      {"E", nullptr},
      {"4u", "4u"},
      {"5n", "5n"},
      {"5000n", "5u"},
      // Binary: only whole values of at least 1024 keep the family.
      {"1Ki", "1Ki"},
      {"1024Ki", "1Mi"},
      {"1.5Gi", "1536Mi"},
      {"1025Ki", "1025Ki"},
      {"0.5Ki", "512"},
      {"0.5Mi", "512Ki"},
      {"100.035Ki", "102435840m"},
      {"-2Gi", "-2Gi"},
      {"-0.5Ki", "-512"},
      {"3Ei", "3Ei"},
      {"0.05Gi", "53687091200m"},
      // Exponents come out in threes.
      {"1e3", "1e3"},
      {"1E3", "1e3"},
      {"12e2", "1200"},
      {"1.2e3", "1200"},
      {"1e-3", "1e-3"},
      {"0.5e-1", "50e-3"},
      {"5e0", "5"},
      {"1.3E+6", "1300e3"},
      {"1e18", "1e18"},
      {"1e21", "1e21"},
      {"-1e3", "-1e3"},
      // Finer than nano rounds away from zero.
      {"3.001n", "4n"},
      {"0.9n", "1n"},
      {"-0.9n", "-1n"},
      {"0.0000000001", "1n"},
      {"1.1E-9", "2e-9"},
      {"1e-100", "1e-9"},
      {"0.00000012345", "124n"},
      {"-0.00000012345", "-124n"},
      {"0.000000000001Ki", "2n"},
      {"1.0000000001", "1000000001n"},
      {"1e-2147483647", "1e-9"},
      // Binary text is capped at the largest int64.
      {"9Ei", "9223372036854775807"},
      {"9223372036854775807Ki", "9223372036854775807"},
      {"99999999999999999999999999999999999999999999Ki", "9223372036854775807"},
      {"-9Ei", "-9223372036854775807"},
      {"7.9999999999999999999999Ei", "9223372036854775807"},
  };
  for (const Row& row : rows) {
    INFO(row.in);
    absl::StatusOr<Quantity> parsed = Quantity::Parse(row.in);
    REQUIRE(parsed.ok() == (row.out != nullptr));
    if (!parsed.ok()) continue;
    CHECK(parsed->ToString() == row.out);
    CHECK(Q(row.out) == *parsed);
    CHECK(*CanonicalQuantity(row.in) == row.out);
    CHECK(*CanonicalQuantity(row.out) == row.out);
  }
}

TEST_CASE("text outside the grammar is no quantity", "[quantity]") {
  for (const char* text : {"",
                           "+",
                           "-",
                           "abc",
                           "1.1.M",
                           "1+1.0M",
                           "0.1mi",
                           "0.1am",
                           ".5i",
                           "1i",
                           "-3.01i",
                           "-3.01e-",
                           " 1",
                           "1 ",
                           "1e",
                           "1e+",
                           "1K",
                           "1ki",
                           "1KiB",
                           "1e4294967297",
                           "1e2147483648",
                           "1e-2147483648",
                           "1e1.5",
                           "1m5",
                           "0x10",
                           "--1",
                           "1,5",
                           "Ki",
                           "m",
                           "1\n",
                           "1Zi",
                           "1e3Ki"}) {
    INFO(text);
    absl::StatusOr<Quantity> parsed = Quantity::Parse(text);
    CHECK(parsed.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(!CanonicalQuantity(text).ok());
  }
  CHECK(!Quantity::Parse(std::string_view("1\0", 2)).ok());
}

TEST_CASE("huge quantities are clamped, never wrapped", "[quantity]") {
  Quantity huge = Q("1e100");
  CHECK(Q("1e30") == huge);
  CHECK(Q("99999999999999999999999999999999999999999999999999") == huge);
  CHECK(huge.Value() == kMax);
  CHECK(Q("-1e100").Value() == kMin);
  CHECK((huge + huge) == huge);
  CHECK((Q("-1e100") - huge) == Q("-1e100"));
  CHECK(Q("12E").Value() == kMax);
  CHECK(Q("9223372036854775807").Value() == kMax);
  CHECK(Q("-9223372036854775808").Value() == kMin);
  CHECK(Q("9223372036854775807").MilliValue() == kMax);
  CHECK(Quantity::FromInt(kMin).Value() == kMin);
  CHECK(Quantity::FromMilli(kMax).MilliValue() == kMax);
  // The last digit of what int64 cannot hold is still exact.
  CHECK(Q("12345678901234567890").ToString() == "12345678901234567890");
  CHECK(Q("12345678901234567890.123456789").ToString() == "12345678901234567890123456789n");
}

TEST_CASE("whole and milli values round away from zero", "[quantity]") {
  CHECK(Q("1500m").Value() == 2);
  CHECK(Q("-1500m").Value() == -2);
  CHECK(Q("1n").Value() == 1);
  CHECK(Q("1n").MilliValue() == 1);
  CHECK(Q("100m").MilliValue() == 100);
  CHECK(Q("2").MilliValue() == 2000);
  CHECK(Q("1.5Gi").Value() == 1610612736);
  CHECK(Q("0.1").AsDouble() == 0.1);
  CHECK(Q("64Mi").AsDouble() == 67108864.0);
}

TEST_CASE("sums keep the family of the left side", "[quantity]") {
  CHECK((Q("1Gi") + Q("1k")).ToString() == "1073742824");
  CHECK((Q("1Gi") + Q("1Gi")).ToString() == "2Gi");
  CHECK((Quantity() + Q("1Gi")).ToString() == "1Gi");
  CHECK((Q("2") - Q("500m")).ToString() == "1500m");
  CHECK((Quantity() - Q("1Gi")).ToString() == "-1Gi");
  CHECK(Q("100m") < Q("1"));
  CHECK(Q("1000m") == Q("1"));
  CHECK(Q("1Gi").Sign() == 1);
  CHECK(Q("-1n").Sign() == -1);
  CHECK(Quantity().IsZero());
  CHECK(Quantity::FromBytes(1536).ToString() == "1536");
  CHECK(Quantity::FromBytes(1 << 20).ToString() == "1Mi");
  CHECK(Quantity::FromMilli(250).ToMessage().string() == "250m");
}

TEST_CASE("a message that is no quantity counts as zero", "[quantity]") {
  resource::Quantity message;
  CHECK(Quantity::From(message).IsZero());
  message.set_string("lots");
  CHECK(Quantity::From(message).IsZero());
  message.set_string("3");
  CHECK(Quantity::From(message).Value() == 3);
}

TEST_CASE("what looks canonical is what ToString prints", "[quantity]") {
  std::mt19937_64 random(7);
  const char* suffixes[] = {"",  "n",  "u",  "m",  "k",  "M",  "G",  "T",  "P",
                            "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "e4"};
  for (int i = 0; i < 20000; ++i) {
    uint64_t number = random() >> (random() % 64);
    if (random() % 4 == 0) number *= 1024;
    if (random() % 4 == 0) number *= 1000;
    std::string text = std::to_string(number) + suffixes[random() % std::size(suffixes)];
    INFO(text);
    Quantity value = Q(text);
    std::string canonical = value.ToString();
    REQUIRE(Q(canonical) == value);
    REQUIRE(Q(canonical).ToString() == canonical);
    if (IsPlainlyCanonicalQuantity(text)) REQUIRE(canonical == text);
  }
}

}  // namespace
}  // namespace kubelet::api
