// Rules of the JSON and protobuf forms one by one; whole objects are in golden_test.cc, the reader
// in json_decode_test.cc.
#include "kubelet/api/codec.h"

#include <limits>

#include "api/decoded.h"
#include "catch.h"
#include "k8s/core/v1/config.pb.h"
#include "k8s/core/v1/node.pb.h"

namespace kubelet::api {
namespace {

using namespace test;

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
