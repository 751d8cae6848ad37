// How a child tells its answer: the status code and a line feed, then the message or the result.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::os {

std::string EncodeAnswer(const absl::StatusOr<std::string>& answer);
// nullopt: it ended before it had told everything.
std::optional<absl::StatusOr<std::string>> DecodeAnswer(const std::string& text);

}  // namespace kubelet::os
