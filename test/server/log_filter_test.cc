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

// An entry that is too long to be held.
struct LongLine {
  std::string text = std::string(3 << 20, 'x') + "the end";
  std::string first = "2020-01-01T00:00:01Z stdout F one\n";
  std::string last = "2020-01-01T00:00:09Z stdout F two\n";
  std::string With(const std::string& head) const { return first + head + text + "\n" + last; }
};

TEST_CASE("a line of megabytes comes through, in whatever pieces it is read") {
  size_t step = GENERATE(size_t{1000}, size_t{65'536}, size_t{1 << 20}, size_t{1 << 30});
  LongLine line;
  LogQuery query;
  std::string log = line.With("2020-01-01T00:00:02Z stdout F ");
  CHECK(Run(query, log, step) == "one\n" + line.text + "\ntwo\n");
  query.timestamps = true;
  CHECK(Run(query, log, step) ==
        "2020-01-01T00:00:01.000000000Z one\n2020-01-01T00:00:02.000000000Z " + line.text +
            "\n2020-01-01T00:00:09.000000000Z two\n");
  std::string partial = line.With("2020-01-01T00:00:02Z stdout P ");
  CHECK(Run(query, partial, step) ==
        "2020-01-01T00:00:01.000000000Z one\n2020-01-01T00:00:02.000000000Z " + line.text +
            "two\n");
}

TEST_CASE("a line of megabytes obeys streams, times and limits") {
  LongLine line;
  std::string log = line.With("2020-01-01T00:00:02Z stderr F ");
  LogQuery query;
  SECTION("streams") {
    query.err = false;
    CHECK(Run(query, log, 65'536) == "one\ntwo\n");
  }
  SECTION("times") {
    query.since = api::ParseRfc3339("2020-01-01T00:00:03Z").value();
    CHECK(Run(query, log, 65'536) == "two\n");
  }
  SECTION("bytes") {
    query.limit_bytes = 2 << 20;
    CHECK(Run(query, log, 65'536) == ("one\n" + line.text).substr(0, 2 << 20));
  }
  SECTION("lines") {
    query.tail_lines = 2;
    CHECK(Run(query, log, 65'536) == "one\n" + line.text + "\n");
  }
  SECTION("an end that is missing") {
    CHECK(Run(query, log.substr(0, log.size() - line.last.size() - 1), 65'536) ==
          "one\n" + line.text);
  }
  SECTION("the first of the file") {
    CHECK(Run(query, log.substr(line.first.size()), 65'536) == line.text + "\ntwo\n");
  }
}

TEST_CASE("an entry of megabytes in Docker's form is told of, one in none is an error") {
  std::string small = R"({"log":"two\n","stream":"stdout","time":"2020-01-01T00:00:01Z"})"
                      "\n";
  std::string large = R"({"log":")" + std::string(2 << 20, 'x') + small.substr(8);
  CHECK(Run({}, large + small, 65'536) == LogFilter::kLeftOut + std::string("two\n"));
  CHECK(Run({}, small + large + small, 65'536) ==
        "two\n" + std::string(LogFilter::kLeftOut) + "two\n");
  LogFilter filter({});
  std::string out;
  CHECK(filter.Feed(std::string(2 << 20, 'x'), out).code() == absl::StatusCode::kInvalidArgument);
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
