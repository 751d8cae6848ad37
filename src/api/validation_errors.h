// Where a value stands, and the growing list of what is wrong. Internal to the room.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kubelet/api/quantity.h"
#include "kubelet/api/validation.h"

namespace kubelet::api {

// `spec.containers[0].resources.limits[cpu]`
class Path {
 public:
  Path() = default;
  explicit Path(std::string text) : text_(std::move(text)) {}
  Path Child(const std::string& name) const;
  Path Index(int index) const;
  Path Key(const std::string& key) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// A value as people are shown it: text quoted, numbers bare, messages as JSON.
class Shown {
 public:
  Shown(const std::string& text);  // NOLINT: conversions are the purpose
  Shown(const char* text) : Shown(std::string(text)) {}
  Shown(int64_t number) : text_(std::to_string(number)) {}
  Shown(int32_t number) : text_(std::to_string(number)) {}
  Shown(bool value) : text_(value ? "true" : "false") {}
  Shown(const Quantity& quantity) : Shown(quantity.ToString()) {}
  explicit Shown(const google::protobuf::Message& message);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Go's %q for text that people wrote.
std::string Quoted(const std::string& text);

class Errors {
 public:
  void Required(const Path& path, const std::string& detail = "");
  void Forbidden(const Path& path, const std::string& detail);
  void Invalid(const Path& path, const Shown& value, const std::string& detail);
  // One error for each problem.
  void Invalid(const Path& path, const Shown& value, const std::vector<std::string>& problems);
  void Duplicate(const Path& path, const Shown& value);
  void NotFound(const Path& path, const Shown& value, const std::string& detail = "");
  void NotSupported(const Path& path, const Shown& value,
                    const std::vector<std::string>& supported);
  void TooLong(const Path& path, size_t max_bytes);
  void TooMany(const Path& path, size_t actual, size_t max_items);

  // Required when empty, NotSupported when not one of `supported`.
  void OneOf(const Path& path, const std::string& value, const std::vector<std::string>& supported);
  // Required when empty.
  void NonEmpty(const Path& path, const std::string& value);
  void NonNegative(const Path& path, int64_t value);
  void InRange(const Path& path, int64_t value, int64_t low, int64_t high);

  size_t size() const { return list_.size(); }
  std::vector<FieldError> Take() { return std::move(list_); }

 private:
  void Add(FieldError::Kind kind, const Path& path, std::string value, std::string detail);

  std::vector<FieldError> list_;
};

}  // namespace kubelet::api
