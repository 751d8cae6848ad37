// The JSON writer: the bytes of Go's encoding/json for the Kubernetes types.
#include "absl/strings/escaping.h"
#include "api/json_forms.h"
#include "api/json_text.h"
#include "api/map_field.h"
#include "api/plan.h"
#include "kubelet/api/codec.h"

namespace kubelet::api {
namespace {

using google::protobuf::MapValueConstRef;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  void Object(const Message& message, const MessagePlan& plan, bool type_meta) {
    out_ += '{';
    bool first = true;
    if (type_meta && plan.type_meta) {
      out_ += "\"kind\":\"" + plan.kind + "\",\"apiVersion\":\"" +
              (plan.api_version == "*" ? "v1" : plan.api_version) + '"';
      first = false;
    }
    Fields(message, plan, first);
    out_ += '}';
  }

  void Value(const Message& message, const MessagePlan& plan) {
    if (plan.form == OBJECT) {
      Object(message, plan, false);
    } else {
      EncodeForm(message, plan, out_);
    }
  }

 private:
  void Fields(const Message& message, const MessagePlan& plan, bool& first) {
    const Reflection* reflection = message.GetReflection();
    for (const FieldPlan& field : plan.fields) {
      if (field.inlined) {
        Fields(reflection->GetMessage(message, field.field), *field.message, first);
        continue;
      }
      Show show = Decide(message, reflection, field);
      if (show == Show::kNo) continue;
      if (!first) out_ += ',';
      first = false;
      out_ += field.quoted_name;
      if (show == Show::kNull) {
        out_ += "null";
      } else if (field.map) {
        Map(message, field);
      } else if (field.repeated) {
        List(message, reflection, field);
      } else {
        Single(message, reflection, field);
      }
    }
  }

  enum class Show { kNo, kNull, kYes };
  static Show Decide(const Message& message, const Reflection* reflection, const FieldPlan& field) {
    Show empty = field.keep_empty ? Show::kNull : Show::kNo;
    if (field.map) return MapSize(message, field.field) > 0 ? Show::kYes : empty;
    if (field.repeated) return reflection->FieldSize(message, field.field) > 0 ? Show::kYes : empty;
    bool has = reflection->HasField(message, field.field);
    if (field.pointer) return has ? Show::kYes : empty;
    if (field.kind == ValueKind::kMessage) {
      bool may_go = field.omit_zero || (field.message->form == STRING_ARRAY && !field.keep_empty);
      return may_go && IsZeroForm(reflection->GetMessage(message, field.field), *field.message)
                 ? Show::kNo
                 : Show::kYes;
    }
    if (field.kind == ValueKind::kBytes && !has) return empty;
    if (field.keep_empty) return Show::kYes;
    return has && !IsZero(message, reflection, field) ? Show::kYes : Show::kNo;
  }

  static bool IsZero(const Message& message, const Reflection* reflection, const FieldPlan& field) {
    std::string scratch;
    switch (field.kind) {
      case ValueKind::kBool:
        return !reflection->GetBool(message, field.field);
      case ValueKind::kInt32:
        return reflection->GetInt32(message, field.field) == 0;
      case ValueKind::kInt64:
        return reflection->GetInt64(message, field.field) == 0;
      case ValueKind::kUint32:
        return reflection->GetUInt32(message, field.field) == 0;
      case ValueKind::kUint64:
        return reflection->GetUInt64(message, field.field) == 0;
      case ValueKind::kDouble:
        return reflection->GetDouble(message, field.field) == 0;
      case ValueKind::kString:
      case ValueKind::kBytes:
        return reflection->GetStringReference(message, field.field, &scratch).empty();
      case ValueKind::kMessage:
        return false;
    }
    return false;
  }

  void Single(const Message& message, const Reflection* reflection, const FieldPlan& field) {
    std::string scratch;
    switch (field.kind) {
      case ValueKind::kBool:
        return Bool(reflection->GetBool(message, field.field));
      case ValueKind::kInt32:
        return Number(reflection->GetInt32(message, field.field));
      case ValueKind::kInt64:
        return Number(reflection->GetInt64(message, field.field));
      case ValueKind::kUint32:
        return Number(reflection->GetUInt32(message, field.field));
      case ValueKind::kUint64:
        return Number(reflection->GetUInt64(message, field.field));
      case ValueKind::kDouble:
        return AppendJsonDouble(reflection->GetDouble(message, field.field), out_);
      case ValueKind::kString:
        return AppendJsonString(reflection->GetStringReference(message, field.field, &scratch),
                                out_);
      case ValueKind::kBytes:
        return Bytes(reflection->GetStringReference(message, field.field, &scratch));
      case ValueKind::kMessage:
        return Value(reflection->GetMessage(message, field.field), *field.message);
    }
  }

  void List(const Message& message, const Reflection* reflection, const FieldPlan& field) {
    int size = reflection->FieldSize(message, field.field);
    for (int i = 0; i < size; ++i) {
      out_ += i == 0 ? '[' : ',';
      Element(message, reflection, field, i);
    }
    out_ += ']';
  }

  void Element(const Message& message, const Reflection* reflection, const FieldPlan& field,
               int i) {
    std::string scratch;
    switch (field.kind) {
      case ValueKind::kBool:
        return Bool(reflection->GetRepeatedBool(message, field.field, i));
      case ValueKind::kInt32:
        return Number(reflection->GetRepeatedInt32(message, field.field, i));
      case ValueKind::kInt64:
        return Number(reflection->GetRepeatedInt64(message, field.field, i));
      case ValueKind::kUint32:
        return Number(reflection->GetRepeatedUInt32(message, field.field, i));
      case ValueKind::kUint64:
        return Number(reflection->GetRepeatedUInt64(message, field.field, i));
      case ValueKind::kDouble:
        return AppendJsonDouble(reflection->GetRepeatedDouble(message, field.field, i), out_);
      case ValueKind::kString:
        return AppendJsonString(
            reflection->GetRepeatedStringReference(message, field.field, i, &scratch), out_);
      case ValueKind::kBytes:
        return Bytes(reflection->GetRepeatedStringReference(message, field.field, i, &scratch));
      case ValueKind::kMessage:
        return Value(reflection->GetRepeatedMessage(message, field.field, i), *field.message);
    }
  }

  void Map(const Message& message, const FieldPlan& field) {
    char before = '{';
    for (const MapEntry& entry : SortedMap(message, field.field)) {
      out_ += before;
      before = ',';
      AppendJsonString(entry.key, out_);
      out_ += ':';
      Entry(entry.value, field);
    }
    out_ += '}';
  }

  void Entry(const MapValueConstRef& value, const FieldPlan& field) {
    switch (field.kind) {
      case ValueKind::kBool:
        return Bool(value.GetBoolValue());
      case ValueKind::kInt32:
        return Number(value.GetInt32Value());
      case ValueKind::kInt64:
        return Number(value.GetInt64Value());
      case ValueKind::kUint32:
        return Number(value.GetUInt32Value());
      case ValueKind::kUint64:
        return Number(value.GetUInt64Value());
      case ValueKind::kDouble:
        return AppendJsonDouble(value.GetDoubleValue(), out_);
      case ValueKind::kString:
        return AppendJsonString(value.GetStringValue(), out_);
      case ValueKind::kBytes:
        return Bytes(value.GetStringValue());
      case ValueKind::kMessage:
        return Value(value.GetMessageValue(), *field.message);
    }
  }

  void Bool(bool value) { out_ += value ? "true" : "false"; }
  template <typename T>
  void Number(T value) {
    out_ += std::to_string(value);
  }
  void Bytes(const std::string& bytes) { out_ += '"' + absl::Base64Escape(bytes) + '"'; }

  std::string& out_;
};

}  // namespace

std::string EncodeJson(const Message& message, const EncodeOptions& options) {
  const MessagePlan& plan = PlanOf(message.GetDescriptor());
  std::string out;
  Encoder encoder(out);
  if (plan.form == OBJECT) {
    encoder.Object(message, plan, options.type_meta);
  } else {
    encoder.Value(message, plan);
  }
  return options.pretty ? IndentJson(out) : out;
}

}  // namespace kubelet::api
