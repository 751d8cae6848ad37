// The text of YAML scalars, read from the source at the place yaml-cpp names.
//
// yaml-cpp 0.7 knows where a scalar starts but is no judge of it: it ends an open quote at the end
// of the text, and loses or adds line breaks at the end of block scalars. Pure functions; errors
// are InvalidArgument without a line.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::api {

struct ScalarText {
  std::string value;
  size_t end =
      0;  // behind the scalar; for a block scalar the start of the first line that is not its own
};

// `start` is at the opening quote. Refuses an open quote and unknown escapes. Both `\/` (JSON,
// libyaml 0.2.5) and
// `\'` (go-yaml) are known.
absl::StatusOr<ScalarText> ReadQuotedScalar(const std::string& text, size_t start);

// `start` is at | or >; `read` is what yaml-cpp made of it, which says where the parent's
// indentation lies. Refuses tabs in the indentation, blank lines at the top that are indented
// deeper than the text, and any disagreement with `read` over more than white space.
absl::StatusOr<ScalarText> ReadBlockScalar(const std::string& text, size_t start,
                                           const std::string& read);

// `value` is what yaml-cpp read; only the end is ours. Refuses a disagreement over more than white
// space.
absl::StatusOr<ScalarText> ReadPlainScalar(const std::string& text, size_t start,
                                           const std::string& value);

}  // namespace kubelet::api
