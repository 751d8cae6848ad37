// First step of reading YAML: bytes to the text of the first document.
//
// yaml-cpp reads laxly (0.7: bad UTF-8, control characters, unknown directives and anything behind
// the first document pass), so what go-yaml refuses before its grammar is refused here. Pure
// functions; thread safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kubelet::api {

// Upstream's maxConfigLength (pkg/kubelet/config/common.go): manifests above it are refused.
inline constexpr size_t kMaxYamlBytes = 10 << 20;

// InvalidArgument `yaml: line 3: message`; `line` counts from 1, 0 leaves it out.
absl::Status YamlError(int line, const std::string& message);

// Text of the first document, directives and `---` included, up to and without the next `---` or
// `...`. Line breaks (CR LF, CR and U+0085) have become \n, a byte order mark is gone; line numbers
// still hold.
// Refuses: over kMaxYamlBytes; bad UTF-8 and control characters anywhere in the input; directives
// other than `%YAML 1.1` and `%TAG`, and directives without `---`; content behind `...`; `...`
// before any document.
absl::StatusOr<std::string> FirstYamlDocument(std::string_view input);

// Whether U+2028 or U+2029 is in `text`: line breaks to go-yaml, ordinary characters to yaml-cpp.
bool HasUnicodeBreak(std::string_view text);

// Appends the character as UTF-8; a surrogate or a value over 0x10ffff becomes U+FFFD.
void AppendUtf8(std::string& out, unsigned character);

// The character at `pos` and how many bytes it takes; length 0 for bytes that are not UTF-8.
struct Utf8Character {
  unsigned value = 0;
  int length = 0;
};
Utf8Character DecodeUtf8(std::string_view text, size_t pos);

}  // namespace kubelet::api
