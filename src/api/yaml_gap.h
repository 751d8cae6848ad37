// What stands between the scalars of a YAML text: indentation, comments, indicators, properties.
//
// yaml-cpp skips or guesses over much of what go-yaml refuses (tabs in the indentation, empty
// entries of flow sequences, an open bracket at the end). The reader shows every scalar to this
// scanner, so that each character of the text is accounted for exactly once. Not thread safe.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"

namespace kubelet::api {

class YamlGapScanner {
 public:
  // `text` must outlive the scanner; see FirstYamlDocument.
  explicit YamlGapScanner(const std::string& text) : text_(text) {}

  // Checks from the end of the last scalar to `pos`, where the next scalar, alias or the end of the
  // text is. InvalidArgument `yaml: line 3: …`.
  absl::Status SkipTo(size_t pos);
  // Goes behind the scalar or alias that began where SkipTo stopped, and white space that belongs
  // to it.
  void Jump(size_t end);
  // SkipTo the end of the text, and every bracket is closed.
  absl::Status Finish();

  bool InFlow() const { return flow_depth_ > 0; }

 private:
  char At(size_t pos) const { return pos < text_.size() ? text_[pos] : '\0'; }
  bool BlankAt(size_t pos) const;
  absl::Status Fail(const char* message) const;
  absl::Status Step();
  absl::Status Indicator(char c);
  bool SkipLineAtStart();

  const std::string& text_;
  size_t pos_ = 0;
  int flow_depth_ = 0;
  // Nothing on this line yet that could be followed by a value: a tab here would be indentation.
  bool indentation_ = true;
  char last_ = '\0';  // last indicator; 's' for a scalar or property
};

}  // namespace kubelet::api
