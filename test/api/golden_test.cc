// Kubernetes' own objects through the codec: every form of a kind is the same message, and comes
// back out as it was.
#include "api/golden.h"

#include <iostream>

#include "api/json_value.h"
#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

using test::ParseValue;

// The message for a golden protobuf file, or null after saying so.
std::unique_ptr<google::protobuf::Message> MessageFor(const std::filesystem::path& path) {
  absl::StatusOr<TypeMeta> type = PeekProtobufTypeMeta(test::ReadFile(path));
  if (!type.ok()) throw std::runtime_error(path.string() + ": " + base::Message(type.status()));
  auto message = test::NewKind(type->api_version, type->kind);
  if (!message) std::cout << "no message for " << type->api_version << " " << type->kind << "\n";
  return message;
}

// Number of golden objects that went through `check(path without extension, message)`.
template <typename F>
int ForEachGolden(F check) {
  int count = 0;
  for (std::filesystem::path path : test::GoldenFiles(".pb")) {
    auto message = MessageFor(path);
    if (!message) continue;
    INFO(path.filename().string());
    check(path.replace_extension(), *message);
    ++count;
  }
  if (count == 0) std::cout << "SKIPPED: no golden objects; set KUBELET_SHARED\n";
  return count;
}

TEST_CASE("golden JSON comes back with the same value", "[codec]") {
  ForEachGolden([](const std::filesystem::path& stem, google::protobuf::Message& message) {
    std::string json = test::ReadFile(stem.string() + ".json");
    absl::Status status = DecodeJson(json, message, {.strict = true});
    INFO(status.ToString());
    REQUIRE(status.ok());
    CHECK(ParseValue(EncodeJson(message)) == ParseValue(json));
    EncodeOptions pretty;
    pretty.pretty = true;
    CHECK(ParseValue(EncodeJson(message, pretty)) == ParseValue(json));
  });
}

TEST_CASE("golden protobuf comes back byte for byte", "[codec]") {
  ForEachGolden([](const std::filesystem::path& stem, google::protobuf::Message& message) {
    std::string body = test::ReadFile(stem.string() + ".pb");
    absl::Status status = DecodeProtobuf(body, message);
    INFO(status.ToString());
    REQUIRE(status.ok());
    CHECK(EncodeProtobuf(message) == body);
  });
}

TEST_CASE("golden JSON and protobuf are the same object", "[codec]") {
  ForEachGolden([](const std::filesystem::path& stem, google::protobuf::Message& message) {
    std::string json = test::ReadFile(stem.string() + ".json");
    std::string body = test::ReadFile(stem.string() + ".pb");
    REQUIRE(DecodeJson(json, message).ok());
    CHECK(EncodeProtobuf(message) == body);
    REQUIRE(DecodeProtobuf(body, message).ok());
    CHECK(ParseValue(EncodeJson(message)) == ParseValue(json));
  });
}

TEST_CASE("a golden pod lies in the fields it should", "[codec]") {
  for (const std::filesystem::path& path : test::GoldenFiles(".json")) {
    if (path.filename() != "core.v1.Pod.json") continue;
    auto message = test::NewKind("v1", "Pod");
    REQUIRE(DecodeJson(test::ReadFile(path), *message).ok());
    const auto& pod = dynamic_cast<const core::Pod&>(*message);
    CHECK(pod.metadata().name() == "nameValue");
    CHECK(pod.metadata().labels().at("labelsKey") == "labelsValue");
    CHECK(pod.metadata().creation_timestamp().seconds() == 1199149261);
    CHECK(pod.metadata().managed_fields(0).fields_v1().raw() == "{}");
    // A volume source is inlined into the volume.
    CHECK(pod.spec().volumes(0).name() == "nameValue");
    CHECK(pod.spec().volumes(0).volume_source().host_path().path() == "pathValue");
    CHECK(pod.spec().containers_size() == 1);
  }
}

}  // namespace
}  // namespace kubelet::api
