// YAML for people: the form, and that it reads back.
#include "api/yaml_emit.h"

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "api/yaml_quote.h"
#include "api/yaml_text.h"
#include "catch.h"
#include "golden.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"

namespace kubelet::api {
namespace {

struct Case {
  std::string json;
  std::string yaml;
};

TEST_CASE("JSON becomes block style YAML", "[yaml]") {
  const std::vector<Case> cases = {
      {R"({"b":1,"a":{"d":[],"c":{}}})", "a:\n  c: {}\n  d: []\nb: 1\n"},
      {R"({"a":[1,{"x":1,"z":[2,[3,4]]},[],null,true]})",
       "a:\n- 1\n- x: 1\n  z:\n  - 2\n  - - 3\n    - 4\n- []\n- null\n- true\n"},
      {R"([[{"a":[{"b":"c"}]}]])", "- - a:\n    - b: c\n"},
      {R"({"s":"line\nmore\n","t":"no end\nx","u":" lead\nx","v":"keep\n\n"})",
       "s: |\n  line\n  more\nt: |-\n  no end\n  x\nu: |2-\n   lead\n  x\nv: |+\n  keep\n\n"},
      {R"({"a":["x\ny\n"]})", "a:\n- |\n  x\n  y\n"},
      {R"({"k10":1,"k9":2,"K":3,"_":4})", "_: 4\nK: 3\nk9: 2\nk10: 1\n"},
      {R"({"1":"x","true":"y","a b":"z","":1})", "\"\": 1\n\"1\": x\na b: z\n\"true\": \"y\"\n"},
      {R"("x")", "x\n"},
      {"null", "null\n"},
      {"{}", "{}\n"},
      {"[]", "[]\n"},
      {"[-0]", "- 0\n"},
      {R"([1e3,1.5,1e21,12345678901234567890,-0.000001])",
       "- 1000\n- 1.5\n- 1e+21\n- 12345678901234567890\n- -1e-06\n"},
  };
  for (const Case& c : cases) {
    INFO(c.json);
    auto yaml = JsonToYaml(c.json);
    REQUIRE(yaml.ok());
    CHECK(*yaml == c.yaml);
  }
  CHECK_FALSE(JsonToYaml("{").ok());
  CHECK_FALSE(JsonToYaml("").ok());
}

TEST_CASE("strings are quoted only when they would be something else", "[yaml]") {
  const std::vector<Case> cases = {
      {"plain", "plain"},
      {"a:b", "a:b"},
      {"a: b", "'a: b'"},
      {"a:", "'a:'"},
      {"a #b", "'a #b'"},
      {"a#b", "a#b"},
      {"", "\"\""},
      {" x", "' x'"},
      {"x ", "'x '"},
      {"-", "'-'"},
      {"- x", "'- x'"},
      {"-x", "-x"},
      {"?x", "?x"},
      {"*", "'*'"},
      {"&a", "'&a'"},
      {"!a", "'!a'"},
      {"@a", "'@a'"},
      {"%a", "'%a'"},
      {"{a", "'{a'"},
      {"[a", "'[a'"},
      {"'a", "'''a'"},
      {"it's", "it's"},
      {"\"a", "'\"a'"},
      {"yes", "\"yes\""},
      {"y", "\"y\""},
      {"null", "\"null\""},
      {"~", "\"~\""},
      {"1", "\"1\""},
      {"1.5", "\"1.5\""},
      {"0x1", "\"0x1\""},
      {"08", "\"08\""},
      {"1_0", "\"1_0\""},
      {"100m", "100m"},
      {"1e3", "\"1e3\""},
      {"2001-01-01", "\"2001-01-01\""},
      {"2008-01-01T01:01:01Z", "\"2008-01-01T01:01:01Z\""},
      {"12:30", "\"12:30\""},
      {"12:70", "12:70"},
      {"---", "'---'"},
      {"...x", "'...x'"},
      {"a\tb", "\"a\\tb\""},
      {"\xc3\xa9", "\xc3\xa9"},
      {"\x01", "\"\\x01\""},
      {"\x7f", "\"\\x7F\""},
      {"\xe2\x80\xa8", "\"\\u2028\""},
      {"\xf0\x9f\x98\x80", "\"\\U0001F600\""},
      {"a\\b", "a\\b"},
      {"<<", "\"<<\""},
      {"<<x", "<<x"},
      {"=", "="},
  };
  for (const Case& c : cases) {
    INFO(c.json);
    CHECK(YamlInlineString(c.json) == c.yaml);
  }
}

// As JSON that YAML reads alike: \u for all but the characters that would take two of them.
std::string Escaped(const std::string& text) {
  std::string out = "\"";
  for (size_t pos = 0; pos < text.size();) {
    Utf8Character c = DecodeUtf8(text, pos);
    char buffer[8];
    std::snprintf(buffer, sizeof buffer, "\\u%04x", c.value & 0xffff);
    out += c.value <= 0xffff ? buffer : text.substr(pos, c.length);
    pos += c.length;
  }
  return out + "\"";
}

TEST_CASE("what is written reads back as the same string", "[yaml]") {
  std::mt19937 random(20240501);
  const std::vector<std::string> pieces = {"a",
                                           "b1",
                                           " ",
                                           "\n",
                                           "\t",
                                           ":",
                                           "-",
                                           "?",
                                           "#",
                                           "'",
                                           "\"",
                                           "\\",
                                           "|",
                                           ">",
                                           "[",
                                           "]",
                                           "{",
                                           "}",
                                           ",",
                                           "&",
                                           "*",
                                           "!",
                                           "%",
                                           "@",
                                           "`",
                                           "~",
                                           "0",
                                           ".",
                                           "_",
                                           "yes",
                                           "\xc3\xa9",
                                           "\xe2\x80\xa8",
                                           "\xf0\x9f\x98\x80",
                                           "\x01",
                                           "\xc2\x85",
                                           "\xef\xbb\xbf",
                                           "---",
                                           "...",
                                           "<<",
                                           "="};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (unsigned n = random() % 7; n > 0; --n) text += pieces[random() % pieces.size()];
    std::string json =
        "{" + Escaped(text) + ":[" + Escaped(text) + ",{\"k\":" + Escaped(text) + "}]}";
    auto yaml = JsonToYaml(json);
    REQUIRE(yaml.ok());
    auto back = YamlToJson(*yaml);
    INFO(json);
    INFO(*yaml);
    REQUIRE(back.ok());
    // The JSON text is its own normal form: written and read again it must not change.
    auto expected = YamlToJson(json);
    REQUIRE(expected.ok());
    CHECK(*back == *expected);
  }
}

TEST_CASE("golden objects have upstream's YAML", "[yaml]") {
  std::vector<std::filesystem::path> files = test::GoldenFiles(".yaml");
  if (files.empty()) WARN("SKIPPED: no golden objects");
  for (const std::filesystem::path& file : files) {
    INFO(file);
    std::filesystem::path json = file;
    json.replace_extension(".json");
    std::string upstream = test::ReadFile(file);
    auto yaml = JsonToYaml(test::ReadFile(json));
    REQUIRE(yaml.ok());
    CHECK(*yaml == upstream);
    auto back = YamlToJson(upstream);
    REQUIRE(back.ok());
    auto again = JsonToYaml(*back);
    REQUIRE(again.ok());
    CHECK(*again == upstream);
  }
}

TEST_CASE("a pod goes through YAML", "[yaml]") {
  const std::string yaml =
      "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    \"on\": \"1\"\n  name: web\n"
      "spec:\n  containers:\n  - args:\n    - |\n      line\n    image: nginx:1\n    name: c\n"
      "    resources: {}\n";
  core::Pod pod;
  REQUIRE(DecodeYaml(yaml, pod).ok());
  CHECK(pod.metadata().name() == "web");
  CHECK(pod.metadata().labels().at("on") == "1");
  CHECK(pod.spec().containers(0).args(0) == "line\n");
  core::Pod again;
  REQUIRE(DecodeYaml(EncodeYaml(pod), again).ok());
  CHECK(EncodeJson(again) == EncodeJson(pod));
  // As upstream: a label that reads as a boolean is no string.
  CHECK_FALSE(DecodeYaml("metadata:\n  labels:\n    a: yes\n", pod).ok());
  CHECK_FALSE(DecodeYaml("metadata: [", pod).ok());
}

TEST_CASE("long keys read back", "[yaml]") {
  for (size_t size : {100, 128, 129, 400, 2000}) {
    std::string json = "{\"a\":{\"" + std::string(size, 'k') + "\":{\"x\":[1]}}}";
    auto yaml = JsonToYaml(json);
    REQUIRE(yaml.ok());
    auto back = YamlToJson(*yaml);
    INFO(*yaml);
    REQUIRE(back.ok());
    CHECK(*back == json);
  }
}

}  // namespace
}  // namespace kubelet::api
