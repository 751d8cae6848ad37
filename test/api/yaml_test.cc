// YAML documents: structure, anchors, merges, limits, and what is refused with which message.
#include <string>
#include <vector>

#include "api/yaml_text.h"
#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

struct YamlCase {
  std::string yaml;
  std::string expected;  // JSON, or the message
};

std::string Read(const std::string& yaml) {
  auto json = YamlToJson(yaml);
  return json.ok() ? *json : base::Message(json.status());
}

void CheckAll(const std::vector<YamlCase>& cases) {
  for (const YamlCase& c : cases) {
    INFO(c.yaml);
    CHECK(Read(c.yaml) == c.expected);
  }
}

std::string Repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST_CASE("collections keep their order and shape", "[yaml]") {
  CheckAll({
      {"b: 1\na:\n- x\n-\n- - p\n  - q\n", R"({"b":1,"a":["x",null,["p","q"]]})"},
      {"a:\n  - k: v\n    l:\n      m: [1, {r: o}, ]\n",
       R"({"a":[{"k":"v","l":{"m":[1,{"r":"o"}]}}]})"},
      {"{a: 1, b, \"c\": , 'd':e}", R"({"a":1,"b":null,"c":null,"d":"e"})"},
      {"[a: 1, b]", R"([{"a":1},"b"])"},
      {"? complex\n: - 1\n", R"({"complex":[1]})"},
      {"a: # comment\n  b # another\n#last", R"({"a":"b"})"},
      {"a: x#y\nb: 'p' #q", R"({"a":"x#y","b":"p"})"},
      {"url: http://h:80/p?q=[1]\n", R"({"url":"http://h:80/p?q=[1]"})"},
      {"plain\n  over\n\n  lines\n", R"("plain over\nlines")"},
      {"a: \"x\n  y \\\n  z\n\n  w\"\n", R"({"a":"x y z\nw"})"},
      {"a: 'it''s\n\n\n  so'\n", R"({"a":"it's\n\nso"})"},
      {"\"\\x41\\u00e9\\U0001F600\\t\\0\\e\\N\\_\"",
       "\"A\xc3\xa9\xf0\x9f\x98\x80\\t\\u0000\\u001b\xc2\x85\xc2\xa0\""},
  });
}

TEST_CASE("block scalars fold, strip and keep", "[yaml]") {
  CheckAll({
      {"a: |\n  x\n   y\n\n  z\n\nb: 1\n", R"({"a":"x\n y\n\nz\n","b":1})"},
      {"a: |-\n  x\n\n", R"({"a":"x"})"},
      {"a: |+\n  x\n\n\nb: 1\n", R"({"a":"x\n\n\n","b":1})"},
      {"a: >+\n  x\n\n\nb: 1\n", R"({"a":"x\n\n\n","b":1})"},
      {"a: >\n  x\n  y\n\n  z\n   more\n  end\n", R"({"a":"x y\nz\n more\nend\n"})"},
      {"a: |2\n   x\n  y\n", R"({"a":" x\ny\n"})"},
      {"a:\n- |1-\n  x\n", R"({"a":[" x"]})"},
      {"- |2\n   \n  x\n", R"([" \nx\n"])"},
      {"a: |\n  x", R"({"a":"x"})"},
      {"a: >\n  x\n  \n", R"({"a":"x\n"})"},
      {"a: |\nb: 1\n", R"({"a":"","b":1})"},
      {"a: |+\n\n\nb: 1\n", R"({"a":"\n\n","b":1})"},
      {"a: |\n  # no comment\n  \ttab\n  --- x\n", R"({"a":"# no comment\n\ttab\n--- x\n"})"},
      {"a: | # comment\n  x\n", R"({"a":"x\n"})"},
      {"a: |\n\tx\n", "yaml: line 2: found a tab character where an indentation space is expected"},
  });
}

TEST_CASE("JSON is YAML", "[yaml]") {
  CheckAll({
      {"{\n\t\"a\":\t[1,\n\t\t2 "
       "],\"b\":{\"c\":\"x\\/y\\u0041\"},\n\t\"d\":null,\"e\":true,\"f\":-1.5e3}\n",
       R"({"a":[1,2],"b":{"c":"x/yA"},"d":null,"e":true,"f":-1500})"},
      {"[]", "[]"},
      {"{}", "{}"},
      {"\"x\"", "\"x\""},
      {"{\"a\":\"b\\\"c\"}", R"({"a":"b\"c"})"},
      {"{\"a\":{\"b\":[[],{}]}}", R"({"a":{"b":[[],{}]}})"},
  });
}

TEST_CASE("only the first document counts", "[yaml]") {
  CheckAll({
      {"", "null"},
      {"\n# only this\n\n", "null"},
      {"---\n", "null"},
      {"---\n...\n", "null"},
      {"---\n---\na: 1\n", "null"},
      {"a: 1\n---\n[{\n", R"({"a":1})"},
      {"a: 1\n...\n\"open\n", R"({"a":1})"},
      {"--- x\n", R"("x")"},
      {"---\na: 1\n...", R"({"a":1})"},
      {"--- |\n x\n--- y", R"("x\n")"},
      {"%YAML 1.1\n# c\n---\na: 1\n", R"({"a":1})"},
      {"\xef\xbb\xbf"
       "a: 1\r\nb: 2\r\n",
       R"({"a":1,"b":2})"},
      {"a: 1\n... # fine\n", R"({"a":1})"},
      {"a: 1\n... junk\n", "yaml: line 2: did not find expected <document start> after `...`"},
      {"...\na: 1\n", "yaml: line 1: did not find expected node content"},
      {"{a: 1}}\n", "yaml: line 1: did not find expected node content"},
      {"{a: 1} b\n", "yaml: line 1: did not find expected <document start>"},
      {"'a' b\n", "yaml: line 1: did not find expected <document start>"},
      {"%YAML 1.2\n---\n", "yaml: line 1: found incompatible YAML document"},
      {"%YAML 1.1\n%YAML 1.1\n---\n", "yaml: line 2: found duplicate %YAML directive"},
      {"%FOO\n---\n", "yaml: line 1: found unknown directive name"},
      {"%TAG ! \n---\n", "yaml: line 1: bad %TAG directive"},
      {"%YAML 1.1\na: 1\n", "yaml: line 2: did not find expected <document start>"},
      {"%YAML 1.1\n", "yaml: line 2: did not find expected <document start>"},
  });
}

TEST_CASE("anchors, aliases and merges", "[yaml]") {
  CheckAll({
      {"a: &x [1]\nb: *x\nc: &x 2\nd: *x\n", R"({"a":[1],"b":[1],"c":2,"d":2})"},
      {"&k a: 1\nb: *k\n", R"({"a":1,"b":"a"})"},
      {"a: &k z\n*k : 1\n", R"({"a":"z","z":1})"},
      {"a: &m\n  &k x: 1\nb: *m\nc: *k\n", R"({"a":{"x":1},"b":{"x":1},"c":"x"})"},
      {"a: &x\nb: *x\n", R"({"a":null,"b":null})"},
      {"d: &d {p: 1, q: 2}\na:\n  <<: *d\n  q: 3\n", R"({"d":{"p":1,"q":2},"a":{"p":1,"q":3}})"},
      {"d: &d {p: 1, q: 2}\na:\n  q: 3\n  <<: *d\n", R"({"d":{"p":1,"q":2},"a":{"q":3,"p":1}})"},
      {"a:\n  <<: [{p: 1}, {p: 2, q: 2}]\n", R"({"a":{"p":1,"q":2}})"},
      {"a:\n  <<: {p: 1}\n  <<: {p: 2}\n", R"({"a":{"p":2}})"},
      {"d: &d {<<: {x: 1}, w: 2}\na: {<<: *d, !!merge <<: {z: 3}}\n",
       R"({"d":{"x":1,"w":2},"a":{"x":1,"w":2,"z":3}})"},
      {"a: {'<<': 1}\n", R"({"a":{"\u003c\u003c":1}})"},
      {"a:\n  <<: x\n", "yaml: line 2: map merge requires map or sequence of maps as the value"},
      {"a:\n  <<: [1]\n", "yaml: line 2: map merge requires map or sequence of maps as the value"},
      {"d: &d [{}]\na: {<<: *d}\n",
       "yaml: line 2: map merge requires map or sequence of maps as the value"},
      {"a: *x\n", "yaml: line 1: unknown anchor referenced"},
      {"a: &x [*x]\n", "yaml: line 1: anchor 'x' value contains itself"},
      {"a: &x\n  b:\n    <<: *x\n", "yaml: line 3: anchor 'x' value contains itself"},
      {"a: &x.y 1\n", "yaml: line 1: did not find expected alphabetic or numeric character"},
      {"a: &x &y 1\n", "yaml: line 1: cannot assign multiple anchors to the same node"},
  });
}

TEST_CASE("a duplicate key is named with its line", "[yaml]") {
  CheckAll({
      {"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "yaml: line 5: key \"c\" already set in map"},
      {"{a: 1, \"a\": 2}", "yaml: line 1: key \"a\" already set in map"},
      {"1: x\n'1': y\n", "yaml: line 2: key \"1\" already set in map"},
      {"yes: x\n\"true\": y\n", "yaml: line 2: key \"true\" already set in map"},
  });
}

TEST_CASE("what is half written or broken is refused", "[yaml]") {
  CheckAll({
      {"a: \"x\n", "yaml: line 1: found unexpected end of stream in a quoted scalar"},
      {"a: 'x\nb: 2\n", "yaml: line 1: found unexpected end of stream in a quoted scalar"},
      {"a: [1, 2\n", "yaml: line 2: did not find expected ',' or ']'"},
      {"a: {b: 1\n", "yaml: line 2: did not find expected ',' or '}'"},
      {"a: {b: [1\n", "yaml: line 2: did not find expected ',' or ']'"},
      {"a: 1\nimag", "yaml: line 2: could not find expected ':'"},
      {"a:\n  b: 1\n  imag\n", "yaml: line 3: could not find expected ':'"},
      {"a: 1\n\"b", "yaml: line 2: found unexpected end of stream in a quoted scalar"},
      {"?\na\n: b\n", "yaml: line 1: an explicit key must stand on the line of its '?'"},
      {"a:\n~", "yaml: line 2: could not find expected ':'"},
      {"{a :}", "yaml: line 1: found unexpected ':'"},
      {"a:\n&x\n  b: 1\n", "yaml: line 2: could not find expected ':'"},
      {"a:\n!!str\n", "yaml: line 2: could not find expected ':'"},
      {"a:\nb", "yaml: line 2: could not find expected ':'"},
      {"a:\n\"b\"", "yaml: line 2: could not find expected ':'"},
      {"a: {{ x }}\n", "yaml: line 1: invalid map key: a mapping cannot be a key"},
      {"a: b: c\n", "yaml: line 1: mapping values are not allowed in this context"},
      {"a: - b\n", "yaml: line 1: block sequence entries are not allowed in this context"},
      {"a:\n  - b\n c: d\n", "yaml: line 3: did not find expected key"},
      {"[1,,2]", "yaml: line 1: did not find expected node content"},
      {"[,]", "yaml: line 1: did not find expected node content"},
      {"{,}", "yaml: line 1: unsupported map key: null"},
      {"[a}", "yaml: line 1: did not find expected node content"},
      {"a: @b\n", "yaml: line 1: found character that cannot start any token"},
      {"a: `b`\n", "yaml: line 1: found character that cannot start any token"},
      {"a: %b\n", "yaml: line 1: found character that cannot start any token"},
      {"a: \"\\q\"\n", "yaml: line 1: unknown escape character: q"},
      {"a: \"\\ud800\"\n", "yaml: line 1: invalid unicode: 55296"},
      {"a: ! x\n", "yaml: line 1: did not find expected tag"},
  });
}

TEST_CASE("tabs do not indent", "[yaml]") {
  CheckAll({
      {"a:\n\tb: 1\n", "yaml: line 2: found a tab character that cannot start any token"},
      {"a:\n  - x\n\t- y\n",
       "yaml: line 3: found a tab character where an indentation space is expected"},
      {"\ta: 1\n", "yaml: line 1: found a tab character that cannot start any token"},
      {"-\ta\n", "yaml: line 1: found a tab character that cannot start any token"},
      {"a:\n  \tb\n", "yaml: line 2: found a tab character that cannot start any token"},
      {"a:\n  b: [c\n \td]\n", "yaml: line 2: found a tab character that violates indentation"},
      {"a: b\n \t\nc: d\n\t",
       "yaml: line 4: found a tab character where an indentation space is expected"},
      {"a: b\n \t\nc: d\n", R"({"a":"b","c":"d"})"},
      {"a: \"b\"\n \t\n", "yaml: line 2: found a tab character that cannot start any token"},
      {"a:\tb\tc \t# d\n", R"({"a":"b\tc"})"},
      {"a: [\tb,\n\tc]\n", R"({"a":["b","c"]})"},
  });
}

TEST_CASE("bad bytes are refused anywhere", "[yaml]") {
  CheckAll({
      {"a: \xff\n", "yaml: line 1: invalid UTF-8"},
      {"a: 1\nb: \xc3(\n", "yaml: line 2: invalid UTF-8"},
      {"a: \xc0\x80\n", "yaml: line 1: invalid UTF-8"},
      {"a: \xed\xa0\x80\n", "yaml: line 1: invalid UTF-8"},
      {"a: \xf4\x90\x80\x80\n", "yaml: line 1: invalid UTF-8"},
      {"a: \xf8\x88\x80\x80\x80\n", "yaml: line 1: invalid UTF-8"},
      {"a: \xe2\x82", "yaml: line 1: invalid UTF-8"},
      {std::string("a: \0\n", 5), "yaml: line 1: control characters are not allowed"},
      {"a: \x01\n", "yaml: line 1: control characters are not allowed"},
      {"a: \x7f\n", "yaml: line 1: control characters are not allowed"},
      {"a: 1\n---\nb: \x1b\n", "yaml: line 3: control characters are not allowed"},
      {"\xff\xfe"
       "a",
       "yaml: line 1: invalid UTF-8"},
      {"a: \"x\xe2\x80\xa8y\"\n", R"({"a":"x\u2028y"})"},
      {"a: x\xe2\x80\xa8y\n", "yaml: line 1: found a Unicode line break outside of quotes"},
      {"a: |\n  x\xe2\x80\xa9y\n", "yaml: line 1: found a Unicode line break outside of quotes"},
      {"# x\xe2\x80\xa8"
       "a: 1\n",
       "yaml: line 1: found a Unicode line break in a comment"},
      {"a: \xf0\x9f\x98\x80\n", "{\"a\":\"\xf0\x9f\x98\x80\"}"},
  });
}

TEST_CASE("limits hold", "[yaml]") {
  CHECK(YamlToJson(Repeat("[", 400) + Repeat("]", 400)).ok());
  for (const char* open : {"[", "{a: ", "- ", "? "}) {
    INFO(open);
    CHECK_FALSE(YamlToJson(Repeat(open, 1001)).ok());
    CHECK_FALSE(YamlToJson(Repeat(open, 100'000)).ok());
  }
  CHECK(Read(Repeat("[", 1001) + Repeat("]", 1001)) == "yaml: line 1: nesting is too deep");
  CHECK(Read(std::string(kMaxYamlBytes + 1, ' ')) ==
        "yaml: document of 10485761 bytes is over the limit of 10485760");
  CHECK(Read("a: " + std::string(1 << 20, 'x')).size() == (1 << 20) + 8);
}

TEST_CASE("alias bombs are refused", "[yaml]") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  std::string merges = "a0: &a0 {" + Repeat("k", 1) + ": 1}\n";
  std::string deep = "a0: &a0 [x]\n";
  for (int i = 1; i <= 1100; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    std::string line = "a" + std::to_string(i) + ": &a" + std::to_string(i);
    if (i < 10) bomb += line + " [" + Repeat(before + " , ", 10) + "]\n";
    merges += line + " {<<: " + before + " , k" + std::to_string(i) + ": 1}\n";
    deep += line + " [" + before + " ]\n";
  }
  CHECK(Read(bomb).find("document contains excessive aliasing") != std::string::npos);
  CHECK(Read(deep).find("exceeded max depth of 1000") != std::string::npos);
  CHECK_FALSE(YamlToJson("x: &x {" + Repeat("a: 1, ", 0) + "b: 1}\n" + merges + merges).ok());
  std::string big =
      "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [" + Repeat("*a , ", 100) + "]\n";
  CHECK(Read(big).find("document contains excessive aliasing") != std::string::npos);
  std::string fine = "a: &a [1, 2, 3]\nb: [" + Repeat("*a , ", 1000) + "]\n";
  CHECK(YamlToJson(fine).ok());
}

}  // namespace
}  // namespace kubelet::api
