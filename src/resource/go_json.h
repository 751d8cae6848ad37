// JSON as the state files of a Go kubelet have it.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::resource {

// As Go's encoding/json writes a string.
std::string GoQuoted(const std::string& text);
// InvalidArgument, with `what` in front, for anything but one JSON object.
absl::StatusOr<boost::json::object> ParseObject(const std::string& text, const std::string& what);

}  // namespace kubelet::resource
