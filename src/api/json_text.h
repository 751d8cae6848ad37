// JSON as text: the escapes of Go's encoding/json, compacting, indenting, and mending what is not
// Unicode.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kubelet::api {

// Appends `text` quoted, byte for byte as Go does: <>& and U+2028/9 as \u escapes, bad UTF-8 as
// \ufffd.
void AppendJsonString(std::string_view text, std::string& out);
// Appends the shortest text that reads back as `value`, in Go's form (1e+21, 1e-7, 0.5).
void AppendJsonDouble(double value, std::string& out);
// Appends `json` without white space and with Go's escapes. False, and nothing appended, when it is
// not one JSON value.
bool AppendCompactJson(std::string_view json, std::string& out);
// Compact JSON with line breaks and two spaces a level, as Go's json.Indent.
std::string IndentJson(std::string_view compact);

// Bad UTF-8 and lone surrogate escapes as U+FFFD, which is how Go reads them; nullopt when there
// are none.
std::optional<std::string> MendUnicode(std::string_view json);

}  // namespace kubelet::api
