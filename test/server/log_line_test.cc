#include "server/log_line.h"

#include "catch.h"
#include "server/docker_json.h"

namespace kubelet::server {
namespace {

TEST_CASE("entries of a log in both forms") {
  struct Row {
    LogFormat format;
    const char *line, *stamp;
    bool out;
    const char* text;
  };
  constexpr auto kCri = LogFormat::kCri;
  constexpr auto kDocker = LogFormat::kDockerJson;
  auto row = GENERATE(
      Row{kCri, "2016-10-06T00:17:09.669794202Z stdout F a b\n", "2016-10-06T00:17:09.669794202Z",
          true, "a b\n"},
      Row{kCri, "2016-10-06T00:17:09.6Z stderr F a\n", "2016-10-06T00:17:09.600000000Z", false,
          "a\n"},
      Row{kCri, "2016-10-06T00:17:09Z stdout F \n", "2016-10-06T00:17:09.000000000Z", true, "\n"},
      Row{kCri, "2016-10-06T00:17:09.5+02:00 stdout F a\n", "2016-10-06T00:17:09.500000000+02:00",
          true, "a\n"},
      Row{kCri, "2016-10-06T00:17:09.5+00:00 stdout F a\n", "2016-10-06T00:17:09.500000000Z", true,
          "a\n"},
      // A partial entry has no newline of its own; further tags are for later versions.
      Row{kCri, "2016-10-06T00:17:09Z stdout P part\n", "2016-10-06T00:17:09.000000000Z", true,
          "part"},
      Row{kCri, "2016-10-06T00:17:09Z stdout P:X:Y part\n", "2016-10-06T00:17:09.000000000Z", true,
          "part"},
      Row{kCri, "2016-10-06T00:17:09Z stdout F:P full\n", "2016-10-06T00:17:09.000000000Z", true,
          "full\n"},
      Row{kCri, "2016-10-06T00:17:09Z stdout F no end", "2016-10-06T00:17:09.000000000Z", true,
          "no end"},
      Row{kCri, "2016-10-06T00:17:09Z stdout P ", "2016-10-06T00:17:09.000000000Z", true, ""},
      Row{kDocker, R"({"log":"a\n","stream":"stdout","time":"2016-10-20T18:39:20.57606443Z"})",
          "2016-10-20T18:39:20.576064430Z", true, "a\n"},
      Row{kDocker,
          R"( { "time" : "2016-10-20T18:39:20Z", "stream":"stderr", "x":[1,{"log":"n"}], "log":"\"\\\u00e9" } )",
          "2016-10-20T18:39:20.000000000Z", false, "\"\\\xc3\xa9"});
  INFO(row.line);
  LogLine line;
  REQUIRE(ParseLogLine(row.format, row.line, true, line));
  CHECK(line.stamp == row.stamp);
  CHECK(line.out == row.out);
  CHECK(line.text == row.text);
  CHECK(DetectLogFormat(row.line) == row.format);
}

TEST_CASE("what is no entry") {
  auto line = GENERATE(
      "", "\n", "hello\n", "2016-10-06T00:17:09Z\n", "2016-10-06T00:17:09Z stdout\n",
      "2016-10-06T00:17:09Z stdout F\n", "2016-10-06T00:17:09Z stdin F a\n",
      "2016-10-06 00:17:09Z stdout F a\n", "2016-13-06T00:17:09Z stdout F a\n", " stdout F a\n",
      "{}", "{\"log\":\"a\"}", "{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"yesterday\"}",
      "{\"log\":1,\"stream\":\"stdout\",\"time\":\"2016-10-20T18:39:20Z\"}");
  INFO(line);
  CHECK(DetectLogFormat(line) == LogFormat::kUnknown);
}

TEST_CASE("strings of Docker's JSON") {
  struct Row {
    const char* json;
    const char* log;  // null: no JSON
  };
  auto row = GENERATE(
      Row{R"({"log":"\b\f\n\r\t\/"})", "\b\f\n\r\t/"},
      Row{R"({"log":"\ud83d\ude00"})", "\xf0\x9f\x98\x80"},
      Row{R"({"log":"\ud83d"})", "\xef\xbf\xbd"}, Row{R"({"log":"\ud83dx"})", "\xef\xbf\xbdx"},
      Row{R"({"log":"\ud83d\u0041"})",
          "\xef\xbf\xbd"
          "A"},
      Row{R"({"log":"\ude00"})", "\xef\xbf\xbd"}, Row{R"({"log":"a","log":"b"})", "b"},
      Row{R"({"log":"a","log":null})", "a"}, Row{"{}", ""},
      Row{R"({"a":-1.5e+3,"b":true,"c":[],"d":{},"log":"x"})", "x"},
      Row{R"({"log":"a\q"})", nullptr}, Row{R"({"log":"a)", nullptr},
      Row{R"({"log":"\u12"})", nullptr}, Row{R"({"log":"a"}})", nullptr},
      Row{R"({"log":"a",})", nullptr}, Row{"{\"log\":\"a\nb\"}", nullptr}, Row{"[]", nullptr},
      Row{"", nullptr}, Row{R"({"a":[}})", nullptr}, Row{R"({"log" "a"})", nullptr});
  INFO(row.json);
  DockerEntry entry;
  bool good = ParseDockerJson(row.json, entry);
  REQUIRE(good == (row.log != nullptr));
  if (good) CHECK(entry.log == row.log);
}

TEST_CASE("nesting does not end the stack") {
  std::string deep = "{\"a\":" + std::string(100'000, '[');
  DockerEntry entry;
  CHECK_FALSE(ParseDockerJson(deep, entry));
}

}  // namespace
}  // namespace kubelet::server
