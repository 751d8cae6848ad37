// What a YAML scalar means: go-yaml v2's reading of YAML 1.1 (its resolve.go), which decides what a
// static pod's `yes`, `010` or `1_000` is. Pure functions; thread safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kubelet::api {

struct YamlValue {
  enum class Kind : uint8_t { kNull, kBool, kInt, kUint, kFloat, kString };
  Kind kind = Kind::kNull;
  bool boolean = false;
  int64_t integer = 0;
  uint64_t natural = 0;  // kUint: only values above the range of int64
  double number = 0;     // kFloat, may be infinite or NaN
  std::string text;      // kString
};

// `tag` is empty or a full tag such as `tag:yaml.org,2002:int`; `plain` is false for quoted and
// block scalars. Untagged plain: y/yes/true/on and n/no/false/off in three cases are booleans;
// empty, ~ and null are null; integers are Go's base 0 (0x, 0o, 0b, leading 0) with _ removed,
// floats what YAML 1.1 writes without base 60; `08` is a float; everything else, dates too, is a
// string. !!binary is decoded (what is not UTF-8 in it becomes U+FFFD in JSON); unknown tags make
// strings. InvalidArgument, without a line: text that the explicit tag does not allow.
absl::StatusOr<YamlValue> ResolveYamlScalar(std::string_view tag, bool plain,
                                            const std::string& text);

// Whether `text`, written plain, is a string to every reader: those that know YAML 1.1's timestamps
// too.
bool ReadsAsString(const std::string& text);

// The text of a map key in JSON. InvalidArgument, without a line: null, and integers above int64
// (as upstream).
absl::StatusOr<std::string> YamlKey(const YamlValue& value);

// Appends the value as encoding/json writes it. InvalidArgument, without a line: infinities and
// NaN.
absl::Status AppendJson(std::string& out, const YamlValue& value);

// A float as go-yaml writes it: shortest digits, an exponent below 1e-4 and from 1e6 on.
std::string YamlFloat(double number);

}  // namespace kubelet::api
