#include "api/json_place.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <string>

#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

using google::protobuf::MapValueRef;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Type = JsonToken::Type;

template <typename T>
absl::Status Integer(const JsonToken& token, const char* type, T& out) {
  if (token.type != Type::kNumber) return Mismatch("an integer", token.TypeName());
  const JsonNumber& number = token.number;
  bool integral = number.text.find_first_of(".eE") == std::string_view::npos;
  if (!integral) return Mismatch("an integer", std::string(number.text));
  bool fits = false;
  if (number.kind == JsonNumber::Kind::kInt64) {
    out = static_cast<T>(number.i);
    fits = std::numeric_limits<T>::is_signed
               ? static_cast<int64_t>(out) == number.i
               : number.i >= 0 && static_cast<uint64_t>(out) == static_cast<uint64_t>(number.i);
  } else if (number.kind == JsonNumber::Kind::kUint64) {
    out = static_cast<T>(number.u);
    fits = !std::numeric_limits<T>::is_signed && static_cast<uint64_t>(out) == number.u;
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(std::string(number.text) + " is out of range for " + type);
}

// The zero value of an element.
JsonToken Zero(ValueKind kind) {
  JsonToken zero;
  bool text = kind == ValueKind::kString || kind == ValueKind::kBytes;
  zero.type = text ? Type::kString : kind == ValueKind::kBool ? Type::kBool : Type::kNumber;
  zero.number.kind = JsonNumber::Kind::kInt64;
  zero.number.text = "0";
  return zero;
}

}  // namespace

Message& MessageAt(const Place& place) {
  const Reflection* reflection = place.owner->GetReflection();
  switch (place.kind) {
    case Place::Kind::kField:
      return *reflection->MutableMessage(place.owner, place.field->field);
    case Place::Kind::kElement:
      return *reflection->AddMessage(place.owner, place.field->field);
    case Place::Kind::kEntry:
      break;
  }
  MapValueRef entry = place.entry;
  return *entry.MutableMessageValue();
}

const char* WantedAt(const Place& place) {
  const FieldPlan& field = *place.field;
  switch (field.kind) {
    case ValueKind::kBool:
      return "true or false";
    case ValueKind::kDouble:
      return "a number";
    case ValueKind::kString:
      return "a string";
    case ValueKind::kBytes:
      return "a base64 string";
    case ValueKind::kMessage:
      return FormName(field.message->form);
    default:
      return "an integer";
  }
}

void StoreNull(const Place& place) {
  const FieldPlan& field = *place.field;
  if (place.kind == Place::Kind::kEntry) return;
  if (place.kind == Place::Kind::kField) {
    bool clear = field.repeated || field.map || field.pointer || field.kind == ValueKind::kBytes ||
                 (field.kind == ValueKind::kMessage && field.message->form != OBJECT);
    if (clear) place.owner->GetReflection()->ClearField(place.owner, field.field);
  } else if (field.kind == ValueKind::kMessage) {
    MessageAt(place);
  } else {
    StoreScalar(place, Zero(field.kind)).IgnoreError();
  }
}

// Stores a scalar with the accessors of its C++ type.
#define KUBELET_STORE(Name, value)                            \
  switch (place.kind) {                                       \
    case Place::Kind::kField:                                 \
      reflection->Set##Name(place.owner, field.field, value); \
      break;                                                  \
    case Place::Kind::kElement:                               \
      reflection->Add##Name(place.owner, field.field, value); \
      break;                                                  \
    case Place::Kind::kEntry: {                               \
      MapValueRef entry = place.entry;                        \
      entry.Set##Name##Value(value);                          \
      break;                                                  \
    }                                                         \
  }                                                           \
  return absl::OkStatus()
#define KUBELET_STORE_INTEGER(Name, Type, name)   \
  {                                               \
    Type value = 0;                               \
    RETURN_IF_ERROR(Integer(token, name, value)); \
    KUBELET_STORE(Name, value);                   \
  }

absl::Status StoreScalar(const Place& place, const JsonToken& token) {
  const FieldPlan& field = *place.field;
  const Reflection* reflection = place.owner->GetReflection();
  switch (field.kind) {
    case ValueKind::kString: {
      if (token.type != Type::kString) return Mismatch("a string", token.TypeName());
      KUBELET_STORE(String, std::string(token.text));
    }
    case ValueKind::kBytes: {
      if (token.type != Type::kString) return Mismatch("a base64 string", token.TypeName());
      std::string bytes;
      if (!DecodeBase64(token.text, bytes)) return absl::InvalidArgumentError("not base64");
      KUBELET_STORE(String, std::move(bytes));
    }
    case ValueKind::kBool: {
      if (token.type != Type::kBool) return Mismatch("true or false", token.TypeName());
      KUBELET_STORE(Bool, token.boolean);
    }
    case ValueKind::kInt32:
      KUBELET_STORE_INTEGER(Int32, int32_t, "int32")
    case ValueKind::kInt64:
      KUBELET_STORE_INTEGER(Int64, int64_t, "int64")
    case ValueKind::kUint32:
      KUBELET_STORE_INTEGER(UInt32, uint32_t, "uint32")
    case ValueKind::kUint64:
      KUBELET_STORE_INTEGER(UInt64, uint64_t, "uint64")
    case ValueKind::kDouble: {
      if (token.type != Type::kNumber) return Mismatch("a number", token.TypeName());
      std::string_view text = token.number.text;
      double value = 0;
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || end != text.data() + text.size()) {
        return absl::InvalidArgumentError(std::string(text) + " is out of range for float64");
      }
      KUBELET_STORE(Double, value);
    }
    case ValueKind::kMessage:
      break;
  }
  return absl::InternalError("not a scalar");
}

#undef KUBELET_STORE
#undef KUBELET_STORE_INTEGER

}  // namespace kubelet::api
