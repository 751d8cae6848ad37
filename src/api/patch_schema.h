// What patches know of a place in an object: its type, and how a field there is merged.
#pragma once

#include <google/protobuf/message.h>

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/plan.h"

namespace kubelet::api {

// Keys of a strategic merge patch that are orders rather than fields.
inline constexpr std::string_view kPatchDirective = "$patch";
inline constexpr std::string_view kRetainKeys = "$retainKeys";
inline constexpr std::string_view kDeleteFromList = "$deleteFromPrimitiveList/";
inline constexpr std::string_view kSetElementOrder = "$setElementOrder/";

// The type of an object: a message, a map's entries, or nothing known (raw JSON).
struct PatchSchema {
  const MessagePlan* message = nullptr;
  const FieldPlan* map = nullptr;
};

struct PatchField {
  PatchSchema schema;  // of the value; of a list, of its items
  bool merge = false;
  bool replace = false;
  bool retain_keys = false;
  std::string merge_key;  // empty: a list of scalars
};

// How the field `key` of an object of this type is merged; the default for what is not known.
PatchField FindPatchField(const PatchSchema& schema, std::string_view key);

// InvalidArgument when the text is not JSON.
absl::StatusOr<boost::json::value> ParsePatchValue(std::string_view text,
                                                   boost::json::storage_ptr storage = {});
// `value` as a message of the type of `object`, moved there; `object` is untouched when it is none
// (InvalidArgument).
absl::Status StoreValue(const boost::json::value& value, google::protobuf::Message& object);

// What identifies an item: the value of its merge key, or the item itself when `merge_key` is
// empty. Null when absent.
const boost::json::value* ItemKey(const boost::json::value& item, std::string_view merge_key);

}  // namespace kubelet::api
