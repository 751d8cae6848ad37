#include "config/field_path.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <memory>

#include "config/text.h"
#include "kubelet/api/options.pb.h"
#include "kubelet/api/time.h"
#include "kubelet/base/status.h"

namespace kubelet::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsInlined(const FieldDescriptor& field) { return field.options().GetExtension(api::inlined); }
bool IsPointer(const FieldDescriptor& field) { return field.options().GetExtension(api::pointer); }

api::JsonForm FormOf(const FieldDescriptor& field) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return api::OBJECT;
  return field.message_type()->options().GetExtension(api::json_form);
}

// Fields from `type` to the one called `name`; more than one step when it stands in an inlined
// message.
std::vector<const FieldDescriptor*> StepsTo(const Descriptor& type, const std::string& name) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (!IsInlined(*field) && field->json_name() == name) return {field};
  }
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (!IsInlined(*field)) continue;
    std::vector<const FieldDescriptor*> rest = StepsTo(*field->message_type(), name);
    if (rest.empty()) continue;
    rest.insert(rest.begin(), field);
    return rest;
  }
  return {};
}

std::vector<const FieldDescriptor*> Resolve(const Descriptor& root, const std::string& path) {
  std::vector<const FieldDescriptor*> steps;
  const Descriptor* type = &root;
  for (const std::string& name : Split(path, '.')) {
    if (type == nullptr) return {};
    std::vector<const FieldDescriptor*> more = StepsTo(*type, name);
    if (more.empty()) return {};
    steps.insert(steps.end(), more.begin(), more.end());
    bool enters = !steps.back()->is_repeated() &&
                  steps.back()->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    type = enters ? steps.back()->message_type() : nullptr;
  }
  return steps;
}

// The single field of Duration, Quantity and their kin.
const FieldDescriptor* OnlyField(const FieldDescriptor& field) {
  return field.message_type()->field(0);
}

std::string ScalarText(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* reflection = message.GetReflection();
  bool list = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return (list ? reflection->GetRepeatedBool(message, field, index)
                   : reflection->GetBool(message, field))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(list ? reflection->GetRepeatedInt32(message, field, index)
                                 : reflection->GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(list ? reflection->GetRepeatedInt64(message, field, index)
                                 : reflection->GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(list ? reflection->GetRepeatedUInt32(message, field, index)
                                 : reflection->GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      std::string text = std::to_string(reflection->GetDouble(message, field));
      text.erase(text.find_last_not_of('0') + 1);
      return text.back() == '.' ? text + "0" : text;
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return list ? reflection->GetRepeatedString(message, field, index)
                  : reflection->GetString(message, field);
    default:
      return "";
  }
}

std::string MapText(const Message& message, const FieldDescriptor* field, char separator) {
  const Reflection* reflection = message.GetReflection();
  const FieldDescriptor* key = field->message_type()->map_key();
  const FieldDescriptor* value = field->message_type()->map_value();
  std::vector<std::string> pairs;
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, field, i);
    pairs.push_back(ScalarText(entry, key, -1) + separator + ScalarText(entry, value, -1));
  }
  std::sort(pairs.begin(), pairs.end());
  return Join(pairs, ",");
}

bool IsZeroScalar(const Message& message, const FieldDescriptor* field) {
  std::string text = ScalarText(message, field, -1);
  return text.empty() || text == "0" || text == "false" || text == "0.0";
}

void AddLeaves(const Descriptor& type, const std::string& prefix, std::vector<std::string>& paths) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    bool object = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated() &&
                  FormOf(*field) == api::OBJECT;
    if (IsInlined(*field)) {
      AddLeaves(*field->message_type(), prefix, paths);
    } else if (object) {
      AddLeaves(*field->message_type(), prefix + field->json_name() + ".", paths);
    } else {
      paths.push_back(prefix + field->json_name());
    }
  }
}

// A message of the same type that holds nothing but this field.
std::unique_ptr<Message> OnlyWith(FieldRef ref) {
  std::unique_ptr<Message> copy(ref.message->New());
  std::unique_ptr<Message> only(ref.message->New());
  copy->CopyFrom(*ref.message);
  only->GetReflection()->SwapFields(only.get(), copy.get(), {ref.field});
  return only;
}

}  // namespace

bool IsDuration(const FieldDescriptor& field) {
  return !field.is_repeated() &&
         (FormOf(field) == api::DURATION || FormOf(field) == api::TIME_OR_DURATION);
}

FieldRef FindField(const Message& root, const std::string& path) {
  std::vector<const FieldDescriptor*> steps = Resolve(*root.GetDescriptor(), path);
  if (steps.empty()) return {};
  const Message* message = &root;
  for (size_t i = 0; i + 1 < steps.size(); ++i) {
    message = &message->GetReflection()->GetMessage(*message, steps[i]);
  }
  return {message, steps.back()};
}

MutableFieldRef MutableField(Message& root, const std::string& path) {
  std::vector<const FieldDescriptor*> steps = Resolve(*root.GetDescriptor(), path);
  if (steps.empty()) return {};
  Message* message = &root;
  for (size_t i = 0; i + 1 < steps.size(); ++i) {
    message = message->GetReflection()->MutableMessage(message, steps[i]);
  }
  return {message, steps.back()};
}

bool IsUnset(FieldRef ref) {
  const Reflection* reflection = ref.message->GetReflection();
  if (ref.field->is_repeated()) return reflection->FieldSize(*ref.message, ref.field) == 0;
  if (!reflection->HasField(*ref.message, ref.field)) return true;
  if (IsPointer(*ref.field)) return false;
  if (ref.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
    return IsZeroScalar(*ref.message, ref.field);
  if (FormOf(*ref.field) == api::OBJECT) return false;
  return IsZeroScalar(reflection->GetMessage(*ref.message, ref.field), OnlyField(*ref.field));
}

absl::Status SetScalar(MutableFieldRef ref, const std::string& text) {
  const Reflection* reflection = ref.message->GetReflection();
  switch (ref.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL: {
      ASSIGN_OR_RETURN(bool value, ParseBool(text));
      reflection->SetBool(ref.message, ref.field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      ASSIGN_OR_RETURN(int64_t value, ParseInt(text, 32));
      reflection->SetInt32(ref.message, ref.field, static_cast<int32_t>(value));
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      ASSIGN_OR_RETURN(int64_t value, ParseInt(text, 64));
      reflection->SetInt64(ref.message, ref.field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      ASSIGN_OR_RETURN(uint32_t value, ParseLevel(text));
      reflection->SetUInt32(ref.message, ref.field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING:
      reflection->SetString(ref.message, ref.field, text);
      return absl::OkStatus();
    default:
      break;
  }
  if (!IsDuration(*ref.field)) {
    return absl::InternalError(ref.field->json_name() + ": has no scalar text form");
  }
  ASSIGN_OR_RETURN(base::Nanos value, api::ParseGoDuration(text));
  Message* holder = reflection->MutableMessage(ref.message, ref.field);
  holder->GetReflection()->SetInt64(holder, OnlyField(*ref.field), value.count());
  return absl::OkStatus();
}

std::string FieldText(FieldRef ref, char map_separator) {
  const Reflection* reflection = ref.message->GetReflection();
  if (ref.field->is_map()) return MapText(*ref.message, ref.field, map_separator);
  if (ref.field->is_repeated()) {
    std::vector<std::string> items;
    for (int i = 0; i < reflection->FieldSize(*ref.message, ref.field); ++i) {
      items.push_back(ScalarText(*ref.message, ref.field, i));
    }
    return items.empty() ? "" : "[" + Join(items, ",") + "]";
  }
  if (ref.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
    return ScalarText(*ref.message, ref.field, -1);
  if (FormOf(*ref.field) == api::OBJECT) return "";
  const Message& holder = reflection->GetMessage(*ref.message, ref.field);
  if (IsDuration(*ref.field)) {
    return base::GoDuration(
        base::Nanos(holder.GetReflection()->GetInt64(holder, OnlyField(*ref.field))));
  }
  return ScalarText(holder, OnlyField(*ref.field), -1);
}

std::optional<int64_t> FieldInteger(FieldRef ref) {
  if (ref.field->is_repeated()) return std::nullopt;
  const Reflection* reflection = ref.message->GetReflection();
  switch (ref.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->GetInt32(*ref.message, ref.field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->GetInt64(*ref.message, ref.field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->GetUInt32(*ref.message, ref.field);
    default:
      break;
  }
  if (!IsDuration(*ref.field)) return std::nullopt;
  const Message& holder = reflection->GetMessage(*ref.message, ref.field);
  return holder.GetReflection()->GetInt64(holder, OnlyField(*ref.field));
}

bool SameValue(const Message& a, const Message& b, const std::string& path) {
  FieldRef left = FindField(a, path);
  FieldRef right = FindField(b, path);
  if (!left || !right) return false;
  if (IsUnset(left) && IsUnset(right)) return true;
  std::unique_ptr<Message> left_only = OnlyWith(left);
  std::unique_ptr<Message> right_only = OnlyWith(right);
  return google::protobuf::util::MessageDifferencer::Equivalent(*left_only, *right_only);
}

std::vector<std::string> LeafPaths() {
  std::vector<std::string> paths;
  AddLeaves(*v1beta1::KubeletConfiguration::descriptor(), "", paths);
  return paths;
}

}  // namespace kubelet::config
