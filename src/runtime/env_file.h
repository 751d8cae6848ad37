// Files of variables, which fileKeyRef reads (pkg/kubelet/util/env of 1.36).
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace kubelet::runtime {

// The value of `key`: of its first assignment. Empty when there is none, or when blanks stand
// before the value. InvalidArgument names the first line up to there that is none of: blank, `#
// comment`, `NAME='value'`, a comment after the closing quote. A value may span lines, and every
// byte but the quote stands for itself; a carriage return that ends a line is dropped.
absl::StatusOr<std::string> ParseEnvFile(const std::string& text, const std::string& key);

}  // namespace kubelet::runtime
