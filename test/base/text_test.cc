#include "catch.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/metrics.h"
#include "kubelet/base/time.h"

namespace kubelet::base {
namespace {

using namespace std::chrono_literals;

TEST_CASE("durations print as Go prints them") {
  CHECK(GoDuration(0s) == "0s");
  CHECK(GoDuration(1h) == "1h0m0s");
  CHECK(GoDuration(90s) == "1m30s");
  CHECK(GoDuration(1500ms) == "1.5s");
  CHECK(GoDuration(100ms) == "100ms");
  CHECK(GoDuration(1500ns) == "1.5µs");
  CHECK(GoDuration(7ns) == "7ns");
  CHECK(GoDuration(-90s) == "-1m30s");
}

TEST_CASE("times print as RFC 3339 in UTC") {
  auto t = WallFromUnixNanos(1'700'000'000'000'000'042);
  CHECK(Rfc3339(t) == "2023-11-14T22:13:20Z");
  CHECK(Rfc3339Nano(t) == "2023-11-14T22:13:20.000000042Z");
}

// Published vectors of the FNV authors for "" and "a".
TEST_CASE("FNV-1a of the published vectors") {
  CHECK(Fnv1a32("") == 0x811c9dc5u);
  CHECK(Fnv1a32("a") == 0xe40c292cu);
  CHECK(Fnv1a64("a") == 0xaf63dc4c8601ec8cull);
  CHECK(Fnv1a128Hex("") == "6c62272e07bb014262b821756295c58d");
  CHECK(Fnv1a128Hex("a") == "d228cb696f1a8caf78912b704e4a8964");
  CHECK(Hex(0) == "0");
  CHECK(Hex(0x8e45cbd0) == "8e45cbd0");
}

TEST_CASE("SHA-256 of texts around a block's length") {
  CHECK(Sha256Hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256Hex(std::string(55, 'x')) == "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  CHECK(Sha256Hex(std::string(56, 'x')) == "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  CHECK(Sha256Hex(std::string(64, 'x')) == "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
  CHECK(Sha256Hex(std::string(1000, 'x')) == "44f8354494a5ba03ba1792a8d3e9c534c47a9181980fde7a3f44b06ef2ae7c7f");
}

TEST_CASE("metrics render in the Prometheus text form") {
  Registry registry;
  auto& runs = registry.AddCounter("runs_total", "Runs.", {"kind"});
  runs.With({"a\"b"}).Add(2);
  auto& seconds = registry.AddHistogram("took_seconds", "Took.", {0.1, 1});
  seconds.Only().Observe(0.1);
  seconds.Only().Observe(3);
  CHECK(registry.Render() ==
        "# HELP runs_total Runs.\n# TYPE runs_total counter\nruns_total{kind=\"a\\\"b\"} 2\n"
        "# HELP took_seconds Took.\n# TYPE took_seconds histogram\n"
        "took_seconds_bucket{le=\"0.1\"} 1\ntook_seconds_bucket{le=\"1\"} 1\n"
        "took_seconds_bucket{le=\"+Inf\"} 2\ntook_seconds_sum 3.1\ntook_seconds_count 2\n");
  runs.Remove({"a\"b"});
  CHECK(registry.Render().find("runs_total") == std::string::npos);
}

}  // namespace
}  // namespace kubelet::base
