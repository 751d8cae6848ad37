// JSON to YAML in the style of sigs.k8s.io/yaml. Pure function; thread safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kubelet::api {

// Block style: keys sorted, numbers in them by value (a2 before a10); `- ` at the column of the key
// it belongs to; text with line breaks as `|`; strings quoted only when they would be read as
// something else. YamlToJson of the result has the value of `json`. Deviations from upstream: long
// lines are not folded, and keys with line breaks are double-quoted. InvalidArgument when `json` is
// not one JSON value or deeper than the JSON codec allows.
absl::StatusOr<std::string> JsonToYaml(std::string_view json);

}  // namespace kubelet::api
