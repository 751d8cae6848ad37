#include "api/map_field.h"

#include <algorithm>

// The name is protobuf's: Reflection declares a friend class so called, for reflective users of
// maps.
namespace google::protobuf::expr {
class CelMapReflectionFriend {
 public:
  static bool Insert(Message& message, const FieldDescriptor* field, const MapKey& key,
                     MapValueRef& value) {
    return message.GetReflection()->InsertOrLookupMapValue(&message, field, key, &value);
  }
  static bool Erase(Message& message, const FieldDescriptor* field, const MapKey& key) {
    return message.GetReflection()->DeleteMapValue(&message, field, key);
  }
  static int Size(const Message& message, const FieldDescriptor* field) {
    return message.GetReflection()->MapSize(message, field);
  }
  static MapIterator Begin(Message& message, const FieldDescriptor* field) {
    return message.GetReflection()->MapBegin(&message, field);
  }
  static MapIterator End(Message& message, const FieldDescriptor* field) {
    return message.GetReflection()->MapEnd(&message, field);
  }
};
}  // namespace google::protobuf::expr

namespace kubelet::api {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Access = google::protobuf::expr::CelMapReflectionFriend;

bool InsertMapValue(Message& message, const FieldDescriptor* field, const std::string& key,
                    google::protobuf::MapValueRef& value) {
  google::protobuf::MapKey map_key;
  map_key.SetStringValue(key);
  return Access::Insert(message, field, map_key, value);
}

void EraseMapValue(Message& message, const FieldDescriptor* field, const std::string& key) {
  google::protobuf::MapKey map_key;
  map_key.SetStringValue(key);
  Access::Erase(message, field, map_key);
}

int MapSize(const Message& message, const FieldDescriptor* field) {
  return Access::Size(message, field);
}

std::vector<MapEntry> SortedMap(const Message& message, const FieldDescriptor* field) {
  std::vector<MapEntry> entries;
  int size = MapSize(message, field);
  if (size == 0) return entries;
  entries.reserve(size);
  // The iterator wants a mutable message and does not change it (WireFormat does the same).
  Message& open = const_cast<Message&>(message);
  auto end = Access::End(open, field);
  for (auto it = Access::Begin(open, field); it != end; ++it) {
    entries.push_back({it.GetKey().GetStringValue(), it.GetValueRef()});
  }
  std::sort(entries.begin(), entries.end(),
            [](const MapEntry& a, const MapEntry& b) { return a.key < b.key; });
  return entries;
}

}  // namespace kubelet::api
