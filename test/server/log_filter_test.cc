#include "server/log_filter.h"

#include "catch.h"

namespace kubelet::server {
namespace {

constexpr char kLog[] =
    "2020-01-01T00:00:01Z stdout F one\n"
    "2020-01-01T00:00:02Z stderr F two\n"
    "2020-01-01T00:00:03Z stdout P three \n"
    "2020-01-01T00:00:04Z stdout F and more\n"
    "garbage\n"
    "2020-01-01T00:00:05Z stdout F five\n";

std::string Run(const LogQuery& query, const std::string& log, size_t step = 1 << 20) {
  LogFilter filter(query);
  std::string out;
  for (size_t at = 0; at < log.size() && !filter.done(); at += step) {
    auto status = filter.Feed(std::string_view(log).substr(at, step), out);
    INFO(status);
    REQUIRE(status.ok());
  }
  auto status = filter.Flush(out);
  REQUIRE(status.ok());
  return out;
}

TEST_CASE("the text of a log, in whatever pieces it is read") {
  size_t step = GENERATE(size_t{1}, size_t{2}, size_t{7}, size_t{33}, size_t{1000});
  CHECK(Run({}, kLog, step) == "one\ntwo\nthree and more\nfive\n");
}

TEST_CASE("timestamps stand at the start of lines, not of parts") {
  LogQuery query;
  query.timestamps = true;
  CHECK(Run(query, kLog) ==
        "2020-01-01T00:00:01.000000000Z one\n2020-01-01T00:00:02.000000000Z two\n"
        "2020-01-01T00:00:03.000000000Z three and more\n2020-01-01T00:00:05.000000000Z five\n");
}

TEST_CASE("entries before a time are left out, those at it are not") {
  LogQuery query;
  query.since = api::ParseRfc3339("2020-01-01T01:00:04+01:00").value();
  CHECK(Run(query, kLog) == "and more\nfive\n");
}

TEST_CASE("one stream") {
  LogQuery query;
  query.out = false;
  CHECK(Run(query, kLog) == "two\n");
  query.out = true;
  query.err = false;
  CHECK(Run(query, kLog) == "one\nthree and more\nfive\n");
}

TEST_CASE("a limit of bytes cuts inside a line, and counts what is shown only") {
  LogQuery query;
  query.limit_bytes = GENERATE(int64_t{1}, int64_t{4}, int64_t{5}, int64_t{14}, int64_t{1000});
  std::string all = "one\ntwo\nthree and more\nfive\n";
  CHECK(Run(query, kLog) == all.substr(0, static_cast<size_t>(*query.limit_bytes)));
  query.out = false;
  query.limit_bytes = 2;
  CHECK(Run(query, kLog) == "tw");
}

TEST_CASE("a tail ends after its lines, a followed one does not") {
  LogQuery query;
  query.tail_lines = 2;
  CHECK(Run(query, kLog) == "one\ntwo\n");
  query.follow = true;
  CHECK(Run(query, kLog) == "one\ntwo\nthree and more\nfive\n");
  query.tail_lines = 0;
  query.follow = false;
  CHECK(Run(query, kLog).empty());
}

TEST_CASE("the last line may lack its end") {
  CHECK(Run({}, "2020-01-01T00:00:01Z stdout F one\n2020-01-01T00:00:01Z stdout F tw") ==
        "one\ntw");
}

TEST_CASE("a file that is no log is an error; a bad line in one is passed over") {
  LogFilter filter({});
  std::string out;
  CHECK(filter.Feed("no log\n", out).code() == absl::StatusCode::kInvalidArgument);
  CHECK(Run({}, std::string(kLog) + "\n\x01\x02\n") == "one\ntwo\nthree and more\nfive\n");
}

TEST_CASE("a line without end takes no more memory than its limit, and the next is read") {
  LogFilter filter({});
  std::string out;
  REQUIRE(filter.Feed("2020-01-01T00:00:01Z stdout F one\n", out).ok());
  std::string block(100'000, 'x');
  for (int i = 0; i < 50; ++i) REQUIRE(filter.Feed(block, out).ok());
  REQUIRE(filter.Feed("\n2020-01-01T00:00:01Z stdout F two\n", out).ok());
  CHECK(out == "one\ntwo\n");
}

TEST_CASE("half a line at the end of a file is not joined to the next file") {
  LogFilter filter({});
  std::string out;
  REQUIRE(filter.Feed("2020-01-01T00:00:01Z stdout F one\n2020-01-01T00:0", out).ok());
  filter.NextFile();
  REQUIRE(filter.Feed("2020-01-01T00:00:01Z stdout F two\n", out).ok());
  CHECK(out == "one\ntwo\n");
}

}  // namespace
}  // namespace kubelet::server
