// Where the next value of a JSON document goes, and putting it there by reflection.
#pragma once

#include <google/protobuf/map_field.h>
#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "api/json_forms.h"
#include "api/plan.h"

namespace kubelet::api {

// A field of `owner`, one more element of its list, or a new entry of its map.
struct Place {
  enum class Kind : uint8_t { kField, kElement, kEntry };
  Kind kind;
  google::protobuf::Message* owner;
  const FieldPlan* field;
  google::protobuf::MapValueRef entry;  // of kEntry: already made, with the zero value
};

// The message at a place of kind kMessage; makes it when it is not there.
google::protobuf::Message& MessageAt(const Place& place);
// What belongs there, for error messages: `an integer`.
const char* WantedAt(const Place& place);

// InvalidArgument, without a path, for a value of another type or out of range.
absl::Status StoreScalar(const Place& place, const JsonToken& token);
// null: the zero value in a list or map. In a field it takes back what may be absent and leaves the
// rest alone.
void StoreNull(const Place& place);

}  // namespace kubelet::api
