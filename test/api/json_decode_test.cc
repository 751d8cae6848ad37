// What the JSON reader accepts, refuses and warns of.
#include <limits>

#include "api/decoded.h"
#include "catch.h"
#include "k8s/core/v1/config.pb.h"
#include "kubelet/api/codec.h"

namespace kubelet::api {
namespace {

using namespace test;

TEST_CASE("errors name the field and what is wrong with it", "[codec]") {
  struct Row {
    const char* json;
    const char* error;
  };
  const Row rows[] = {
      {R"({"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}})",
       "spec.containers[0].ports[0].containerPort: expected an integer, got string"},
      {R"({"spec":{"containers":[{},{"name":1}]}})",
       "spec.containers[1].name: expected a string, got number"},
      {R"({"spec":{"containers":{}}})", "spec.containers: expected an array, got object"},
      {R"({"spec":{"containers":"a"}})", "spec.containers: expected an array, got string"},
      {R"({"spec":{"containers":[[]]}})", "spec.containers[0]: expected an object, got array"},
      {R"({"spec":{"containers":[7]}})", "spec.containers[0]: expected an object, got number"},
      {R"({"spec":[]})", "spec: expected an object, got array"},
      {R"({"spec":true})", "spec: expected an object, got boolean"},
      {R"({"metadata":{"labels":[]}})", "metadata.labels: expected an object, got array"},
      {R"({"metadata":{"labels":{"a":1}}})", "metadata.labels.a: expected a string, got number"},
      {R"({"metadata":{"labels":{"a":{}}}})", "metadata.labels.a: expected a string, got object"},
      {R"({"metadata":{"name":[]}})", "metadata.name: expected a string, got array"},
      {R"({"spec":{"hostNetwork":"true"}})",
       "spec.hostNetwork: expected true or false, got string"},
      {R"({"spec":{"priority":1.5}})", "spec.priority: expected an integer, got 1.5"},
      {R"({"spec":{"priority":1.0}})", "spec.priority: expected an integer, got 1.0"},
      {R"({"spec":{"priority":2147483648}})",
       "spec.priority: 2147483648 is out of range for int32"},
      {R"({"spec":{"terminationGracePeriodSeconds":9223372036854775808}})",
       "spec.terminationGracePeriodSeconds: 9223372036854775808 is out of range for int64"},
      {R"({"spec":{"terminationGracePeriodSeconds":-99999999999999999999}})",
       "spec.terminationGracePeriodSeconds: -99999999999999999999 is out of range for int64"},
      {R"({"metadata":{"creationTimestamp":"yesterday"}})",
       "metadata.creationTimestamp: \"yesterday\" is not an RFC 3339 time"},
      {R"({"metadata":{"creationTimestamp":{}}})",
       "metadata.creationTimestamp: expected a time, got object"},
      {R"({"spec":{"overhead":{"cpu":true}}})",
       "spec.overhead.cpu: expected a quantity, got boolean"},
      {R"({"spec":{"overhead":{"cpu":[]}}})", "spec.overhead.cpu: expected a quantity, got array"},
      {R"([])", "expected an object, got array"},
      {R"("Pod")", "expected an object, got string"},
      {R"(null)", "expected an object, got null"},
  };
  for (const Row& row : rows) {
    INFO(row.json);
    CHECK(PodError(row.json) == row.error);
  }
  CHECK(PodError(R"({"spec":{"overhead":{"cpu":"lots"}}})")
            .rfind("spec.overhead.cpu: quantity \"lots\": ", 0) == 0);
  core::Secret secret;
  CHECK(Error(R"({"data":{"k":"***"}})", secret) == "data.k: not base64");
}

TEST_CASE("text that is not JSON is refused with its line", "[codec]") {
  CHECK(PodError("{\n\"metadata\":{\n") == "invalid JSON: line 3: incomplete JSON");
  CHECK(PodError("") == "invalid JSON: line 1: incomplete JSON");
  CHECK(PodError("{} {}") == "invalid JSON: line 1: extra data");
  CHECK(PodError("{'a':1}") == "invalid JSON: line 1: syntax error");
  for (const char* text : {"{", "}", "{\"a\":}", "{\"a\":1,}", "{\"a\":[1,]}", "{\"a\":01}",
                           "{\"a\":+1}", "{\"a\":tru}", "nul", "// x\n{}", "{\"a\":\"\n\"}",
                           "{\"spec\":\"\\x\"}", "\xEF\xBB\xBF{}"}) {
    INFO(text);
    CHECK(PodError(text).rfind("invalid JSON: ", 0) == 0);
  }
}

TEST_CASE("nesting is bounded", "[codec]") {
  auto nested = [](size_t depth) {
    return "{\"x\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  CHECK(PodError(nested(900)) == "");
  CHECK(PodError(nested(1001)) == "invalid JSON: line 1: too deep");
  CHECK(PodError(nested(1'000'000)) == "invalid JSON: line 1: too deep");
}

TEST_CASE("unknown and duplicate fields", "[codec]") {
  const std::string json =
      R"({"kind":"Pod","foo":{"kind":1},"spec":{"Containers":[],"bar":[{"spec":{}}],"containers":[{"name":"a","name":"b","baz":null}]},)"
      R"("metadata":{"labels":{"x":"1","x":"2"},"name":"n"},"kind":"Pod"})";
  core::Pod pod;
  REQUIRE(Error(json, pod) == "");
  CHECK(pod.spec().containers_size() == 1);
  CHECK(pod.spec().containers(0).name() == "b");
  CHECK(pod.metadata().labels().at("x") == "2");

  std::vector<std::string> warnings;
  DecodeOptions options;
  options.strict = true;
  options.warnings = &warnings;
  REQUIRE(DecodeJson(json, pod, options).ok());
  CHECK(pod.metadata().name() == "n");
  CHECK(warnings == std::vector<std::string>{
                        R"(unknown field "foo")",
                        R"(unknown field "spec.Containers")",
                        R"(unknown field "spec.bar")",
                        R"(duplicate field "spec.containers[0].name")",
                        R"(unknown field "spec.containers[0].baz")",
                        R"(duplicate field "metadata.labels.x")",
                        R"(duplicate field "kind")",
                    });
  CHECK(Error(R"({"spec":{"foo":1,"nodeName":"a","nodeName":"b"}})", pod, true) ==
        R"(strict decoding error: unknown field "spec.foo", duplicate field "spec.nodeName")");
  // An inlined message has no key of its own.
  CHECK(Error(R"({"spec":{"volumes":[{"volumeSource":{}}]}})", pod, true) ==
        R"(strict decoding error: unknown field "spec.volumes[0].volumeSource")");
}

TEST_CASE("a field given twice: lists start anew, objects and maps are merged", "[codec]") {
  core::Pod pod =
      Pod(R"({"spec":{"nodeName":"a","containers":[{"name":"x"}],"nodeSelector":{"a":"1"}},
                          "spec":{"hostname":"h","containers":[{"image":"y"}],"nodeSelector":{"b":"2"}}})");
  CHECK(pod.spec().node_name() == "a");
  CHECK(pod.spec().hostname() == "h");
  REQUIRE(pod.spec().containers_size() == 1);
  CHECK(!pod.spec().containers(0).has_name());
  CHECK(pod.spec().node_selector().size() == 2);
  // The entry of a map is replaced whole.
  Config config =
      Decoded<Config>(R"({"staticPodURLHeader":{"a":["1","2"],"a":["3"],"b":["4"],"b":null}})");
  REQUIRE(config.static_pod_url_header().at("a").items_size() == 1);
  CHECK(config.static_pod_url_header().at("b").items_size() == 0);
}

TEST_CASE("warnings are told once, and not without end", "[codec]") {
  std::string json = R"({"a":1,"a":2)";
  for (int i = 0; i < 500; ++i) json += ",\"x" + std::to_string(i) + "\":{}";
  std::vector<std::string> warnings;
  DecodeOptions options;
  options.strict = true;
  options.warnings = &warnings;
  core::Pod pod;
  REQUIRE(DecodeJson(json + "}", pod, options).ok());
  CHECK(warnings.size() == 100);
  CHECK(warnings[0] == R"(unknown field "a")");
  CHECK(warnings[1] == R"(unknown field "x0")");
}

TEST_CASE("kind and apiVersion must fit when they are there", "[codec]") {
  CHECK(PodError(R"({"kind":"Pod","apiVersion":"v1"})") == "");
  CHECK(PodError(R"({"kind":"","apiVersion":null})") == "");
  CHECK(PodError(R"({"kind":"Node"})") == R"(kind: expected "Pod", got "Node")");
  CHECK(PodError(R"({"apiVersion":"v2"})") == R"(apiVersion: expected "v1", got "v2")");
  CHECK(PodError(R"({"kind":7})") == "kind: expected a string, got number");
  CHECK(PodError(R"({"kind":{}})") == "kind: expected a string, got object");
  core::PodList list;
  CHECK(
      Error(R"({"kind":"PodList","apiVersion":"v1","items":[{"kind":"Pod","apiVersion":"v1"},{}]})",
            list) == "");
  CHECK(Error(R"({"items":[{},{"kind":"Node"}]})", list) ==
        R"(items[1].kind: expected "Pod", got "Node")");
  meta::DeleteOptions any;
  CHECK(Error(R"({"kind":"DeleteOptions","apiVersion":"policy/v1"})", any) == "");
  CHECK(EncodeJson(any) == R"({"kind":"DeleteOptions","apiVersion":"v1"})");
  CHECK(Bare(any) == "{}");
}

TEST_CASE("null is absent, and the zero value inside lists and maps", "[codec]") {
  core::Pod pod = Pod(
      R"({"metadata":{"labels":null,"creationTimestamp":null,"name":null,"deletionTimestamp":null},
      "spec":{"containers":null,"priority":null,"hostNetwork":null,"volumes":[{"emptyDir":null}]},"status":null})");
  CHECK(!pod.metadata().has_deletion_timestamp());
  CHECK(!pod.metadata().has_creation_timestamp());
  CHECK(!pod.spec().has_priority());
  CHECK(!pod.spec().volumes(0).volume_source().has_empty_dir());
  CHECK(Bare(pod) == Bare(Pod(R"({"spec":{"volumes":[{}]}})")));
  core::Pod zeros =
      Pod(R"({"metadata":{"labels":{"a":null},"finalizers":[null]},"spec":{"containers":[null]}})");
  CHECK(zeros.metadata().labels().at("a").empty());
  CHECK(zeros.metadata().finalizers(0).empty());
  CHECK(zeros.spec().containers_size() == 1);
  // null takes back an earlier value where there is absence, and leaves plain values alone.
  core::Pod twice =
      Pod(R"({"spec":{"priority":5,"priority":null,"nodeName":"a","nodeName":null}})");
  CHECK(!twice.spec().has_priority());
  CHECK(twice.spec().node_name() == "a");
}

TEST_CASE("the output is cleared first, also on failure", "[codec]") {
  core::Pod pod = Pod(R"({"metadata":{"name":"old"}})");
  REQUIRE(Error(R"({"spec":{"nodeName":"n"}})", pod) == "");
  CHECK(!pod.has_metadata());
}

TEST_CASE("numbers keep every digit", "[codec]") {
  core::Pod pod = Pod(
      R"({"spec":{"terminationGracePeriodSeconds":9223372036854775807,"activeDeadlineSeconds":-9223372036854775808,
                          "priority":-2147483648}})");
  CHECK(pod.spec().termination_grace_period_seconds() == std::numeric_limits<int64_t>::max());
  CHECK(pod.spec().active_deadline_seconds() == std::numeric_limits<int64_t>::min());
  CHECK(Bare(pod).find("9223372036854775807") != std::string::npos);
  Config config = Decoded<Config>(R"({"memoryThrottlingFactor":0.9})");
  CHECK(config.memory_throttling_factor() == 0.9);
}

TEST_CASE("text that is not Unicode is mended, as Go does", "[codec]") {
  auto name = [](const std::string& text) {
    return Pod("{\"metadata\":{\"name\":\"" + text + "\"}}").metadata().name();
  };
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(name("a\xFF"
             "b") == "a" + bad + "b");
  CHECK(name("\xC0\x80") == bad + bad);
  CHECK(name("\xED\xA0\x80") == bad + bad + bad);
  CHECK(name("\\ud800") == bad);
  CHECK(name("\\ud800\\u0041") == bad + "A");
  CHECK(name("\\udc00x") == bad + "x");
  CHECK(name("\\ud83d\\ude00") == "\xF0\x9F\x98\x80");
  CHECK(name("\\\\ud800") == "\\ud800");
  CHECK(name("\\ud800\\ud83d\\ude00") == bad + "\xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace kubelet::api
