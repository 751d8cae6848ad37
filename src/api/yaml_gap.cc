#include "api/yaml_gap.h"

#include <algorithm>
#include <string_view>

#include "api/yaml_text.h"
#include "kubelet/base/status.h"

namespace kubelet::api {

absl::Status YamlGapScanner::SkipTo(size_t pos) {
  if (pos < pos_) return Fail("ambiguous scalar");
  while (pos_ < pos) RETURN_IF_ERROR(Step());
  return pos_ == pos ? absl::OkStatus() : Fail("ambiguous scalar");
}

void YamlGapScanner::Jump(size_t end) {
  pos_ = end;
  size_t last = end == 0 ? std::string::npos : text_.find_last_not_of(" \t", end - 1);
  indentation_ = last != std::string::npos && text_[last] == '\n';
  last_ = 's';
}

absl::Status YamlGapScanner::Finish() {
  RETURN_IF_ERROR(SkipTo(text_.size()));
  return flow_depth_ == 0 ? absl::OkStatus() : Fail("did not find expected ',' or closing bracket");
}

bool YamlGapScanner::BlankAt(size_t pos) const {
  char c = At(pos);
  return c == ' ' || c == '\t' || c == '\n' || pos >= text_.size();
}

absl::Status YamlGapScanner::Fail(const char* message) const {
  auto end = text_.begin() + static_cast<std::ptrdiff_t>(std::min(pos_, text_.size()));
  return YamlError(static_cast<int>(std::count(text_.begin(), end, '\n')) + 1, message);
}

// Directives and the `---` of the document.
bool YamlGapScanner::SkipLineAtStart() {
  if (last_ != '\0' || (pos_ > 0 && At(pos_ - 1) != '\n')) return false;
  if (At(pos_) == '%') {
    pos_ = std::min(text_.find('\n', pos_), text_.size());
    return true;
  }
  if (text_.compare(pos_, 3, "---") != 0 || !BlankAt(pos_ + 3)) return false;
  pos_ += 3;
  indentation_ = false;
  last_ = '-';
  return true;
}

absl::Status YamlGapScanner::Step() {
  if (SkipLineAtStart()) return absl::OkStatus();
  char c = At(pos_);
  if (c == '\n') {
    if (last_ == '?' && !InFlow()) return Fail("an explicit key must stand on the line of its '?'");
    indentation_ = true;
  } else if (c == '\t') {
    if (indentation_ && !InFlow()) return Fail("found a tab character that cannot start any token");
  } else if (c == '#') {
    size_t end = std::min(text_.find('\n', pos_), text_.size());
    if (HasUnicodeBreak(std::string_view(text_).substr(pos_, end - pos_))) {
      return Fail("found a Unicode line break in a comment");
    }
    pos_ = end;
    return absl::OkStatus();
  } else if (c != ' ') {
    return Indicator(c);
  }
  ++pos_;
  return absl::OkStatus();
}

absl::Status YamlGapScanner::Indicator(char c) {
  bool blank = BlankAt(pos_ + 1);
  if (c == '&' || c == '!') {
    // Names and tags were checked with the node; a tag goes on to the next blank.
    std::string_view end = c == '&' ? ",[]{}" : "";
    while (!BlankAt(pos_ + 1) && end.find(At(pos_ + 1)) == std::string_view::npos) ++pos_;
    indentation_ = false;
    last_ = 's';
    ++pos_;
    return absl::OkStatus();
  }
  if (c == '[' || c == '{') {
    ++flow_depth_;
    indentation_ = false;
  } else if ((c == ']' || c == '}') && InFlow()) {
    --flow_depth_;
    indentation_ = false;
    c = 's';
  } else if (c == ',' && InFlow()) {
    if (last_ == ',' || last_ == '[' || last_ == '{')
      return Fail("did not find expected node content");
  } else if (c == ':' && (blank || InFlow())) {
    // Behind a key on its line a value may follow a tab; an explicit `:` is indentation like `-`
    // and `?`.
  } else if ((c == '-' && blank && !InFlow()) || (c == '?' && blank)) {
    indentation_ = true;
  } else {
    return Fail("found character that cannot start any token");
  }
  last_ = c;
  ++pos_;
  return absl::OkStatus();
}

}  // namespace kubelet::api
