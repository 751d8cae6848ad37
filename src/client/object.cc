#include "kubelet/client/object.h"

#include <algorithm>

namespace kubelet::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

template <typename Meta>
const FieldDescriptor* MetaField(const Message& message) {
  const auto* field = message.GetDescriptor()->FindFieldByName("metadata");
  if (field == nullptr || field->message_type() != Meta::descriptor()) return nullptr;
  return field;
}

template <typename Meta>
const Meta& Get(const Message& message) {
  const auto* field = MetaField<Meta>(message);
  if (field == nullptr) return Meta::default_instance();
  return static_cast<const Meta&>(message.GetReflection()->GetMessage(message, field));
}

}  // namespace

const api::meta::ObjectMeta& MetaOf(const Message& object) {
  return Get<api::meta::ObjectMeta>(object);
}

api::meta::ObjectMeta& MutableMetaOf(Message& object) {
  const auto* field = MetaField<api::meta::ObjectMeta>(object);
  return static_cast<api::meta::ObjectMeta&>(
      *object.GetReflection()->MutableMessage(&object, field));
}

const api::meta::ListMeta& ListMetaOf(const Message& list) {
  return Get<api::meta::ListMeta>(list);
}

std::vector<MessagePtr> TakeItems(Message& list) {
  std::vector<MessagePtr> items;
  const auto* field = list.GetDescriptor()->FindFieldByName("items");
  const auto* reflection = list.GetReflection();
  if (field == nullptr || !field->is_repeated()) return items;
  // Only the last one can be released.
  for (int left = reflection->FieldSize(list, field); left > 0; --left) {
    items.emplace_back(reflection->ReleaseLast(&list, field));
  }
  std::reverse(items.begin(), items.end());
  return items;
}

}  // namespace kubelet::client
