// Fields of a KubeletConfiguration by their JSON path (`authentication.webhook.cacheTTL`), through
// reflection. What the tables of defaults, flags, limits and unbuilt capabilities share. Pure;
// thread safe.
#pragma once

#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/base/time.h"
#include "kubelet/config/v1beta1/config.pb.h"

namespace kubelet::config {

struct FieldRef {
  const google::protobuf::Message* message = nullptr;
  const google::protobuf::FieldDescriptor* field = nullptr;
  explicit operator bool() const { return field != nullptr; }
};

// The field and the message that holds it; empty for an unknown path. Parents that are absent are
// read as their default instance. Fields of an inlined message are found in its parent.
FieldRef FindField(const google::protobuf::Message& root, const std::string& path);

// The same for writing: parents are created.
struct MutableFieldRef {
  google::protobuf::Message* message = nullptr;
  const google::protobuf::FieldDescriptor* field = nullptr;
  explicit operator bool() const { return field != nullptr; }
};
MutableFieldRef MutableField(google::protobuf::Message& root, const std::string& path);

// Upstream's "was not set": a pointer is nil, anything else is zero or empty.
bool IsUnset(FieldRef ref);

// Writes a scalar or a duration from its text; durations as Go writes them. InvalidArgument names
// the value.
absl::Status SetScalar(MutableFieldRef ref, const std::string& text);

// The value for people: 1m0s, [a,b], k=v,k=v; empty when unset and for messages that are no scalar.
std::string FieldText(FieldRef ref, char map_separator = '=');

// Value of an integer or duration field (nanoseconds), 0 when unset; nullopt for other types.
std::optional<int64_t> FieldInteger(FieldRef ref);

// Whether both hold the same value at the path; maps compare without order.
bool SameValue(const google::protobuf::Message& a, const google::protobuf::Message& b,
               const std::string& path);

// True for Duration and TimeOrDuration messages.
bool IsDuration(const google::protobuf::FieldDescriptor& field);

// JSON paths of all fields that are no object of ours: scalars, durations, lists, maps, quantities.
std::vector<std::string> LeafPaths();

}  // namespace kubelet::config
