#include "runtime/env_file.h"

#include "catch.h"

namespace kubelet::runtime {
namespace {

constexpr char kError[] = "error";

std::string Value(const std::string& text, const std::string& key = "K") {
  auto value = ParseEnvFile(text, key);
  return value.ok() ? *value : kError;
}

TEST_CASE("values stand in single quotes, as they are") {
  struct Row {
    const char *text, *value;
  };
  auto row =
      GENERATE(Row{"K='v'", "v"}, Row{"K='v'\n", "v"}, Row{"  \tK='v'", "v"},
               Row{"K='a b $(X) \\n \"q\"'", "a b $(X) \\n \"q\""},
               Row{"K='one\n two \n\nthree'", "one\n two \n\nthree"}, Row{"K='v' # said", "v"},
               Row{"K='v'#said", "v"}, Row{"\n \t \n# K='no'\nA='x'\nK='v'\nK='later'", "v"},
               Row{"K=''", ""}, Row{"", ""}, Row{"A='x'", ""}, Row{"K='a\r\nb'\r\n", "a\nb"},
               Row{"export K='v'", ""},
               // As a shell has it, a value after a blank is a command of its own.
               Row{"K= 'v'", ""}, Row{"A= nonsense\nK='v'", "v"}, Row{"K=\t", ""},
               // What comes after the key is not looked at.
               Row{"K='v'\n???", "v"});
  INFO(row.text);
  CHECK(Value(row.text) == row.value);
}

TEST_CASE("what is not in this form spoils the file up to there") {
  auto text =
      GENERATE("K=v", "K=\"v\"", "K", "='v'", "K ='v'", "K\t='v'", "A=x\nK='v'", "word\nK='v'",
               "K='v", "K='v\n\n", "K='v'w", "K='v' 'w'", "A='x\nK='v'", "K=", "K=''x''");
  INFO(text);
  CHECK(Value(text) == kError);
}

TEST_CASE("the message names the line") {
  CHECK(
      std::string(ParseEnvFile("\n# x\nA='1'\nB=2", "K").status().message()).rfind("line 4: ", 0) ==
      0);
  CHECK(std::string(ParseEnvFile("A='1\n2\n", "K").status().message()).rfind("line 1: ", 0) == 0);
}

TEST_CASE("a line holds less than 64 KiB") {
  std::string most(64 * 1024 - 1 - 4, 'x');
  CHECK(Value("K='" + most + "'") == most);
  CHECK(Value("K='x" + most + "'") == kError);
}

}  // namespace
}  // namespace kubelet::runtime
