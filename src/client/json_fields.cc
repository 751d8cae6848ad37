#include "client/json_fields.h"

#include "absl/strings/escaping.h"

namespace kubelet::client {

namespace json = boost::json;

absl::StatusOr<json::value> ParseJson(std::string_view text) {
  json::parse_options options;
  options.max_depth = 100;
  json::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error) return absl::InvalidArgumentError("not JSON: " + error.message());
  return value;
}

JsonFields::JsonFields(const json::value* value, std::string where) : where_(std::move(where)) {
  if (value == nullptr || value->is_null()) return;
  object_ = value->if_object();
  if (object_ == nullptr) Fail(where_.empty() ? "the document" : where_, "expected an object");
}

void JsonFields::Fail(const std::string& path, const std::string& what) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(path + ": " + what);
}

void JsonFields::Merge(const JsonFields& part) {
  if (status_.ok()) status_ = part.status_;
}

const json::value* JsonFields::Value(const char* key) {
  const json::value* value = object_ == nullptr ? nullptr : object_->if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string JsonFields::String(const char* key) {
  const json::value* value = Value(key);
  if (value == nullptr) return "";
  const json::string* text = value->if_string();
  if (text == nullptr) {
    Fail(Path(key), "expected a string");
    return "";
  }
  return std::string(text->data(), text->size());
}

bool JsonFields::Bool(const char* key) {
  const json::value* value = Value(key);
  if (value == nullptr) return false;
  const bool* flag = value->if_bool();
  if (flag == nullptr) Fail(Path(key), "expected true or false");
  return flag != nullptr && *flag;
}

std::vector<std::string> JsonFields::Strings(const char* key) {
  std::vector<std::string> out;
  const json::value* value = Value(key);
  if (value == nullptr) return out;
  const json::array* array = value->if_array();
  if (array == nullptr) Fail(Path(key), "expected a list");
  for (size_t i = 0; array != nullptr && i < array->size(); ++i) {
    const json::string* text = (*array)[i].if_string();
    if (text == nullptr) {
      Fail(Path(key) + "[" + std::to_string(i) + "]", "expected a string");
      break;
    }
    out.emplace_back(text->data(), text->size());
  }
  return out;
}

std::string JsonFields::Base64(const char* key) {
  std::string text = String(key), out;
  if (!text.empty() && !absl::Base64Unescape(text, &out)) Fail(Path(key), "not base64");
  return out;
}

JsonFields JsonFields::Object(const char* key) { return JsonFields(Value(key), Path(key)); }

std::vector<JsonFields> JsonFields::Objects(const char* key) {
  std::vector<JsonFields> out;
  const json::value* value = Value(key);
  if (value == nullptr) return out;
  const json::array* array = value->if_array();
  if (array == nullptr) Fail(Path(key), "expected a list");
  for (size_t i = 0; array != nullptr && i < array->size(); ++i) {
    out.emplace_back(&(*array)[i], Path(key) + "[" + std::to_string(i) + "]");
    Merge(out.back());
  }
  return out;
}

}  // namespace kubelet::client
