#include "resource/go_json.h"

#include <cstdio>

namespace kubelet::resource {

std::string GoQuoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || c == '<' || c == '>' || c == '&') {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

absl::StatusOr<boost::json::object> ParseObject(const std::string& text, const std::string& what) {
  boost::json::error_code error;
  boost::json::value value = boost::json::parse(text, error);
  if (error) return absl::InvalidArgumentError(what + " is no JSON: " + error.message());
  if (!value.is_object()) return absl::InvalidArgumentError(what + " is no JSON object");
  return std::move(value.as_object());
}

}  // namespace kubelet::resource
