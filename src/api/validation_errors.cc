#include "api/validation_errors.h"

#include <algorithm>

#include "kubelet/api/codec.h"

namespace kubelet::api {
namespace {

using Kind = FieldError::Kind;

const char* KindText(Kind kind) {
  switch (kind) {
    case Kind::kRequired:
      return "Required value";
    case Kind::kInvalid:
      return "Invalid value";
    case Kind::kDuplicate:
      return "Duplicate value";
    case Kind::kForbidden:
      return "Forbidden";
    case Kind::kNotSupported:
      return "Unsupported value";
    case Kind::kTooLong:
      return "Too long";
    case Kind::kTooMany:
      return "Too many";
    case Kind::kNotFound:
      return "Not found";
  }
  return "";
}

bool ShowsValue(Kind kind) {
  return kind != Kind::kRequired && kind != Kind::kForbidden && kind != Kind::kTooLong;
}

std::string Joined(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + Quoted(value);
  return text;
}

}  // namespace

std::string FieldError::ToString() const {
  std::string text = path + ": " + KindText(kind);
  if (ShowsValue(kind)) text += ": " + value;
  if (!detail.empty()) text += ": " + detail;
  return text;
}

Path Path::Child(const std::string& name) const {
  return Path(text_.empty() ? name : text_ + "." + name);
}

Path Path::Index(int index) const { return Path(text_ + "[" + std::to_string(index) + "]"); }

Path Path::Key(const std::string& key) const { return Path(text_ + "[" + key + "]"); }

std::string Quoted(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

Shown::Shown(const std::string& text) : text_(Quoted(text)) {}

Shown::Shown(const google::protobuf::Message& message) {
  EncodeOptions options;
  options.type_meta = false;
  text_ = EncodeJson(message, options);
}

void Errors::Add(Kind kind, const Path& path, std::string value, std::string detail) {
  FieldError error;
  error.kind = kind;
  error.path = path.text();
  error.value = std::move(value);
  error.detail = std::move(detail);
  list_.push_back(std::move(error));
}

void Errors::Required(const Path& path, const std::string& detail) {
  Add(Kind::kRequired, path, "", detail);
}

void Errors::Forbidden(const Path& path, const std::string& detail) {
  Add(Kind::kForbidden, path, "", detail);
}

void Errors::Invalid(const Path& path, const Shown& value, const std::string& detail) {
  Add(Kind::kInvalid, path, value.text(), detail);
}

void Errors::Invalid(const Path& path, const Shown& value,
                     const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) Invalid(path, value, problem);
}

void Errors::Duplicate(const Path& path, const Shown& value) {
  Add(Kind::kDuplicate, path, value.text(), "");
}

void Errors::NotFound(const Path& path, const Shown& value, const std::string& detail) {
  Add(Kind::kNotFound, path, value.text(), detail);
}

void Errors::NotSupported(const Path& path, const Shown& value,
                          const std::vector<std::string>& supported) {
  Add(Kind::kNotSupported, path, value.text(), "supported values: " + Joined(supported));
}

void Errors::TooLong(const Path& path, size_t max_bytes) {
  Add(Kind::kTooLong, path, "", "may not be more than " + std::to_string(max_bytes) + " bytes");
}

void Errors::TooMany(const Path& path, size_t actual, size_t max_items) {
  Add(Kind::kTooMany, path, std::to_string(actual),
      "must have at most " + std::to_string(max_items) + " items");
}

void Errors::OneOf(const Path& path, const std::string& value,
                   const std::vector<std::string>& supported) {
  if (value.empty()) return Required(path);
  if (std::find(supported.begin(), supported.end(), value) == supported.end()) {
    NotSupported(path, value, supported);
  }
}

void Errors::NonEmpty(const Path& path, const std::string& value) {
  if (value.empty()) Required(path);
}

void Errors::NonNegative(const Path& path, int64_t value) {
  if (value < 0) Invalid(path, value, "must be greater than or equal to 0");
}

void Errors::InRange(const Path& path, int64_t value, int64_t low, int64_t high) {
  if (low <= value && value <= high) return;
  Invalid(
      path, value,
      "must be between " + std::to_string(low) + " and " + std::to_string(high) + ", inclusive");
}

}  // namespace kubelet::api
