// Random changes of objects by reflection, for property tests of patches: the result is an object
// that a server would hold, with merge keys that are there and not repeated.
#pragma once

#include <google/protobuf/message.h>

#include <random>
#include <string>

#include "kubelet/api/options.pb.h"

namespace kubelet::api::test {

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  // One change of the message or below it; `key` is the JSON name of a field to leave alone.
  void Mutate(google::protobuf::Message& message, const std::string& key = "") {
    const auto* type = message.GetDescriptor();
    if (type->options().GetExtension(json_form) != OBJECT) return Form(message);
    if (type->field_count() == 0) return;
    const auto* field = type->field(static_cast<int>(Below(type->field_count())));
    if (field->json_name() == key) return;
    if (field->is_map()) return Map(message, field);
    if (field->is_repeated()) return List(message, field);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return Single(message, field);
    if (Below(3) == 0 && !field->is_required())
      return message.GetReflection()->ClearField(&message, field);
    Scalar(message, field);
  }

 private:
  using FieldDescriptor = google::protobuf::FieldDescriptor;
  using Message = google::protobuf::Message;

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  std::string Fresh() { return "x" + std::to_string(++serial_); }

  // Values with a JSON form of their own.
  void Form(Message& message) {
    const auto* type = message.GetDescriptor();
    const auto* reflection = message.GetReflection();
    switch (type->options().GetExtension(json_form)) {
      case QUANTITY:
        return reflection->SetString(&message, type->field(0), std::to_string(Below(9)) + "Mi");
      case TIME:
        return reflection->SetInt64(&message, type->field(0),
                                    static_cast<int64_t>(1 + Below(1'000'000)));
      case INT_OR_STRING:
        reflection->SetInt64(&message, type->field(0), 0);
        reflection->SetInt32(&message, type->field(1), static_cast<int32_t>(Below(100)));
        return reflection->ClearField(&message, type->field(2));
      case STRING_ARRAY:
        return reflection->AddString(&message, type->field(0), Fresh());
      default:
        return;
    }
  }

  void Scalar(Message& message, const FieldDescriptor* field) {
    const auto* reflection = message.GetReflection();
    auto number = static_cast<int32_t>(1 + ++serial_);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection->SetBool(&message, field, Below(2) == 0);
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection->SetString(&message, field, Fresh());
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection->SetInt32(&message, field, number);
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection->SetInt64(&message, field, number);
      default:
        return;
    }
  }

  void Single(Message& message, const FieldDescriptor* field) {
    const auto* reflection = message.GetReflection();
    if (Below(5) == 0) return reflection->ClearField(&message, field);
    Mutate(*reflection->MutableMessage(&message, field));
  }

  void Map(Message& message, const FieldDescriptor* field) {
    const auto* reflection = message.GetReflection();
    if (Below(2) == 0 && reflection->FieldSize(message, field) > 0) {
      reflection->RemoveLast(&message, field);
      return;
    }
    Message& entry = *reflection->AddMessage(&message, field);
    const auto* type = entry.GetDescriptor();
    Scalar(entry, type->field(0));
    if (type->field(1)->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Mutate(*entry.GetReflection()->MutableMessage(&entry, type->field(1)));
    } else {
      Scalar(entry, type->field(1));
    }
  }

  void List(Message& message, const FieldDescriptor* field) {
    const auto* reflection = message.GetReflection();
    int size = reflection->FieldSize(message, field);
    auto any = static_cast<int>(Below(size > 0 ? size : 1));
    auto action = Below(5);
    if (action == 0 && size > 0) {
      reflection->SwapElements(&message, field, any, size - 1);
      return reflection->RemoveLast(&message, field);
    }
    if (action == 1 && size > 1) return reflection->SwapElements(&message, field, any, 0);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      if (field->type() == FieldDescriptor::TYPE_STRING)
        reflection->AddString(&message, field, Fresh());
      return;
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return;
    std::string key = field->options().GetExtension(patch_merge_key);
    if (action > 2 && size > 0)
      return Mutate(*reflection->MutableRepeatedMessage(&message, field, any), key);
    Message& item = *reflection->AddMessage(&message, field);
    if (size > 0 && Below(2) == 0)
      item.CopyFrom(reflection->GetRepeatedMessage(message, field, any));
    const auto* type = item.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i)
      if (type->field(i)->json_name() == key) Scalar(item, type->field(i));
  }

  std::mt19937_64 random_;
  uint64_t serial_ = 0;
};

}  // namespace kubelet::api::test
