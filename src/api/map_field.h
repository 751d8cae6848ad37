// Map fields by reflection without their repeated view: protobuf 3.21 keeps that part of Reflection
// to itself and to the friends it names. Through the public view every map would be held twice in
// memory.
#pragma once

#include <google/protobuf/map_field.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace kubelet::api {

struct MapEntry {
  std::string key;
  google::protobuf::MapValueConstRef value;
};

// The value of `key`, made when it is not there. Returns whether it was made.
bool InsertMapValue(google::protobuf::Message& message,
                    const google::protobuf::FieldDescriptor* field, const std::string& key,
                    google::protobuf::MapValueRef& value);
void EraseMapValue(google::protobuf::Message& message,
                   const google::protobuf::FieldDescriptor* field, const std::string& key);
int MapSize(const google::protobuf::Message& message,
            const google::protobuf::FieldDescriptor* field);
// Sorted by key, bytewise; values stay owned by the message.
std::vector<MapEntry> SortedMap(const google::protobuf::Message& message,
                                const google::protobuf::FieldDescriptor* field);

}  // namespace kubelet::api
