// For files that upstream reads leniently where they are not as strict reading wants them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::api {

// As YamlToJson (codec.h), but a key that a mapping has twice is no error: the last one counts, as
// in Go's encoding/json and go-yaml's lenient mode, and `duplicates` gets a line for it
// (`line 3: key "a" already set in map`).
absl::StatusOr<std::string> YamlToJsonLeniently(std::string_view yaml,
                                                std::vector<std::string>& duplicates);

}  // namespace kubelet::api
