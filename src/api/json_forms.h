// Messages whose JSON is not an object of their fields: quantities, times, durations and the like,
// both ways; and the base64 of byte fields.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "api/json_sax.h"
#include "api/plan.h"

namespace kubelet::api {

// A JSON value that is neither an object nor an array.
struct JsonToken {
  enum class Type { kNull, kBool, kNumber, kString };
  Type type = Type::kNull;
  bool boolean = false;
  JsonNumber number;
  std::string_view text;  // of a string
  const char* TypeName() const;
};

// `expected WANTED, got TYPE`.
absl::Status Mismatch(const std::string& wanted, const std::string& got);
// What a value of the form looks like: `a quantity`, `a string`.
const char* FormName(JsonForm form);

// Reads a token that is not null into a message of a form other than OBJECT, RAW_JSON and
// STRING_ARRAY. InvalidArgument says what is wrong, without a path.
absl::Status DecodeForm(const JsonToken& token, const MessagePlan& plan,
                        google::protobuf::Message& out);
// Appends the JSON of a message of a form other than OBJECT.
void EncodeForm(const google::protobuf::Message& message, const MessagePlan& plan,
                std::string& out);
// A zero time, or an empty list: what omitzero and omitempty leave out.
bool IsZeroForm(const google::protobuf::Message& message, const MessagePlan& plan);

// Standard alphabet with padding; line breaks are skipped, as in Go.
bool DecodeBase64(std::string_view text, std::string& out);

}  // namespace kubelet::api
