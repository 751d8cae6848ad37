// JSON values as trees, for what the codec does not do: merge patch and looking whether a key is
// there. Numbers keep their text, objects the order of their keys. Depth is bounded.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::config {

struct JsonMember;

struct JsonValue {
  enum class Kind { kNull, kLiteral, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  std::string
      text;  // literals (true, 12.5) as they stood; strings still escaped, without the quotes
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;

  bool IsNull() const { return kind == Kind::kNull; }
  // The last member of that name, or nullptr.
  const JsonValue* Find(const std::string& key) const;
};

struct JsonMember {
  std::string key;  // still escaped
  JsonValue value;
};

// InvalidArgument with the offset for what is no JSON, or is nested deeper than 500.
absl::StatusOr<JsonValue> ParseJson(const std::string& json);
std::string WriteJson(const JsonValue& value);

// RFC 7386: null removes, objects merge, everything else replaces.
JsonValue MergePatch(JsonValue target, const JsonValue& patch);

}  // namespace kubelet::config
