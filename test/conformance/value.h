// JSON values as cases see them: read from YAML, placeholders put in, looked up by path. Pure.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::conformance {

using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// One YAML document. InvalidArgument with the reader's words.
absl::StatusOr<Json> ParseYaml(const std::string& text);
absl::StatusOr<Json> ParseJson(const std::string& text);

// What `$NAME` and `${NAME}` stand for. Other dollars stay as they are, so scripts can have
// variables of their own. A string that is nothing but a placeholder ending in `_PORT` becomes a
// number.
using Vars = std::map<std::string, std::string>;
std::string Substitute(const std::string& text, const Vars& vars);
Json SubstituteIn(const Json& value, const Vars& vars);

// `status.containerStatuses[main].ready`: members by dots; in brackets an index, the `name`,
// `type`, `mountPath`, `ip` or `key` of a list's element, or a member's name with dots in it.
// Null: there is no such thing.
const Json* Find(const Json& root, const std::string& path);
// Text of a scalar, compact JSON of anything else.
std::string TextOf(const Json& value);

// Member of an object as text; `otherwise` when it is absent.
std::string Text(const JsonObject& object, const std::string& key,
                 const std::string& otherwise = "");
// Strings of a member that is a list, or one string.
std::vector<std::string> Texts(const JsonObject& object, const std::string& key);

}  // namespace kubelet::conformance
