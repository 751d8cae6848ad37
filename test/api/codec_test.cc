// Rules of the JSON and protobuf forms one by one; whole objects are in golden_test.cc.
#include "kubelet/api/codec.h"

#include <limits>

#include "catch.h"
#include "k8s/core/v1/config.pb.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"
#include "kubelet/config/v1beta1/config.pb.h"

namespace kubelet::api {
namespace {

using google::protobuf::Message;
using Config = ::kubelet::config::v1beta1::KubeletConfiguration;

// The message of the error, empty when there is none.
std::string Error(const std::string& json, Message& out, bool strict = false) {
  DecodeOptions options;
  options.strict = strict;
  absl::Status status = DecodeJson(json, out, options);
  if (!status.ok()) CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return base::Message(status);
}

std::string PodError(const std::string& json) {
  core::Pod pod;
  return Error(json, pod);
}

core::Pod Pod(const std::string& json) {
  core::Pod pod;
  INFO(json);
  REQUIRE(Error(json, pod) == "");
  return pod;
}

template <typename M>
M Decoded(const std::string& json) {
  M message;
  INFO(json);
  REQUIRE(Error(json, message) == "");
  return message;
}

std::string Bare(const Message& message) {
  EncodeOptions options;
  options.type_meta = false;
  return EncodeJson(message, options);
}

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

TEST_CASE("empty objects show what has no omitempty", "[codec]") {
  CHECK(EncodeJson(core::Pod()) ==
        R"({"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":null},"status":{}})");
  core::Pod pod;
  pod.mutable_spec()->add_containers();
  CHECK(Bare(pod) ==
        R"({"metadata":{},"spec":{"containers":[{"name":"","resources":{}}]},"status":{}})");
  // Presence of a pointer is kept, presence of a plain value is not.
  pod.Clear();
  pod.mutable_spec()->set_priority(0);
  pod.mutable_spec()->set_node_name("");
  pod.mutable_spec()->set_host_network(false);
  CHECK(Bare(pod) == R"({"metadata":{},"spec":{"containers":null,"priority":0},"status":{}})");
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

TEST_CASE("floats print as Go prints them", "[codec]") {
  auto shown = [](double value) {
    Config config;
    config.set_memory_throttling_factor(value);
    std::string json = EncodeJson(config);
    const std::string key = "\"memoryThrottlingFactor\":";
    size_t from = json.find(key) + key.size();
    return json.substr(from, json.find_first_of(",}", from) - from);
  };
  CHECK(shown(0) == "0");
  CHECK(shown(0.9) == "0.9");
  CHECK(shown(100) == "100");
  CHECK(shown(1e20) == "100000000000000000000");
  CHECK(shown(1e21) == "1e+21");
  CHECK(shown(0.000001) == "0.000001");
  CHECK(shown(0.0000001) == "1e-7");
  CHECK(shown(1.5e-10) == "1.5e-10");
  CHECK(shown(-2.5e100) == "-2.5e+100");
}

TEST_CASE("strings are escaped as Go escapes them", "[codec]") {
  core::Pod pod;
  pod.mutable_metadata()->set_name(
      "<a>&\"\\\b\f\n\r\t\x01\x1f\x7f/\xE2\x80\xA8\xE2\x80\xA9\xC3\xA9\xF0\x9F\x98\x80\xFF");
  std::string json = Bare(pod);
  CHECK(json ==
        "{\"metadata\":{\"name\":\"\\u003ca\\u003e\\u0026\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/"
        "\\u2028\\u2029"
        "\xC3\xA9\xF0\x9F\x98\x80\\ufffd\"},\"spec\":{\"containers\":null},\"status\":{}}");
  CHECK(Pod(json).metadata().name() ==
        "<a>&\"\\\b\f\n\r\t\x01\x1f\x7f/"
        "\xE2\x80\xA8\xE2\x80\xA9\xC3\xA9\xF0\x9F\x98\x80\xEF\xBF\xBD");
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

TEST_CASE("maps are sorted by key", "[codec]") {
  core::Pod pod;
  for (const char* key : {"b", "a", "B", "aa", "", "\xC3\xA9", "z"})
    (*pod.mutable_metadata()->mutable_labels())[key] = "v";
  CHECK(Bare(pod).find(R"("labels":{"":"v","B":"v","a":"v","aa":"v","b":"v","z":"v","é":"v"})") !=
        std::string::npos);
}

TEST_CASE("quantities are read from text and numbers and become canonical", "[codec]") {
  core::Pod pod =
      Pod(R"({"spec":{"overhead":{"a":"1000m","b":0.5,"c":1024,"d":1e3,"e":" 2Gi ","f":null}}})");
  CHECK(pod.spec().overhead().at("a").string() == "1");
  CHECK(pod.spec().overhead().at("b").string() == "500m");
  CHECK(pod.spec().overhead().at("c").string() == "1024");
  CHECK(pod.spec().overhead().at("d").string() == "1e3");
  CHECK(pod.spec().overhead().at("e").string() == "2Gi");
  CHECK(
      Bare(pod).find(R"("overhead":{"a":"1","b":"500m","c":"1024","d":"1e3","e":"2Gi","f":"0"})") !=
      std::string::npos);
}

TEST_CASE("times, durations and int-or-string", "[codec]") {
  core::Pod pod = Pod(
      R"({"metadata":{"creationTimestamp":"1970-01-01T01:00:00+01:00","deletionTimestamp":"0001-01-01T00:00:00Z"}})");
  CHECK(
      Bare(pod).find(
          R"("metadata":{"creationTimestamp":"1970-01-01T00:00:00Z","deletionTimestamp":null})") !=
      std::string::npos);
  using Probe = core::HTTPGetAction;
  CHECK(Decoded<Probe>(R"({"port":80})").port().int_val() == 80);
  CHECK(Decoded<Probe>(R"({"port":"http"})").port().str_val() == "http");
  CHECK(EncodeJson(Decoded<Probe>(R"({"port":"80"})")) == R"({"port":"80"})");
  CHECK(EncodeJson(Decoded<Probe>(R"({})")) == R"({"port":0})");
  Probe probe;
  CHECK(Error(R"({"port":80.5})", probe) == "port: expected an integer or a string, got 80.5");
  CHECK(Error(R"({"port":4294967296})", probe) == "port: 4294967296 is out of range for int32");
  CHECK(Error(R"({"port":{}})", probe) == "port: expected an integer or a string, got object");

  meta::MicroTime micro;
  CHECK(Error(R"("2008-01-01T01:01:01.000001Z")", micro) == "");
  CHECK(micro.nanos() == 1000);
  CHECK(EncodeJson(micro) == R"("2008-01-01T01:01:01.000001Z")");
  CHECK(Error(R"("2008-01-01T01:01:01Z")", micro) != "");
  CHECK(Error(R"("2008-01-01T01:01:01.0000001Z")", micro) != "");
  CHECK(EncodeJson(meta::MicroTime()) == "null");

  Config config =
      Decoded<Config>(R"({"syncFrequency":"1m30s","logging":{"flushFrequency":5000000000}})");
  CHECK(config.sync_frequency().duration() == 90'000'000'000);
  CHECK(config.logging().flush_frequency().duration() == 5'000'000'000);
  CHECK(Decoded<Config>(R"({"logging":{"flushFrequency":"5s"}})")
            .logging()
            .flush_frequency()
            .duration() == 5'000'000'000);
  CHECK(Error(R"({"syncFrequency":90})", config) ==
        "syncFrequency: expected a duration string, got number");
  CHECK(Error(R"({"syncFrequency":"90"})", config) ==
        "syncFrequency: \"90\" is not a duration such as 1h30m or 1.5s");
}

TEST_CASE("KubeletConfiguration goes through the same codec", "[codec]") {
  Config config = Decoded<Config>(
      R"({"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1",
      "staticPodURLHeader":{"X-A":["1","2"],"X-B":[]},"featureGates":{"A":true,"B":false},"evictionHard":{"memory.available":"5%"},
      "logging":{"options":{"json":{"infoBufferSize":"1Ki","splitStream":true}}},"clusterDNS":["10.0.0.10"],
      "reservedMemory":[{"numaNode":0,"limits":{"memory":"1Gi"}}]})");
  CHECK(config.static_pod_url_header().at("X-A").items_size() == 2);
  CHECK(config.feature_gates().at("A"));
  CHECK(config.logging().options().json().output_routing_options().split_stream());
  Config back = Decoded<Config>(EncodeJson(config));
  CHECK(EncodeJson(back) == EncodeJson(config));
  CHECK(EncodeJson(config).find(R"("staticPodURLHeader":{"X-A":["1","2"],"X-B":null})") !=
        std::string::npos);
  CHECK(Error(R"({"staticPodURLHeader":{"X":"y"}})", config) ==
        "staticPodURLHeader.X: expected an array, got string");
  CHECK(Error(R"({"featureGates":{"A":"true"}})", config) ==
        "featureGates.A: expected true or false, got string");
  CHECK(Error(R"({"nope":1})", config, true) == R"(strict decoding error: unknown field "nope")");
}

TEST_CASE("raw JSON is kept", "[codec]") {
  auto raw = [](const std::string& value) {
    core::Pod pod = Pod(R"({"metadata":{"managedFields":[{"fieldsV1":)" + value + "}]}}");
    return pod.metadata().managed_fields(0).fields_v1().raw();
  };
  CHECK(raw("{}") == "{}");
  CHECK(raw(R"({ "f:a" : { } , "k:{\"x\":1}" : [ 1.50 , -0 , 1e400 , true , null , "z" ] })") ==
        R"({"f:a":{},"k:{\"x\":1}":[1.50,-0,1e400,true,null,"z"]})");
  CHECK(raw("7") == "7");
  CHECK(raw(R"("s")") == R"("s")");
  core::Pod pod = Pod(R"({"metadata":{"managedFields":[{"fieldsV1":null}]}})");
  CHECK(!pod.metadata().managed_fields(0).has_fields_v1());
  // What protobuf brought may be anything: only JSON goes into JSON.
  auto* fields = pod.mutable_metadata()->mutable_managed_fields(0)->mutable_fields_v1();
  fields->set_raw("{ \"a\": \"<\" }");
  CHECK(Bare(pod).find(R"("fieldsV1":{"a":"\u003c"})") != std::string::npos);
  for (const char* bad : {"", "{", "{}{}", "k8s"}) {
    fields->set_raw(bad);
    CHECK(Bare(pod).find(R"("fieldsV1":null)") != std::string::npos);
  }
}

TEST_CASE("bytes are base64", "[codec]") {
  core::Secret secret =
      Decoded<core::Secret>(R"({"data":{"a":"aGk=","b":"","c":"aG\nlv\r\n","d":"/+8="}})");
  CHECK(secret.data().at("a") == "hi");
  CHECK(secret.data().at("b").empty());
  CHECK(secret.data().at("c") == "hio");
  CHECK(Bare(secret).find(R"("data":{"a":"aGk=","b":"","c":"aGlv","d":"/+8="})") !=
        std::string::npos);
  for (const char* bad :
       {"a", "aG", "aGk", "aGk==", "====", "a===", "aGk=aGk=", "aG k", "-_8=", "aGk=="}) {
    INFO(bad);
    CHECK(Error(std::string(R"({"data":{"a":")") + bad + R"("}})", secret) == "data.a: not base64");
  }
}

TEST_CASE("pretty JSON has Go's indentation", "[codec]") {
  core::Pod pod = Pod(R"({"metadata":{"name":"a,b:{}","finalizers":["x","y"]}})");
  EncodeOptions options;
  options.pretty = true;
  CHECK(EncodeJson(pod, options) == R"({
  "kind": "Pod",
  "apiVersion": "v1",
  "metadata": {
    "name": "a,b:{}",
    "finalizers": [
      "x",
      "y"
    ]
  },
  "spec": {
    "containers": null
  },
  "status": {}
})");
}

TEST_CASE("protobuf writes what Go writes", "[codec]") {
  // metadata {} spec {} status {} with every plain scalar of theirs.
  std::string body = EncodeProtobuf(core::Pod());
  CHECK(body.substr(0, 4) == std::string("k8s\0", 4));
  core::Pod back;
  REQUIRE(DecodeProtobuf(body, back).ok());
  CHECK(back.has_metadata());
  CHECK(back.metadata().has_name());
  CHECK(back.metadata().has_creation_timestamp());
  CHECK(!back.metadata().creation_timestamp().has_seconds());
  CHECK(!back.metadata().has_deletion_timestamp());
  CHECK(!back.spec().has_priority());
  CHECK(back.spec().has_node_name());
  CHECK(EncodeProtobuf(back) == body);

  core::Pod pod = Pod(
      R"({"spec":{"overhead":{"b":"1000m","a":"1"}},"metadata":{"creationTimestamp":"1970-01-01T00:00:00Z"}})");
  (*pod.mutable_spec()->mutable_overhead())["b"].set_string("1000m");
  REQUIRE(DecodeProtobuf(EncodeProtobuf(pod), back).ok());
  CHECK(back.spec().overhead().at("b").string() == "1");
  CHECK(back.metadata().creation_timestamp().has_seconds());
  CHECK(pod.spec().overhead().at("b").string() == "1000m");
}

TEST_CASE("protobuf envelopes are checked", "[codec]") {
  const std::string body = EncodeProtobuf(core::Pod());
  absl::StatusOr<TypeMeta> type = PeekProtobufTypeMeta(body);
  REQUIRE(type.ok());
  CHECK(type->kind == "Pod");
  CHECK(type->api_version == "v1");
  core::Node node;
  CHECK(base::Message(DecodeProtobuf(body, node)) == R"(kind: expected "Node", got "Pod")");
  core::Pod pod;
  CHECK(!DecodeProtobuf("", pod).ok());
  CHECK(!DecodeProtobuf(std::string("k8s\0", 4), pod).ok());
  CHECK(!DecodeProtobuf("{}", pod).ok());
  CHECK(!PeekProtobufTypeMeta("k8s").ok());
  for (size_t size = 5; size < body.size(); ++size) {
    INFO(size);
    absl::Status status = DecodeProtobuf(body.substr(0, size), pod);
    // A cut between two fields of the envelope is a whole, shorter one.
    if (!status.ok()) CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  }
  auto envelope = [](const std::string& fields) { return std::string("k8s\0", 4) + fields; };
  CHECK(DecodeProtobuf(envelope("\x12\x02\x0a"), pod).code() == absl::StatusCode::kInvalidArgument);
  CHECK(DecodeProtobuf(envelope(std::string("\x12\x02\x0a\x00", 4)), pod).ok());
  CHECK(!DecodeProtobuf(envelope("\x12\x00\x22\x04json"), pod).ok());
  CHECK(!DecodeProtobuf(envelope("\x12\xff\xff\xff\xff\x0f"), pod).ok());
  CHECK(!DecodeProtobuf(envelope("\xff"), pod).ok());
}

TEST_CASE("a quantity that is none is refused in protobuf too", "[codec]") {
  core::Pod pod;
  auto* requests = pod.mutable_spec()->add_containers()->mutable_resources()->mutable_requests();
  (*requests)["cpu"].set_string("lots");
  std::string raw = pod.SerializeAsString();
  std::string body("k8s\0\x12", 5);
  body += static_cast<char>(raw.size());
  body += raw;
  core::Pod out;
  absl::Status status = DecodeProtobuf(body, out);
  CHECK(base::Message(status).rfind("spec.containers[0].resources.requests[cpu]: quantity \"lots\"",
                                    0) == 0);
  CHECK(!out.has_spec());
}

}  // namespace
}  // namespace kubelet::api
