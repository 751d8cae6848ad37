// Image references: `[registry[:port]/]path[:tag][@digest]`.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace kubelet::image {

// The reference with `:latest` added when it has neither tag nor digest; otherwise as written.
// InvalidArgument when it is outside the grammar of distribution/reference (upper case path, empty part, bad tag).
absl::StatusOr<std::string> WithDefaultTag(const std::string& image);

// imagePullPolicy an empty one stands for: Always for `latest`, else IfNotPresent.
std::string DefaultPullPolicy(const std::string& image);

}  // namespace kubelet::image
