// Fields of a JSON object by name, with errors that say where they stood.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::client {

// InvalidArgument; no exceptions.
absl::StatusOr<boost::json::value> ParseJson(std::string_view text);

// One object within a document. The first error is kept, and further reads yield nothing: read
// everything, then ask status(). Null and absent are the same.
class JsonFields {
 public:
  // `where` is the path in messages: `users[0].user`. A value that is no object is an error, null
  // is an empty one.
  JsonFields(const boost::json::value* value, std::string where);

  std::string String(const char* key);
  bool Bool(const char* key);
  std::vector<std::string> Strings(const char* key);
  std::string Base64(const char* key);  // decoded
  const boost::json::value* Value(const char* key);
  JsonFields Object(const char* key);
  // The items of a list of objects.
  std::vector<JsonFields> Objects(const char* key);
  bool Has(const char* key) { return Value(key) != nullptr; }

  const std::string& where() const { return where_; }
  std::string Path(const char* key) const { return where_.empty() ? key : where_ + "." + key; }
  void Fail(const std::string& path, const std::string& what);
  const absl::Status& status() const { return status_; }
  // Takes over the error of a part.
  void Merge(const JsonFields& part);

  const boost::json::object* object() const { return object_; }

 private:
  const boost::json::object* object_ = nullptr;
  std::string where_;
  absl::Status status_;
};

}  // namespace kubelet::client
