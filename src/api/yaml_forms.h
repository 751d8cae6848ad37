// Text forms behind the tags !!timestamp and !!binary. Pure functions; thread safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kubelet::api {

// One of the layouts go-yaml v2 reads: 2006-1-2, 2006-1-2T15:4:5.999999999Z07:00 (also with t) and
// 2006-1-2 15:4:5.999999999.
bool IsYamlTimestamp(std::string_view text);

// Base64 of RFC 4648 with padding; line breaks between the characters are skipped. Nothing for
// other text.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace kubelet::api
