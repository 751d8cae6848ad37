#include "conformance/value.h"

#include <algorithm>
#include <cctype>

#include "kubelet/api/codec.h"

namespace kubelet::conformance {
namespace {

bool NameCharacter(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

const Json* Element(const JsonArray& list, const std::string& key) {
  if (!key.empty() &&
      std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
    size_t index = std::stoul(key);
    if (index < list.size()) return &list[index];
  }
  for (const Json& element : list) {
    if (element.is_string() && element.as_string() == key) return &element;
    if (!element.is_object()) continue;
    for (const char* name : {"name", "type", "mountPath", "ip", "key"}) {
      const Json* value = element.as_object().if_contains(name);
      if (value != nullptr && TextOf(*value) == key) return &element;
    }
  }
  return nullptr;
}

// The next step of a path from `at` on, which is moved behind it.
std::string NextKey(const std::string& path, size_t& at) {
  if (path[at] == '[') {
    size_t end = path.find(']', at);
    if (end == std::string::npos) end = path.size();
    std::string key = path.substr(at + 1, end - at - 1);
    at = std::min(end + 1, path.size());
    if (at < path.size() && path[at] == '.') ++at;
    return key;
  }
  size_t end = path.find_first_of(".[", at);
  if (end == std::string::npos) end = path.size();
  std::string key = path.substr(at, end - at);
  at = end < path.size() && path[end] == '.' ? end + 1 : end;
  return key;
}

}  // namespace

absl::StatusOr<Json> ParseJson(const std::string& text) {
  boost::system::error_code ec;
  Json value = boost::json::parse(text, ec);
  if (ec) return absl::InvalidArgumentError("not JSON: " + ec.message());
  return value;
}

absl::StatusOr<Json> ParseYaml(const std::string& text) {
  auto json = api::YamlToJson(text);
  if (!json.ok()) return json.status();
  return ParseJson(*json);
}

std::string Substitute(const std::string& text, const Vars& vars) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '$') {
      out += text[at++];
      continue;
    }
    bool braced = at + 1 < text.size() && text[at + 1] == '{';
    size_t begin = at + (braced ? 2 : 1), end = begin;
    while (end < text.size() && NameCharacter(text[end])) ++end;
    auto found = vars.find(text.substr(begin, end - begin));
    if (braced && (end == text.size() || text[end] != '}')) found = vars.end();
    if (found == vars.end()) {
      out += text.substr(at, end - at);
    } else {
      out += found->second;
      if (braced) ++end;
    }
    at = end;
  }
  return out;
}

Json SubstituteIn(const Json& value, const Vars& vars) {
  if (value.is_string()) {
    std::string before(value.as_string());
    std::string after = Substitute(before, vars);
    bool number = before != after && before[0] == '$' && EndsWith(before, "_PORT") &&
                  std::all_of(after.begin(), after.end(),
                              [](unsigned char c) { return std::isdigit(c) != 0; });
    if (number) return Json(std::stoll(after));
    return Json(after);
  }
  if (value.is_array()) {
    JsonArray out;
    for (const Json& element : value.as_array()) out.push_back(SubstituteIn(element, vars));
    return out;
  }
  if (value.is_object()) {
    JsonObject out;
    for (const auto& member : value.as_object())
      out[Substitute(std::string(member.key()), vars)] = SubstituteIn(member.value(), vars);
    return out;
  }
  return value;
}

const Json* Find(const Json& root, const std::string& path) {
  const Json* at = &root;
  for (size_t i = 0; i < path.size() && at != nullptr;) {
    std::string key = NextKey(path, i);
    if (at->is_object()) {
      at = at->as_object().if_contains(key);
    } else if (at->is_array()) {
      at = Element(at->as_array(), key);
    } else {
      at = nullptr;
    }
  }
  return at != nullptr && at->is_null() ? nullptr : at;
}

std::string TextOf(const Json& value) {
  if (value.is_string()) return std::string(value.as_string());
  return boost::json::serialize(value);
}

std::string Text(const JsonObject& object, const std::string& key, const std::string& otherwise) {
  const Json* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? otherwise : TextOf(*value);
}

std::vector<std::string> Texts(const JsonObject& object, const std::string& key) {
  std::vector<std::string> out;
  const Json* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return out;
  if (!value->is_array()) {
    out.push_back(TextOf(*value));
    return out;
  }
  for (const Json& element : value->as_array()) out.push_back(TextOf(element));
  return out;
}

}  // namespace kubelet::conformance
