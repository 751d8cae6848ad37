// Plain scalars, tags, keys and floats: what go-yaml v2 (resolve.go) and encoding/json make of
// them.
#include "api/yaml_resolve.h"

#include <string>
#include <vector>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

struct YamlResolveCase {
  std::string yaml;
  std::string json;
};

std::string Resolve(const std::string& scalar) {
  auto json = YamlToJson("[" + scalar + "]");
  if (!json.ok()) return base::Message(json.status());
  return json->substr(1, json->size() - 2);
}

TEST_CASE("a plain scalar means what go-yaml v2 takes it for", "[yaml]") {
  const std::vector<YamlResolveCase> cases = {
      {"yes", "true"},
      {"Yes", "true"},
      {"YES", "true"},
      {"y", "true"},
      {"Y", "true"},
      {"on", "true"},
      {"On", "true"},
      {"ON", "true"},
      {"true", "true"},
      {"True", "true"},
      {"TRUE", "true"},
      {"no", "false"},
      {"No", "false"},
      {"NO", "false"},
      {"n", "false"},
      {"N", "false"},
      {"off", "false"},
      {"Off", "false"},
      {"OFF", "false"},
      {"false", "false"},
      {"False", "false"},
      {"FALSE", "false"},
      {"yEs", "\"yEs\""},
      {"tRUE", "\"tRUE\""},
      {"oN", "\"oN\""},
      {"yess", "\"yess\""},
      {"~", "null"},
      {"null", "null"},
      {"Null", "null"},
      {"NULL", "null"},
      {"nULL", "\"nULL\""},
      {"0", "0"},
      {"-0", "0"},
      {"+7", "7"},
      {"-7", "-7"},
      {"1_000", "1000"},
      {"_1", "\"_1\""},
      {"1_", "1"},
      {"0x1F", "31"},
      {"0X1f", "31"},
      {"-0x10", "-16"},
      {"0x", "\"0x\""},
      {"0xg", "\"0xg\""},
      {"0x-1", "\"0x-1\""},
      {"0o17", "15"},
      {"0O17", "15"},
      {"0o8", "\"0o8\""},
      {"017", "15"},
      {"0644", "420"},
      {"-017", "-15"},
      {"0b101", "5"},
      {"0B101", "5"},
      {"-0b101", "-5"},
      {"0b2", "\"0b2\""},
      {"0b+1", "1"},
      {"0b-1", "-1"},
      {"08", "8"},
      {"09.5", "9.5"},
      {"0_8", "8"},
      {"00", "0"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"9223372036854775808", "9223372036854775808"},
      {"18446744073709551616", "18446744073709552000"},
      {"+9223372036854775808", "9223372036854776000"},
      {"-9223372036854775809", "-9223372036854776000"},
      {"1_0.5", "10.5"},
      {"1.5", "1.5"},
      {"-1.5", "-1.5"},
      {"1.", "1"},
      {".5", "0.5"},
      {"-.5", "-0.5"},
      {"+.5", "0.5"},
      {".5_5", "0.55"},
      {"._5", "\"._5\""},
      {".5_", "\".5_\""},
      {".", "\".\""},
      {"-", "\"-\""},
      {"+", "\"+\""},
      {".e5", "\".e5\""},
      {"1e3", "1000"},
      {"1E3", "1000"},
      {"1e+3", "1000"},
      {"1e-3", "0.001"},
      {"1e", "\"1e\""},
      {"1e+", "\"1e+\""},
      {"1e21", "1e+21"},
      {"1e20", "100000000000000000000"},
      {"1e-6", "0.000001"},
      {"1e-7", "1e-7"},
      {"-0.0", "-0"},
      {"1234567890123456.5", "1234567890123456.5"},
      {"-1e18", "-1000000000000000000"},
      {"1e400", "\"1e400\""},
      {"1e-400", "0"},
      {"0.1", "0.1"},
      {"123456789.125", "123456789.125"},
      {"1.2.3", "\"1.2.3\""},
      {"1,5", "1,5"},
      {"100m", "\"100m\""},
      {"1Gi", "\"1Gi\""},
      {"0x1p4", "\"0x1p4\""},
      {"2001-12-14", "\"2001-12-14\""},
      {"2001-12-14T21:59:43Z", "\"2001-12-14T21:59:43Z\""},
      {"2001-12-14 21:59:43.1", "\"2001-12-14 21:59:43.1\""},
      {"12:30:45", "\"12:30:45\""},
      {"190:20", "\"190:20\""},
      {"inf", "\"inf\""},
      {"nan", "\"nan\""},
      {".Nan", "\".Nan\""},
      {".iNF", "\".iNF\""},
      {"<<", "\"\\u003c\\u003c\""},
      {"=", "\"=\""},
      {"foo", "\"foo\""},
      {"a b", "\"a b\""},
      {"-x", "\"-x\""},
      {"\xc3\xa9", "\"\xc3\xa9\""},
  };
  for (const YamlResolveCase& c : cases) {
    INFO(c.yaml);
    CHECK(Resolve(c.yaml) == c.json);
  }
}

TEST_CASE("quotes and block scalars make strings of anything", "[yaml]") {
  for (const char* word : {"yes", "null", "~", "1", "0x1", "1.5", ".inf", "", "<<"}) {
    INFO(word);
    std::string text = word;
    CHECK(Resolve("'" + text + "'") == "\"" + (text == "<<" ? "\\u003c\\u003c" : text) + "\"");
  }
  CHECK(*YamlToJson("a: |\n  1\nb: >-\n  yes\n") == R"({"a":"1\n","b":"yes"})");
}

TEST_CASE("JSON has no infinity and no NaN", "[yaml]") {
  for (const char* word :
       {".inf", ".Inf", ".INF", "+.inf", "-.inf", "-.INF", ".nan", ".NaN", ".NAN"}) {
    INFO(word);
    CHECK(Resolve(word) == "yaml: line 1: JSON has no infinity and no NaN");
  }
}

TEST_CASE("explicit tags", "[yaml]") {
  const std::vector<YamlResolveCase> cases = {
      {"!!str 5", "\"5\""},
      {"!!str yes", "\"yes\""},
      {"!!str ~", "\"~\""},
      {"!!int 5", "5"},
      {"!!int \"5\"", "5"},
      {"!!float 1", "1"},
      {"!!float 1.5", "1.5"},
      {"!!bool yes", "true"},
      {"!!bool 'off'", "false"},
      {"!!null ~", "null"},
      {"!!null ''", "null"},
      {"!!binary aGk=", "\"hi\""},
      {"!!binary 'aGkh'", "\"hi!\""},
      {"!!binary /w==", "\"\\ufffd\""},
      {"!!timestamp 2001-12-14", "\"2001-12-14\""},
      {"!!timestamp 2001-12-14t21:59:43.10-05:00", "\"2001-12-14t21:59:43.10-05:00\""},
      {"!local 5", "\"5\""},
      {"!<tag:yaml.org,2002:int> 5", "5"},
      {"!!unknown yes", "\"yes\""},
      {"!!int x", "yaml: line 1: cannot decode !!str `x` as a !!int"},
      {"!!int 1.5", "yaml: line 1: cannot decode !!float `1.5` as a !!int"},
      {"!!bool 1", "yaml: line 1: cannot decode !!int `1` as a !!bool"},
      {"!!bool maybe", "yaml: line 1: cannot decode !!str `maybe` as a !!bool"},
      {"!!null x", "yaml: line 1: cannot decode !!str `x` as a !!null"},
      {"!!float yes", "yaml: line 1: cannot decode !!bool `yes` as a !!float"},
      {"!!timestamp 2001-02-30", "yaml: line 1: cannot decode !!str `2001-02-30` as a !!timestamp"},
      {"!!binary aGk", "yaml: line 1: !!binary value contains invalid base64 data"},
      {"!!binary a=Gk", "yaml: line 1: !!binary value contains invalid base64 data"},
      {"!e!x 5", "yaml: line 1: found undefined tag handle"},
  };
  for (const YamlResolveCase& c : cases) {
    INFO(c.yaml);
    CHECK(Resolve(c.yaml) == c.json);
  }
  CHECK(*YamlToJson("%TAG !y! tag:yaml.org,2002:\n---\na: !y!int '7'\n") == R"({"a":7})");
  CHECK(*YamlToJson("a: !!str\nb: !!null\n") == R"({"a":"","b":null})");
  CHECK(*YamlToJson("!!map {a: !!seq [1]}\n") == R"({"a":[1]})");
}

TEST_CASE("keys become strings as sigs.k8s.io/yaml makes them", "[yaml]") {
  const std::vector<YamlResolveCase> cases = {
      {"1: x", R"({"1":"x"})"},
      {"0x10: x", R"({"16":"x"})"},
      {"yes: x", R"({"true":"x"})"},
      {"off: x", R"({"false":"x"})"},
      {"y: x", R"({"true":"x"})"},
      {"1.5: x", R"({"1.5":"x"})"},
      {"0.1: x", R"({"0.1":"x"})"},
      {"1e6: x", R"({"1e+06":"x"})"},
      {"1e5: x", R"({"100000":"x"})"},
      {"1e-5: x", R"({"1e-05":"x"})"},
      {"1e300: x", R"({".inf":"x"})"},
      {".nan: x", R"({".nan":"x"})"},
      {"-.inf: x", R"({"-.inf":"x"})"},
      {"1.23456789012: x", R"({"1.2345679":"x"})"},
      {"2001-01-01: x", R"({"2001-01-01":"x"})"},
      {"'1': x", R"({"1":"x"})"},
      {"!!str 1: x", R"({"1":"x"})"},
      {"\"\": x", R"({"":"x"})"},
      {"? a b\n: x", R"({"a b":"x"})"},
      {"~: x", "yaml: line 1: unsupported map key: null"},
      {": x", "yaml: line 1: unsupported map key: null"},
      {"null: x", "yaml: line 1: unsupported map key: null"},
      {"18446744073709551615: x", "yaml: line 1: unsupported map key: 18446744073709551615"},
      {"a: 1\n[b]: x", "yaml: line 2: invalid map key: a sequence cannot be a key"},
      {"? {b: c}\n: x", "yaml: line 1: invalid map key: a mapping cannot be a key"},
  };
  for (const YamlResolveCase& c : cases) {
    INFO(c.yaml);
    auto json = YamlToJson(c.yaml);
    CHECK((json.ok() ? *json : base::Message(json.status())) == c.json);
  }
}

}  // namespace
}  // namespace kubelet::api
