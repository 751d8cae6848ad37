// Random objects of every type, filled by reflection, through both forms and back.
#include <google/protobuf/util/message_differencer.h>

#include <cmath>
#include <random>

#include "api/golden.h"
#include "api/json_value.h"
#include "catch.h"
#include "kubelet/api/codec.h"

namespace kubelet::api {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Filler {
 public:
  explicit Filler(uint64_t seed) : random_(seed) {}

  void Fill(Message& message, int depth) {
    const auto* type = message.GetDescriptor();
    switch (type->options().GetExtension(json_form)) {
      case OBJECT:
        break;
      case QUANTITY:
        return Text(message, 0, Pick({"0", "1", "100m", "1536Mi", "1Gi", "2500000", "1e3", "-7n"}));
      case TIME:
        return Time(message, 0);
      case MICRO_TIME:
        return Time(message, static_cast<int32_t>(random_() % 1'000'000) * 1000);
      case RAW_JSON:
        return Text(message, "raw",
                    Pick({"{}", R"({"f:a":{"k:{\"x\":1}":{}}})", "[1,2.5,null]", "\"s\"", "true"}));
      case INT_OR_STRING:
        return IntOrString(message);
      case STRING_ARRAY:
        // An empty one is null, which is absent.
        for (uint64_t n = 1 + random_() % 3; n > 0; --n)
          message.GetReflection()->AddString(&message, type->field(0), String());
        return;
      case GROUP_VERSION:
        Text(message, 0, Pick({"", "apps"}));
        return Text(message, 1, "v1");
      case DURATION:
      case TIME_OR_DURATION:
        break;
    }
    for (int i = 0; i < type->field_count(); ++i) {
      if (random_() % 3 != 0 || depth > 12) Field(message, type->field(i), depth);
    }
  }

 private:
  std::string Pick(std::vector<std::string> choices) { return choices[random_() % choices.size()]; }
  std::string String() {
    return Pick({"a", "some-name", "with \"quotes\" and \\", "<&>",
                 "\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80", std::string("\0\n\x1f", 3),
                 "a longer text that does not fit into a small string", "{}", "null", "0"});
  }
  int64_t Number() {
    int64_t value = static_cast<int64_t>(random_() >> (random_() % 64));
    return value == 0 ? 1 : random_() % 2 ? value : -value;
  }

  void Text(Message& message, const char* field, const std::string& text) {
    message.GetReflection()->SetString(&message, message.GetDescriptor()->FindFieldByName(field),
                                       text);
  }
  void Text(Message& message, int field, const std::string& text) {
    message.GetReflection()->SetString(&message, message.GetDescriptor()->field(field), text);
  }
  void Time(Message& message, int32_t nanos) {
    message.GetReflection()->SetInt64(&message, message.GetDescriptor()->field(0),
                                      static_cast<int64_t>(random_() % 250'000'000'000));
    message.GetReflection()->SetInt32(&message, message.GetDescriptor()->field(1), nanos);
  }
  void IntOrString(Message& message) {
    bool text = random_() % 2;
    const auto* type = message.GetDescriptor();
    message.GetReflection()->SetInt64(&message, type->field(0), text ? 1 : 0);
    message.GetReflection()->SetInt32(&message, type->field(1),
                                      text ? 0 : static_cast<int32_t>(Number()));
    message.GetReflection()->SetString(&message, type->field(2), text ? String() : "");
  }

  void Field(Message& message, const FieldDescriptor* field, int depth) {
    int count = !field->is_repeated() ? 1 : depth > 4 ? 1 : 1 + static_cast<int>(random_() % 2);
    for (int i = 0; i < count; ++i) Value(message, field, depth, i);
  }

  void Value(Message& message, const FieldDescriptor* field, int depth, int i) {
    const Reflection* reflection = message.GetReflection();
    bool many = field->is_repeated();
    switch (field->cpp_type()) {
#define SET(TYPE, Name, value)                       \
  case FieldDescriptor::CPPTYPE_##TYPE:              \
    if (many) {                                      \
      reflection->Add##Name(&message, field, value); \
    } else {                                         \
      reflection->Set##Name(&message, field, value); \
    }                                                \
    break;
      SET(INT32, Int32, static_cast<int32_t>(Number() | 1))
      SET(INT64, Int64, Number())
      SET(UINT32, UInt32, static_cast<uint32_t>(Number() | 1))
      SET(UINT64, UInt64, static_cast<uint64_t>(Number()))
      SET(DOUBLE, Double,
          std::ldexp(static_cast<double>(Number()), static_cast<int>(random_() % 200) - 100))
      SET(BOOL, Bool, true)
      SET(STRING, String, String())
#undef SET
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (field->is_map()) {
          Entry(*reflection->AddMessage(&message, field), depth, i);
        } else {
          Fill(many ? *reflection->AddMessage(&message, field)
                    : *reflection->MutableMessage(&message, field),
               depth + 1);
        }
        break;
      default:
        FAIL(field->full_name());
    }
  }

  void Entry(Message& entry, int depth, int i) {
    const auto* type = entry.GetDescriptor();
    Value(entry, type->map_value(), depth + 1, 0);
    Text(entry, "key", String() + std::to_string(i));
  }

  std::mt19937_64 random_;
};

TEST_CASE("random objects survive both forms", "[codec]") {
  int types = 0;
  for (const auto* type : test::ApiTypes()) {
    if (type->options().GetExtension(json_form) != OBJECT) continue;
    ++types;
    for (uint64_t seed = 0; seed < 3; ++seed) {
      INFO(type->full_name() << " " << seed);
      auto message = test::NewMessage(type);
      Filler(seed * 7919 + types).Fill(*message, 0);

      // Protobuf first: it brings the plain values Go always has, so that the two forms can be
      // compared.
      std::string body = EncodeProtobuf(*message);
      auto filled = test::NewMessage(type);
      absl::Status status = DecodeProtobuf(body, *filled);
      INFO(status.ToString());
      REQUIRE(status.ok());
      REQUIRE(EncodeProtobuf(*filled) == body);
      auto plain = test::NewMessage(type);
      REQUIRE(plain->ParsePartialFromString(message->SerializePartialAsString()));
      REQUIRE(EncodeProtobuf(*plain) == body);

      std::string json = EncodeJson(*filled);
      REQUIRE(EncodeJson(*message) == json);
      auto read = test::NewMessage(type);
      DecodeOptions strict;
      strict.strict = true;
      status = DecodeJson(json, *read, strict);
      INFO(status.ToString() << "\n" << json);
      REQUIRE(status.ok());
      REQUIRE(EncodeJson(*read) == json);
      REQUIRE(EncodeProtobuf(*read) == body);
      // And the JSON is JSON to others.
      REQUIRE_NOTHROW(test::ParseValue(json));
    }
  }
  CHECK(types > 300);
}

TEST_CASE("encoding leaves the message as it was", "[codec]") {
  auto message = test::NewKind("v1", "Pod");
  Filler(5).Fill(*message, 0);
  auto copy = test::NewMessage(message->GetDescriptor());
  copy->CopyFrom(*message);
  EncodeJson(*message);
  EncodeProtobuf(*message);
  CHECK(google::protobuf::util::MessageDifferencer::Equals(*copy, *message));
}

}  // namespace
}  // namespace kubelet::api
